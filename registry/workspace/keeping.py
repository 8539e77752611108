"""Keeping what was stored: is it all still there, and as it was?"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UsageError
from registry.workspace.places import open_ledger, open_store
from registry.workspace.replicating import Replicating

if TYPE_CHECKING:
    from registry.adapters.stores.attic import Attic as DirectoryAttic
    from registry.adapters.stores.bucket_attic import BucketAttic
    from registry.core.digest import Digest
    from registry.core.health import Report
    from registry.ports import Copies
    from registry.verbs.gc import Collected, Why
    from registry.verbs.repair import Repaired


HEX_DIGITS, LEAST_DIGITS = 64, 6


class Keeping(Replicating):
    """What looks after the store."""

    def verify(
        self,
        *,
        quick: bool = False,
        subset: str | None = None,
        remote: str | None = None,
        start: Path | None = None,
    ) -> "Report":
        """Check the ledger and every blob; with `quick`, only that each blob is there and has its size.

        With `subset`, `n/t` or `x%`, only that part of the blobs is hashed, and the others are looked at. With
        `remote`, the copy there is checked, as `push` names it; a relative directory is seen from `start`.
        """
        from registry.core.sample import parse_sample
        from registry.verbs.verify import glance, verify

        where = self.where if remote is None else self.copy_at(remote, start)
        store = open_store(where, self.cache, self.environment)
        ledger = self.ledger if remote is None else open_ledger(where, self.environment)
        premises, genesis = store.premises(), self.settings.genesis
        if quick:
            return glance(store=store, ledger=ledger, genesis=genesis, premises=premises)
        sample = parse_sample(subset) if subset is not None else None
        return verify(store=store, ledger=ledger, genesis=genesis, premises=premises, sample=sample)

    def quarantine(self, report: "Report") -> tuple[str, ...]:
        """Move the damaged blobs of `report` out of their places; where each is now, relative to the store."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.repair import quarantine

        return quarantine(report, store=self.files, attic=self.attic, clock=SystemClock())

    def repair(self, places: Iterable[str] = (), *, start: Path | None = None) -> "Repaired":
        """Verify everything, and put right what can be, with copies from `places`.

        Args:
            places: Remotes, URLs of buckets, stores, projects, or any directories of files.
            start: What relative directories are seen from; the project's root if None.
        """
        from registry.adapters.clocks import SystemClock
        from registry.verbs.repair import repair

        files = self.files
        copies = [self._copies(place, start) for place in places]
        files.seal(exposed := files.premises().exposed)
        files.confirm()
        repaired = repair(
            store=files,
            attic=self.attic,
            ledger=self.ledger,
            genesis=self.settings.genesis,
            premises=files.premises,
            copies=copies,
            clock=SystemClock(),
        )
        return replace(repaired, sealed=exposed)

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

    @property
    def attic(self) -> "DirectoryAttic | BucketAttic":
        """What lies behind the store."""
        return self.files.attic

    def _copies(self, place: str, start: Path | None) -> "Copies":
        """What may have copies at `place`: a store of any kind, or a directory of files."""
        from registry.adapters.stores.copies import FromStore, Pile

        where = self.copy_at(place, start)
        if not isinstance(where, Path) or (where / "blobs" / "sha256").is_dir():
            return FromStore(open_store(where, self.cache, self.environment))
        return Pile(where)

    def _collecting(self, keep: int | None, grace_days: int | None) -> dict[str, Any]:
        """The doors and the rules of a collector. It does not work under a lease: that would wait for itself."""
        from registry.adapters.clocks import SystemClock
        from registry.core.retention import Retention

        rules = self.settings.gc
        days = rules.grace_days if grace_days is None else grace_days
        return {
            "store": self.files,
            "attic": self.attic,
            "ledger": self.ledger,
            "genesis": self.settings.genesis,
            "clock": SystemClock(),
            "retention": Retention.of(rules.keep if keep is None else keep, days),
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
        present: list[Digest] = sorted({*self.files.digests(), *self.attic.trashed()})
        found = [digest for digest in present if len(start) >= LEAST_DIGITS and hex_of(digest).startswith(start)]
        if len(found) != 1:
            why = f"{len(found)} blobs begin so" if len(start) >= LEAST_DIGITS else f"{LEAST_DIGITS} digits are needed"
            mend = "type more of its hex digits; `registry show REF` tells the digest of a model and of its parts"
            raise UsageError(f"{text!r} is no blob of the store", why=why, mend=mend)
        return found[0]
