"""Keeping what was stored: is it all still there, and as it was?"""

from typing import TYPE_CHECKING

from registry.workspace.place import Place

if TYPE_CHECKING:
    from registry.verbs.verify import Report


class Keeping(Place):
    """What looks after the store."""

    def verify(self, *, quick: bool = False) -> "Report":
        """Check the ledger and every blob; with `quick`, only that each blob is there and has its size."""
        from registry.verbs.verify import glance, verify

        check = glance if quick else verify
        strays = self.store.strays()
        return check(store=self.store, ledger=self.ledger, genesis=self.settings.genesis, strays=strays)
