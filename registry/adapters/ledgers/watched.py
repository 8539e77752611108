"""A ledger that is watched: what this user wrote into it must still be there whenever it is read."""

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import VERSION

import registry.core
from registry.adapters import durable
from registry.core.bundle.trust import SeenLedger
from registry.core.canonical import NotCanonical, canonical
from registry.core.digest import Digest, digest_of, hex_of, short
from registry.core.ledger.chain import Forked, Replayed
from registry.core.ledger.recall import Recollection, open_recollection
from registry.errors import IntegrityError
from registry.ports import LedgerFile


class MemoryUnreadable(IntegrityError):
    """What this user remembers of the ledger cannot be read, so nothing can be compared with it."""


@dataclass(frozen=True, slots=True)
class WatchedLedger:
    """`ledger`, whose first entry is `genesis`, and the file `memory` of the last entry that this user put.

    Cutting entries off the end leaves a chain that holds; only somebody who remembers can tell. A host remembers what
    it saw, and this remembers what was written from here.
    """

    ledger: LedgerFile
    genesis: Digest
    memory: Path

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Entries' exact bytes, from `start` to the last, or to the one before `stop`.

        Raises:
            Replayed: The entry that is remembered is not there any more.
            Forked: Another stands in its place.
        """
        entries, seen = self.ledger.read(start, stop), self._seen()
        if seen is None:
            return entries
        # why: what is read need not hold what is remembered, and then that is read, too.
        there = entries[seen.index - start : seen.index - start + 1] if seen.index >= start else ()
        there = there or self.ledger.read(seen.index, seen.index + 1)
        mend = f"put the missing entries back from a copy; if the ledger was reset on purpose, remove {self.memory}"
        if not there:
            now = "and it is not there now" if entries or start else "and now there is none at all"
            raise Replayed(
                "the end of the ledger is gone", why=f"entry {seen.index} was written from here, {now}", mend=mend
            )
        if (found := digest_of(there[0])) != seen.entry:
            why = f"{short(seen.entry)} was written from here, and {short(found)} stands there now"
            raise Forked(f"ledger entry {seen.index} was replaced", why=why, mend=mend)
        return entries

    def put_if_absent(self, index: int, data: bytes) -> bool:
        """Make `data` entry `index`, durably, and remember it; False if that index is taken."""
        done = self.ledger.put_if_absent(index, data)
        if done:
            seen = SeenLedger(genesis=self.genesis, index=index, entry=digest_of(data))
            # why: the entry is written; a home that cannot be written to may not call that a failure.
            with suppress(durable.WriteFailed, OSError):
                durable.make_directory(self.memory.parent)
                durable.replace(self.memory, seen.canonical())
        return done

    def checkpoint(self) -> bytes | None:
        """The checkpoint; None if none was put."""
        return self.ledger.checkpoint()

    def put_checkpoint(self, data: bytes) -> None:
        """Put `data` in its place."""
        self.ledger.put_checkpoint(data)

    @property
    def code(self) -> str:
        """The digest of what verifies and folds ledgers here: with another version nothing is recalled."""
        return _code()

    def recall(self) -> Recollection | None:
        """What this user kept of the ledger; None if there is nothing, or others may read or write there."""
        try:
            file = _Open(os.open(self._recollection, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return None
        found = os.fstat(file.fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        return open_recollection(file.read, genesis=self.genesis, code=self.code)

    def retain(self, data: bytes) -> None:
        """Keep `data` for this user alone."""
        with suppress(durable.WriteFailed, OSError):
            durable.make_directory(self.memory.parent)
            durable.replace(self._recollection, data, mode=0o600)

    @property
    def _recollection(self) -> Path:
        return self.memory.with_suffix(".recalled")

    def _seen(self) -> SeenLedger | None:
        try:
            return SeenLedger.parse(durable.read_plain(self.memory))
        except FileNotFoundError:
            return None
        except (OSError, NotCanonical) as error:
            mend = "compare the ledger with another copy; if it is the right one, remove the file"
            raise MemoryUnreadable(f"{self.memory} cannot be read", why=str(error), mend=mend) from None


@dataclass(slots=True)
class _Open:
    """An open file, closed when nobody reads from it any more."""

    fd: int

    def read(self, start: int, length: int) -> bytes:
        """Its bytes from `start` on; none where they cannot be read."""
        try:
            return os.pread(self.fd, length, start)
        except OSError:
            return b""

    def __del__(self) -> None:
        os.close(self.fd)


@cache
def _code() -> str:
    """One digest for the sources of all that decides what a ledger says."""
    core = Path(registry.core.__file__).parent
    others = (core / f"{name}.py" for name in ("canonical", "digest", "pin", "record"))
    sources = (path.read_bytes() for path in (*sorted((core / "ledger").glob("*.py")), *others))
    return hashlib.sha256(b"\0".join((VERSION.encode(), *sources))).hexdigest()


def memory_of(genesis: Digest, place: Path | str, environment: Mapping[str, str]) -> Path:
    """Where this user's memory of the ledger at `place` is: below `$XDG_STATE_HOME`, or `~/.local/state`.

    `place` is a directory or a URL. A copy of a ledger at another place may go on from an earlier entry, so each place
    has a memory of its own.
    """
    configured = environment.get("XDG_STATE_HOME", "")
    # why expanduser: unlike Path.home, it leaves the path as it is where there is no home.
    base = Path(configured) if configured.startswith("/") else Path(os.path.expanduser("~/.local/state"))  # noqa: PTH111
    where = place if isinstance(place, str) else os.fsencode(place.resolve()).hex()
    name = hex_of(digest_of(canonical({"genesis": genesis, "place": where})))
    return base / "lockstep" / "ledgers" / f"{name}.json"
