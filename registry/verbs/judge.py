"""Judge talks that are over: every verifier of the slice on each, programs and scores once for each distinct one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from registry.core.heldout.evidence import Finding, Row
from registry.core.heldout.slice import Slice
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.heldout.verifiers.look import SEEN_LETTERS, Instruments, VerifierFailed, answer_of
from registry.errors import RegistryError, UsageError
from registry.ports import Engine, Ran, Sandbox
from registry.verbs.converse import Talk

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bench:
    """What verifiers work with, and what they found out already: the same program or pair is never tried twice."""

    engine: Engine
    sandbox: Sandbox
    batch_size: int
    ran: dict[str, Ran] = field(default_factory=dict)
    scores: dict[Pair, str | RegistryError] = field(default_factory=dict)

    def run(self, program: str) -> Ran:
        """What became of `program`, from the first time that it was run."""
        if program not in self.ran:
            self.ran[program] = self.sandbox.run(program)
        return self.ran[program]

    def score(self, prompt: str, answer: str) -> str:
        """The reward model's score of a pair.

        Raises:
            VerifierFailed: The reward model failed on this very pair.
        """
        self.score_all([(prompt, answer)])
        found = self.scores[prompt, answer]
        if isinstance(found, RegistryError):
            raise VerifierFailed("the reward model failed", why=found.what)
        return found

    def score_all(self, pairs: Sequence[Pair]) -> None:
        """Score all distinct `pairs` that have no score yet, in batches; one that fails fails alone."""
        fresh = sorted({pair for pair in pairs if pair not in self.scores})
        for start in range(0, len(fresh), self.batch_size):
            self._score(fresh[start : start + self.batch_size])

    def _score(self, pairs: Sequence[Pair]) -> None:
        try:
            scores = self.engine.score(pairs)
            self.scores.update(zip(pairs, scores, strict=True))
        except UsageError:  # why: no reward model at all is a fault of the evaluation, not of each answer
            raise
        except RegistryError as error:
            if len(pairs) == 1:
                self.scores[pairs[0]] = error
                return
            for pair in pairs:
                self._score([pair])


def judge(talks: Sequence[Talk], slice: Slice, files: Mapping[str, bytes], *, bench: Bench) -> tuple[Row, ...]:
    """A row for each talk.

    Args:
        talks: All of one slice, each over.
        slice: Says which verifiers judge.
        files: The slice's files, by path inside it.
        bench: Where programs run and answers are scored.
    """
    instruments = Instruments(files, bench.run, bench.score)
    judged = [talk for talk in talks if talk.status != "error"]
    if any(call.name == "reward_model" for call in slice.verifiers):
        bench.score_all([(talk.case.prompt, answer_of(talk.said)) for talk in judged])
    return tuple(_row(talk, slice, instruments) for talk in talks)


def _row(talk: Talk, slice: Slice, instruments: Instruments) -> Row:
    findings = {}
    for call in slice.verifiers if talk.status != "error" else ():
        check = partial(VERIFIERS[call.name].check, talk.case, talk.said)
        findings[call.name] = _found(partial(check, arguments=call.arguments, instruments=instruments))
    return Row(
        slice=slice.name,
        case=talk.case.id,
        sample=talk.sample,
        adapter=talk.adapter,
        status=talk.status,
        transcript=tuple(talk.said),
        steps=talk.steps,
        prompt_tokens=talk.prompt_tokens,
        completion_tokens=talk.completion_tokens,
        findings=findings,
    )


def _found(check: Callable[[], Finding]) -> Finding:
    """What a verifier finds; its own failure is the verdict `error`, which never passes."""
    try:
        return check()
    except RegistryError as error:
        seen = f"{error.what}: {error.why}" if error.why else error.what
    except Exception as error:  # noqa: BLE001  (a verifier that breaks must cost its finding, not the evaluation)
        seen = type(error).__name__
    return Finding(verdict="error", seen=seen[:SEEN_LETTERS].encode("utf-8", "replace").decode())
