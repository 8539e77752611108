"""Saying how far the ledger goes, and proving to strangers what it says."""

from pathlib import Path
from typing import TYPE_CHECKING

from registry.workspace.places import open_ledger
from registry.workspace.replicating import Replicating

if TYPE_CHECKING:
    from registry.core.bundle.trust import SeenLedger
    from registry.core.ledger.proof import Proof
    from registry.verbs.audit import Audited
    from registry.verbs.checkpoint import Signed
    from registry.verbs.recover import Recovered


class Proving(Replicating):
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

    def binding(self) -> "SeenLedger":
        """What a new host is given, so that it trusts this ledger as far as it goes now."""
        from registry.core.bundle.trust import binding_of
        from registry.verbs.reading import read_signed

        return binding_of(read_signed(self.ledger, self.settings.genesis))

    def recover(self, source: str, *, start: Path | None = None) -> "Recovered":
        """Put back entries that were lost here.

        Args:
            source: A remote, the URL of a place in a bucket, another registry's directory, or a host's.
            start: What a relative directory is seen from; the project's root if None.
        """
        from registry.adapters.hosts.copies import read_copy
        from registry.verbs.recover import recover

        directory = (start or self.root) / source
        copy = read_copy(directory) if source not in self.settings.remotes and directory.is_dir() else ()
        # why not the watched ledger: what was lost is what this user remembers. It looks afterwards.
        ledger = open_ledger(self.where, self.environment)
        copy = copy or open_ledger(self.there(source, start), self.environment).read()
        done = recover(copy, ledger=ledger, genesis=self.settings.genesis)
        self.ledger.read()
        return done
