"""word_cap v1.0: the answer has strictly fewer words than the cap."""

import re

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
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+|(?<=[0-9])[.,](?=[0-9])[^\W_]+)*")


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where the final answer has fewer than `words` words; an empty answer has none."""
    count = words_in(answer_of(transcript))
    return passed_if(count < number_of(text_of(arguments, "words")), f"{count} words")


def words_in(text: str) -> int:
    """How many words `text` has.

    A word is a run of letters and digits; an apostrophe between letters, or a point or comma between digits, does not
    end it. Hyphens, slashes and underscores do: `stiff-neck` is two words, `don't` and `101.5` are one.
    """
    return sum(1 for _ in _WORD.finditer(text))
