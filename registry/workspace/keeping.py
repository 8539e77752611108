"""Keeping what was stored: is it all still there, and as it was?"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UsageError
from registry.workspace.place import Place
from registry.workspace.settings import SETTINGS, read_settings

if TYPE_CHECKING:
    from registry.core.digest import Digest
    from registry.core.health import Report
    from registry.ports import Copies
    from registry.verbs.gc import Collected, Why
    from registry.verbs.repair import Repaired


HEX_DIGITS, LEAST_DIGITS = 64, 6


class Keeping(Place):
    """What looks after the store."""

    def verify(self, *, quick: bool = False, subset: str | None = None) -> "Report":
        """Check the ledger and every blob; with `quick`, only that each blob is there and has its size.

        With `subset`, `n/t` or `x%`, only that part of the blobs is hashed, and the others are looked at.
        """
        from registry.core.sample import parse_sample
        from registry.verbs.verify import glance, verify

        store = self.files
        premises, genesis = store.premises(), self.settings.genesis
        if quick:
            return glance(store=store, ledger=self.ledger, genesis=genesis, premises=premises)
        sample = parse_sample(subset) if subset is not None else None
        return verify(store=store, ledger=self.ledger, genesis=genesis, premises=premises, sample=sample)

    def quarantine(self, report: "Report") -> tuple[str, ...]:
        """Move the damaged blobs of `report` out of their places; where each is now, relative to the store."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.repair import quarantine

        return quarantine(report, store=self.files, attic=self.files.attic, clock=SystemClock())

    def repair(self, places: Iterable[str | Path] = ()) -> "Repaired":
        """Verify everything, and put right what can be, with copies from `places`: stores, projects or directories."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.repair import repair

        files = self.files
        copies = [_copies(Path(place)) for place in places]
        files.seal(files.premises().exposed)
        return repair(
            store=files,
            attic=files.attic,
            ledger=self.ledger,
            genesis=self.settings.genesis,
            premises=files.premises,
            copies=copies,
            clock=SystemClock(),
        )

    def gc(self, *, keep: int | None = None, grace_days: int | None = None) -> "Collected":
        """Set aside what nothing needs, delete what was set aside long ago; see `registry.core.roots`."""
        from registry.verbs.gc import gc

        return gc(**self._collecting(keep, grace_days))

    def survey(self, *, keep: int | None = None, grace_days: int | None = None) -> "Collected":
        """What `gc` would do, and what each part of the models takes."""
        from registry.verbs.gc import survey

        return survey(**self._collecting(keep, grace_days))

    def why(self, digest: str, *, keep: int | None = None, grace_days: int | None = None) -> "Why":
        """What keeps the blob `digest`, of which the first six hex digits or more are enough."""
        from registry.verbs.gc import why

        return why(self._blob(digest), **self._collecting(keep, grace_days))

    def _collecting(self, keep: int | None, grace_days: int | None) -> dict[str, Any]:
        """The doors and the rules of a collector. It does not work under a lease: that would wait for itself."""
        from registry.adapters.clocks import SystemClock
        from registry.core.retention import Retention

        rules = self.settings.gc
        days = rules.grace_days if grace_days is None else grace_days
        return {
            "store": self.files,
            "attic": self.files.attic,
            "ledger": self.ledger,
            "genesis": self.settings.genesis,
            "clock": SystemClock(),
            "retention": Retention(rules.keep if keep is None else keep, timedelta(days=days)),
        }

    def _blob(self, text: str) -> "Digest":
        """The digest that `text` is, or the only one here that begins so.

        Raises:
            UsageError: It is too short, or no blob or more than one begins so.
        """
        from registry.core.digest import hex_of, parse_digest

        start = text.removeprefix("sha256:")
        if len(start) == HEX_DIGITS:
            return parse_digest(f"sha256:{start}")
        present = sorted({*self.files.digests(), *self.files.attic.trashed()})
        found = [digest for digest in present if len(start) >= LEAST_DIGITS and hex_of(digest).startswith(start)]
        if len(found) != 1:
            why = f"{len(found)} blobs begin so" if len(start) >= LEAST_DIGITS else f"{LEAST_DIGITS} digits are needed"
            raise UsageError(f"{text!r} is no blob of the store", why=why, mend="type more of its hex digits")
        return found[0]


def _copies(place: Path) -> "Copies":
    """What may have copies at `place`: a store, a project with one, or any directory of files.

    Raises:
        UsageError: There is no such directory.
    """
    from registry.adapters.stores.copies import FromStore, Pile
    from registry.adapters.stores.directory import DirectoryStore

    if not place.is_dir():
        raise UsageError(f"{place} is no directory", mend="name a store, a project, a host, a bundle or a DVC cache")
    if (place / SETTINGS).is_file():
        place /= read_settings(place / SETTINGS).place
    return FromStore(DirectoryStore(place)) if (place / "blobs" / "sha256").is_dir() else Pile(place)
