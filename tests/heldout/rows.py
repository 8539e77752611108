"""Short ways for the tests to make a transcript and to ask a verifier."""

from collections.abc import Mapping
from typing import Any

from registry.core.heldout.case import Case, Value
from registry.core.heldout.evidence import Finding, Said
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.heldout.verifiers.look import Instruments, Outcome, VerifierFailed


def no_run(program: str) -> Outcome:
    """There is no place to run a program in this test."""
    raise VerifierFailed("nothing runs here")


def no_score(prompt: str, answer: str) -> str:
    """There is no reward model in this test."""
    raise VerifierFailed("nothing scores here")


NOTHING = Instruments({}, no_run, no_score)


def said(*contents: str) -> tuple[Said, ...]:
    """A transcript of model turns."""
    return tuple(Said(role="assistant", content=content) for content in contents)


def ask(name: str, *contents: str, instruments: Instruments = NOTHING, **values: Any) -> Finding:
    """What verifier `name` finds in these turns; upper-case `values` go to `expect`, the others are arguments."""
    expect: Mapping[str, Value] = {key.lower(): value for key, value in values.items() if key.isupper()}
    arguments = {key: value for key, value in values.items() if not key.isupper()}
    case = Case(id="case-1", prompt="a question", expect=dict(expect))
    return VERIFIERS[name].check(case, said(*contents), arguments=arguments, instruments=instruments)
