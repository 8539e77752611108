"""Deciding what a stage serves, and telling what was decided."""

from typing import TYPE_CHECKING

from registry.workspace.judging import Judging

if TYPE_CHECKING:
    from registry.verbs.log import Line
    from registry.verbs.promote import Promoted
    from registry.verbs.rollback import RolledBack
    from registry.verbs.status import Status


class Deciding(Judging):
    """What is written into the ledger, and what is read out of it."""

    def status(self) -> "Status":
        """What each stage serves now."""
        from registry.verbs.status import status

        return status(ledger=self.ledger, genesis=self.settings.genesis)

    def log(self, stage: str | None = None) -> "tuple[Line, ...]":
        """Every decision, or those about `stage`, oldest first."""
        from registry.verbs.log import log

        return log(stage, ledger=self.ledger, genesis=self.settings.genesis)

    def promote(self, ref: str, stage: str, *, reason: str | None = None) -> "Promoted":
        """Let `stage` serve the model `ref` if its committed gate says GO; write the refusal down and raise it if not.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import promote

        verdict = self.agreed_verdict(ref, stage)
        return promote(verdict.candidate, stage, verdict=verdict, store=self.store, reason=reason, **self.doors)

    def bootstrap(self, ref: str, stage: str, *, reason: str) -> "Promoted":
        """Let `stage` serve the model `ref` as its very first release, whatever the gate says of it.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import bootstrap

        verdict = self.agreed_verdict(ref, stage)
        return bootstrap(verdict.candidate, stage, verdict=verdict, store=self.store, reason=reason, **self.doors)

    def rollback(self, stage: str, *, reason: str, to: int | None = None) -> "RolledBack":
        """Let `stage` serve an earlier manifest again, proven byte by byte before the switch."""
        from registry.verbs.rollback import rollback

        return rollback(stage, reason=reason, to=to, store=self.store, **self.doors)
