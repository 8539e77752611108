"""numeric v1.0: the number inside the tag is the expected one, within a tolerance, in exact arithmetic."""

import re
from fractions import Fraction

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    Arguments,
    Instruments,
    Transcript,
    answer_of,
    failed,
    number_of,
    passed_if,
    text_of,
)
from registry.core.heldout.verifiers.markup import inside

VERSION = "v1.0"
LONGEST = 64
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?")


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where |number in the tag - expect.answer| <= tolerance; the bound itself passes."""
    want = number_of(text_of(case.expect, "answer"))
    tolerance = number_of(text_of({"tolerance": "0", **arguments}, "tolerance"))
    tag = text_of(arguments, "tag")
    content = inside(answer_of(transcript), tag)
    if content is None:
        return failed(f"not exactly one <{tag}>…</{tag}>")
    found = read_number(content)
    if found is None:
        return failed(f"not one number: {content}")
    return passed_if(abs(found - want) <= tolerance, content)


def read_number(text: str) -> Fraction | None:
    """The exact value of a text that is one number and nothing else.

    ASCII digits, at most 64 characters; a sign may lead (`+`, `-` or U+2212); commas may part the thousands, all of
    them or none; a point needs a digit on both sides. No exponent, no NaN, no infinity, no unit.
    """
    plain = text.replace("\u2212", "-", 1) if text.startswith("\u2212") else text
    if len(plain) > LONGEST or not _NUMBER.fullmatch(plain):
        return None
    return Fraction(plain.replace(",", ""))
