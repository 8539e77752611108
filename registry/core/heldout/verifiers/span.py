"""span v2.1: the answer quotes the spans that it must."""

import re

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    Arguments,
    Instruments,
    Transcript,
    VerifierFailed,
    answer_of,
    failed,
    passed,
    texts_of,
)

VERSION = "v2.1"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where every span of expect.span stands in the final answer, letter for letter but for white space."""
    answer = _plain(answer_of(transcript))
    spans = [_plain(span) for span in texts_of(case.expect, "span")]
    if not all(spans):
        raise VerifierFailed("a required span is empty")
    missing = [span for span in spans if not _quotes(answer, span)]
    return failed(f"not quoted: {missing[0]}") if missing else passed(spans[0])


def _plain(text: str) -> str:
    return " ".join(text.split())


def _quotes(answer: str, span: str) -> bool:
    """Whether `span` stands in `answer` as whole words: `5 m` is not quoted by `15 mg`."""
    left = r"(?<!\w)" if span[0].isalnum() else ""
    right = r"(?!\w)" if span[-1].isalnum() else ""
    return re.search(left + re.escape(span) + right, answer) is not None
