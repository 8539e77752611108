"""The two verifiers that reinforcement learning practises against: the very ones that judge the slice."""

from typing import Never

from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Said
from registry.core.heldout.verifiers import numeric, tag
from registry.core.heldout.verifiers.look import Instruments

NUMERIC = {"tag": "answer", "tolerance": "0.0005"}
TAG = {"tag": "answer"}


def _never(*asked: str) -> Never:
    """Neither verifier runs or scores anything: both look at the text alone."""
    raise AssertionError(asked)


INSTRUMENTS = Instruments({}, _never, _never)


def judge(given: str, wanted: str) -> tuple[bool, bool]:
    """Whether the number in the tag is right, and whether the tag is well formed."""
    case = Case(id="practice", prompt="", expect={"answer": wanted})
    said = (Said(role="assistant", content=given),)
    right = numeric.check(case, said, arguments=NUMERIC, instruments=INSTRUMENTS)
    formed = tag.check(case, said, arguments=TAG, instruments=INSTRUMENTS)
    return right.verdict == "pass", formed.verdict == "pass"
