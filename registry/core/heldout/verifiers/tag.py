"""tag v1.0: the answer has exactly one well-formed `<answer>…</answer>`."""

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Finding
from registry.core.heldout.verifiers.look import (
    Arguments,
    Instruments,
    Transcript,
    answer_of,
    failed,
    passed,
    text_of,
)
from registry.core.heldout.verifiers.markup import inside

VERSION = "v1.0"


def check(case: Case, transcript: Transcript, *, arguments: Arguments, instruments: Instruments) -> Finding:
    """Pass where the final answer has one `<tag>…</tag>` with something inside, and nothing else like it."""
    tag = text_of(arguments, "tag")
    content = inside(answer_of(transcript), tag)
    return failed(f"not exactly one <{tag}>…</{tag}>") if content is None else passed(content)
