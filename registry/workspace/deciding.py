"""Deciding what a stage serves, and telling what was decided."""

from typing import TYPE_CHECKING

from registry.workspace.judging import Judging
from registry.workspace.mirroring import Mirroring

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from registry.core.gate.verdict import Verdict
    from registry.core.ledger.retreat import Target
    from registry.verbs.append import Decided
    from registry.verbs.at import Then
    from registry.verbs.log import Line
    from registry.verbs.promote import Promoted
    from registry.verbs.revoke import Withdrawn
    from registry.verbs.rollback import Drilled, RolledBack
    from registry.verbs.status import Status


class Deciding(Judging, Mirroring):
    """What is written into the ledger, and what is read out of it."""

    def status(self) -> "Status":
        """What each stage serves now."""
        from registry.adapters.clocks import SystemClock
        from registry.verbs.status import status

        return status(ledger=self.ledger, genesis=self.settings.genesis, clock=SystemClock())

    def log(self, stage: str | None = None) -> "tuple[Line, ...]":
        """Every decision, or those about `stage`, oldest first, with what each switch changed."""
        from registry.verbs.log import log

        return log(stage, ledger=self.ledger, genesis=self.settings.genesis, store=self.store)

    def at(self, stage: str, when: "datetime | int") -> "Then":
        """What `stage` served at a time, or after the entry of an index."""
        from registry.verbs.at import at

        return at(stage, when, ledger=self.ledger, genesis=self.settings.genesis)

    def promote(self, ref: str, stage: str, *, reason: str | None = None) -> "Promoted":
        """Let `stage` serve the model `ref` if its committed gate says GO; write the refusal down and raise it if not.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import promote

        verdict = self._looked_at(ref, stage)
        return self.reflected(
            promote(verdict.candidate, stage, verdict=verdict, store=self.grounds, reason=reason, **self.doors)
        )

    def bootstrap(self, ref: str, stage: str, *, reason: str) -> "Promoted":
        """Let `stage` serve the model `ref` as its very first release, whatever the gate says of it.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import bootstrap

        verdict = self._looked_at(ref, stage)
        return self.reflected(
            bootstrap(verdict.candidate, stage, verdict=verdict, store=self.grounds, reason=reason, **self.doors)
        )

    def rollback(self, stage: str, *, reason: str, to: "int | datetime | str | None" = None) -> "RolledBack":
        """Let `stage` serve an earlier manifest again, proven byte by byte before the switch.

        `to` is a generation, a time, `previous`, `last-good` or the name of a model; the one before if it is None.
        """
        from registry.verbs.rollback import rollback

        return self.reflected(rollback(stage, reason=reason, to=self._target(to), store=self.grounds, **self.doors))

    def drill(self, stage: str, *, to: "int | datetime | str | None" = None) -> "Drilled":
        """Do everything of a rollback but the switch."""
        from registry.verbs.rollback import drill

        genesis, signer = self.settings.genesis, self.signer
        target = self._target(to)
        return drill(stage, to=target, ledger=self.ledger, genesis=genesis, store=self.store, signer=signer)

    def _target(self, to: "int | datetime | str | None") -> "Target":
        if to is None or to == "previous":
            return "previous"
        if to == "last-good":
            return "last-good"
        return self.state.resolve(to) if isinstance(to, str) else to

    def approve(self, ref: str, stage: str, *, reason: str | None = None) -> "Decided":
        """Say with your key that `stage` may serve the model `ref`."""
        from registry.verbs.approve import approve

        return approve(self.state.resolve(ref), stage, reason=reason, **self.doors)

    def revoke(self, ref: str, *, reason: str) -> "Withdrawn":
        """Say for ever that the model `ref` is bad."""
        from registry.verbs.revoke import revoke

        return self.reflected(revoke(self.state.resolve(ref), reason=reason, **self.doors))

    def hold(self, stage: str, *, reason: str) -> "Decided":
        """Let nothing be promoted to `stage` from here on."""
        from registry.verbs.hold import hold

        return hold(stage, reason=reason, **self.doors)

    def resume(self, stage: str, *, reason: str) -> "Decided":
        """Open `stage` for promotions again."""
        from registry.verbs.hold import resume

        return resume(stage, reason=reason, **self.doors)

    def waive(self, ref: str, stage: str, *, rules: "Sequence[str]", until: "datetime", reason: str) -> "Decided":
        """Excuse the model `ref` from exactly the `rules` of `stage` that did not pass, until a time.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.waive import waive

        verdict = self._looked_at(ref, stage)
        return waive(verdict, rules=rules, until=until, reason=reason, store=self.store, **self.doors)

    def _looked_at(self, ref: str, stage: str) -> "Verdict":
        """The verdict of committed rules, with the look at the model written down."""
        from registry.verbs.look import look

        verdict = self.agreed_verdict(ref, stage)
        look(verdict, self.store.put(verdict.canonical()), **self.doors)
        return verdict
