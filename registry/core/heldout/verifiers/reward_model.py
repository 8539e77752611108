"""reward_model v1.0: the reward model gives the answer at least the cutoff."""

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    Arguments,
    Instruments,
    Transcript,
    answer_of,
    number_of,
    passed_if,
    text_of,
)

VERSION = "v1.0"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where the logit of (prompt, final answer) is `cutoff` or more, in exact arithmetic."""
    score = instruments.score(case.prompt, answer_of(transcript))
    return passed_if(number_of(score) >= number_of(text_of(arguments, "cutoff")), score)
