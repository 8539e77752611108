"""The verdict: what a gate said of a model, with everything that is needed to say it again. A fact in the store."""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256
from registry.core.pin import Name
from registry.core.record import Record

TOOL = "lockstep-gate/2"
"""The version of the judgement itself: it changes whenever the same inputs could give another verdict."""

MOST_FLIPS = 1000
"""How many flips a verdict lists; beyond that nobody reads them case by case."""

MOST_LEAKS = 100
"""How many contaminated cases a verdict lists; one is enough to doubt a slice."""

Word = Literal["pass", "fail", "inconclusive"]
Answer = Literal["GO", "NO-GO", "HOLD"]
Number = Annotated[str, Field(pattern=r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?|infinity)$")]
"""A decimal string with at most nine decimals, or `infinity`. Bounds are rounded away from the point."""


class Seen(Record):
    """One number that was seen, with its bounds; `n` is everything scheduled."""

    point: Number
    lower: Number
    upper: Number
    n: int


class Part(Record):
    """One comparison of no_regressions_on: a metric of a slice, candidate minus baseline, good counted upward."""

    slice: Name
    metric: str
    verdict: Word
    point: Number
    lower: Number
    upper: Number
    margin: Number
    n: int


class RuleVerdict(Record):
    """What became of one rule: the word, the numbers behind it, and a sentence for people.

    Numbers are absent where there was nothing to count. `value` is what was compared with `threshold`; `n` is
    everything scheduled. `more_for_half` and `more_for_most` are the further samples that would let the rule pass with
    a chance of 50 % and 80 %, if the truth is what was seen.

    The chances are the rule's strength, from 0 to 1: how often it would pass, on as many samples, a model exactly at
    the threshold, and one that is worse by `margin`. `baseline` is the same number of what the stage serves.
    """

    rule: str
    verdict: Word
    sentence: str
    value: Number | None = None
    point: Number | None = None
    lower: Number | None = None
    upper: Number | None = None
    p_value: Number | None = None
    n: int | None = None
    threshold: Number | None = None
    more_for_half: int | None = None
    more_for_most: int | None = None
    chance_at_threshold: Number | None = None
    chance_one_margin_worse: Number | None = None
    margin: Number | None = None
    baseline: Seen | None = None
    parts: tuple[Part, ...] | None = None


class Flip(Record):
    """A sample that the baseline passed and the candidate does not."""

    slice: Name
    case: Name
    sample: int


class SliceResult(Record):
    """What was seen on one slice, whatever the rules ask: success@1 of both models, and what the candidate lost.

    `digest` is that of the slice's files: a changed case is another slice.
    """

    slice: Name
    digest: Sha256
    scheduled: int
    lost: int | None = None
    candidate: Seen | None = None
    baseline: Seen | None = None


class Attempts(Record):
    """How often one frozen slice has been used for this stage, this candidate included.

    `attempt` is the candidate's place among those judged on the slice, of `allowed`; judging it again does not move it.
    `risk` is the chance that the best of so many, all exactly at a threshold, passes a bound by luck. `look` is the
    place of these answers among those of the same model on the slice, of `looks`.
    """

    slice: Name
    attempt: int
    allowed: int
    risk: Number
    look: int
    looks: int


class Leak(Record):
    """A held-out case that stands in a training data set: its whole text, or eight words in a row that are its own."""

    slice: Name
    case: Name
    dataset: Name
    how: Literal["text", "8-gram"]


class Inputs(Record):
    """The label on one side's evidence, as far as a judgement reads it."""

    rows: Sha256
    timings: Sha256
    verifiers: dict[str, str]
    price_book: Sha256


class Verdict(Record):
    """A gate's answer, bound to the digests of everything that it was computed from.

    `gate_file` is the file's bytes, `gate` the canonical settings and rules that they mean, defaults included.
    `flips` lists the first 1,000 in the suite's order; where there are more, `flips_in_all` says how many. So it is
    with `contaminated`, the first 100; `datasets` are the training sets that were searched, by name, and `unsearched`
    those of their files that cannot be read as text. `inputs` and `baseline_inputs` repeat what both sets of evidence
    say, and `no_candidate` and `no_baseline` why there is none.
    """

    form: Literal["registry.verdict/1"] = "registry.verdict/1"
    stage: str
    answer: Answer
    rules: tuple[RuleVerdict, ...]
    flips: tuple[Flip, ...]
    flips_in_all: int | None = None
    slices: tuple[SliceResult, ...] | None = None
    attempts: tuple[Attempts, ...] | None = None
    contaminated: tuple[Leak, ...] | None = None
    contaminated_in_all: int | None = None
    datasets: dict[str, Sha256] | None = None
    unsearched: tuple[str, ...] | None = None
    gate_file: Sha256
    gate: Sha256
    suite: Sha256 | None = None
    candidate: Sha256
    candidate_evidence: Sha256 | None = None
    baseline: Sha256 | None = None
    baseline_evidence: Sha256 | None = None
    inputs: Inputs | None = None
    baseline_inputs: Inputs | None = None
    no_candidate: str | None = None
    no_baseline: str | None = None
    canary: Sha256 | None = None
    tool: str = TOOL

    @property
    def flip_count(self) -> int:
        """How many samples flipped, listed or not."""
        return self.flips_in_all or len(self.flips)


def answer_of(words: list[Word]) -> Answer:
    """One failure is NO-GO, else one doubt is HOLD; GO takes a pass of every rule, and at least one rule.

    Raises:
        ValueError: There are no rules; a gate file without rules is refused long before.
    """
    if not words:
        raise ValueError("no rules were judged")
    if "fail" in words:
        return "NO-GO"
    return "HOLD" if "inconclusive" in words else "GO"
