"""selftest: draw what a stage serves twice from its own answers, and see whether its gate tells the two apart."""

from dataclasses import dataclass

from registry.core.digest import Digest, digest_of
from registry.core.gate.again import Flipped, tell_apart
from registry.core.gate.judging.check import check_gate
from registry.core.gate.judging.conclude import Hearing, Side
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import Undecided, UsageError
from registry.ports import Store
from registry.verbs.gate import gate_of
from registry.verbs.sides import candidate_side, suite_in

DRAWS = 1000


class NothingToDraw(Undecided):
    """A stage serves nothing, or nothing that was ever evaluated."""


class NothingCompares(UsageError):
    """A gate has no rule that compares two models."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What was drawn from, and how often each rule that compares told two draws apart."""

    stage: str
    manifest: Digest
    evidence: Digest
    rules: tuple[Flipped, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no rule was proven to flip more often than it promises."""
        return not any(rule.is_broken for rule in self.rules)


def selftest(stage: str, *, store: Store, state: State, gate_file: bytes, draws: int = DRAWS) -> Tested:
    """Test the gate of `stage` on what the stage serves; the same inputs give the same counts.

    Args:
        stage: Whose gate is tested.
        store: Where the evidence is.
        state: What the ledger says.
        gate_file: The bytes of the stage's gate file.
        draws: How many pairs are judged.

    Raises:
        NothingToDraw: The stage serves nothing with evidence.
        NothingCompares: No rule compares.
        Faults: The gate file has faults.
        ForeignEvidence, BadRows, Missing, DigestMismatch: The evidence cannot be believed.
    """
    serving = state.serving(stage)
    if serving is None:
        raise NothingToDraw(f"{stage} serves nothing yet", mend="promote a first release")
    manifest = Manifest.parse(store.get(serving.manifest))
    suite, file = suite_in(manifest, store), gate_of(gate_file, stage)
    check_gate(file, suite)
    side = candidate_side(manifest, next(iter(state.evidence(serving.manifest)), None), suite, store=store)
    if side.rows is None or side.evidence is None:
        raise NothingToDraw(f"what {stage} serves has no evidence", mend="evaluate it, and pin it again")
    nobody = Side(serving.manifest, None, None, None)
    trial = Hearing(digest_of(gate_file), file, suite, candidate=nobody, baseline=side).trial
    found = tell_apart(trial, f"{side.evidence} {file.gate.digest}", draws)
    if not found:
        raise NothingCompares(f"the gate of {stage} has no rule that compares", why="that is all this tests")
    return Tested(stage, serving.manifest, side.evidence, found)
