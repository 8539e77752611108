"""A ledger that is watched: what this user wrote into it must still be there whenever it is read."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.adapters import durable
from registry.core.bundle.trust import SeenLedger
from registry.core.canonical import NotCanonical, canonical
from registry.core.digest import Digest, digest_of, hex_of, short
from registry.core.ledger.chain import Forked, Replayed
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

    def _seen(self) -> SeenLedger | None:
        try:
            return SeenLedger.parse(self.memory.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, NotCanonical) as error:
            mend = "compare the ledger with another copy; if it is the right one, remove the file"
            raise MemoryUnreadable(f"{self.memory} cannot be read", why=str(error), mend=mend) from None


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
