"""Saying how far the ledger goes, and proving to strangers what it says."""

from pathlib import Path
from typing import TYPE_CHECKING

from registry.workspace.place import Place

if TYPE_CHECKING:
    from registry.core.ledger.proof import Proof
    from registry.verbs.audit import Audited
    from registry.verbs.checkpoint import Signed


class Proving(Place):
    """What makes others believe the ledger."""

    def audit(self) -> "Audited":
        """Check the ledger alone: every entry and signature, the tree, the checkpoint."""
        from registry.verbs.audit import audit

        return audit(ledger=self.ledger, genesis=self.settings.genesis)

    def checkpoint(self) -> "Signed":
        """Verify the ledger, and sign how far it goes as of now."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.checkpoint import checkpoint

        return checkpoint(ledger=self.ledger, genesis=self.settings.genesis, signer=self.signer, clock=SystemClock())

    def prove_entry(self, ref: str, file: Path | None = None) -> "Proof":
        """Prove one decision to a stranger; with `file`, write the proof there."""
        from registry.adapters import durable
        from registry.verbs.prove_entry import prove_entry

        proof = prove_entry(ref, ledger=self.ledger, genesis=self.settings.genesis)
        if file is not None:
            durable.replace(file, proof.canonical())
        return proof
