"""The verdict: what a gate said of a model, with everything that is needed to say it again. A fact in the store."""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256
from registry.core.pin import Name
from registry.core.record import Record

TOOL = "lockstep-gate/1"
"""The version of the judgement itself: it changes whenever the same inputs could give another verdict."""

MOST_FLIPS = 1000
"""How many flips a verdict lists; beyond that nobody reads them case by case."""

Word = Literal["pass", "fail", "inconclusive"]
Answer = Literal["GO", "NO-GO", "HOLD"]
Number = Annotated[str, Field(pattern=r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?|infinity)$")]
"""A decimal string with at most nine decimals, or `infinity`. Bounds are rounded away from the point."""


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
    parts: tuple[Part, ...] | None = None


class Flip(Record):
    """A sample that the baseline passed and the candidate does not."""

    slice: Name
    case: Name
    sample: int


class Verdict(Record):
    """A gate's answer, bound to the digests of everything that it was computed from.

    `gate_file` is the file's bytes, `gate` the canonical settings and rules that they mean, defaults included.
    `flips` lists the first 1,000 in the suite's order; where there are more, `flips_in_all` says how many.
    """

    form: Literal["registry.verdict/1"] = "registry.verdict/1"
    stage: str
    answer: Answer
    rules: tuple[RuleVerdict, ...]
    flips: tuple[Flip, ...]
    flips_in_all: int | None = None
    gate_file: Sha256
    gate: Sha256
    suite: Sha256 | None = None
    candidate: Sha256
    candidate_evidence: Sha256 | None = None
    baseline: Sha256 | None = None
    baseline_evidence: Sha256 | None = None
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
