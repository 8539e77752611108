"""Tell the ledger that somebody looked: a frozen suite wears out by being used to judge, so each use is counted."""

from registry.core.digest import Digest
from registry.core.gate.verdict import Verdict
from registry.core.ledger.entry import Judge, Link
from registry.core.ledger.views import State
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.append import append, stamp


def look(
    verdict: Verdict, digest: Digest, *, ledger: LedgerFile, genesis: Digest, signer: Signer, clock: Clock, actor: str
) -> Link | None:
    """Write down that `verdict`, kept in the store as `digest`, was asked for; the same look only once.

    A look is the same if it is of the same evidence of the same model, on the same suite, for the same stage.

    Returns:
        The entry; None if it was there, or if there was no evidence to look at.

    Raises:
        NotYours: The signer is no key of the policy.
        LedgerLost, Breach, TooBusy: As `append`.
    """
    evidence, suite = verdict.candidate_evidence, verdict.suite
    if evidence is None or suite is None:
        return None

    def decide(state: State) -> Judge | None:
        if (verdict.stage, verdict.candidate, evidence, suite) in state.looks:
            return None
        return Judge(
            **stamp(state, clock=clock, actor=actor, reason=None),
            stage=verdict.stage,
            manifest=verdict.candidate,
            evidence=evidence,
            suite=suite,
            verdict=digest,
            answer=verdict.answer,
        )

    return append(decide, ledger=ledger, genesis=genesis, signer=signer).link
