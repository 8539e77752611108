"""Keeping what was stored: is it all still there, and as it was?"""

from typing import TYPE_CHECKING

from registry.workspace.place import Place

if TYPE_CHECKING:
    from registry.core.health import Report


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
