"""The tasks: what is taught as right is right to the verifiers, and what is held out is never drawn to train on."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.sandbox import LocalSandbox
from registry.core.heldout.case import Case
from registry.core.heldout.evidence import Said
from registry.core.heldout.suite import suite_of
from registry.core.heldout.tools import fixture_of, replay_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.heldout.verifiers.calls import calls_in
from registry.core.heldout.verifiers.look import Instruments
from registry.ports import Message
from registry.training.corpus import draw_training
from registry.training.die import Die
from registry.training.suite import suite_files
from registry.training.tasks import EXAMPLES, TASKS, division, search
from registry.training.tasks.instance import Instance, is_heldout

SUITE = suite_of(suite_files())
SLICES = {one.name: one for one in SUITE.slices}


def verdicts(instance: Instance, talk: Sequence[Message], run: Any = None) -> dict[str, str]:
    """What each verifier of the slice says of `talk`; programs pass unless `run` is given, and scores are 0."""
    case = Case(id="one", prompt=instance.prompt, expect=dict(instance.expect))
    said = tuple(Said(role=one.role, content=one.content) for one in talk if one.role in {"assistant", "tool"})
    instruments = Instruments(SUITE.files_of(instance.slice), run or passes, lambda prompt, answer: "0.0000")
    calls = SLICES[instance.slice].verifiers
    return {
        call.name: VERIFIERS[call.name].check(case, said, arguments=call.arguments, instruments=instruments).verdict
        for call in calls
    }


def passes(program: str) -> Any:
    """A sandbox in which every program reaches its end."""
    receipt = program.split("write('\\n")[-1].split("\\n")[0]
    return SimpleNamespace(exit_code=0, output=receipt, timed_out=False)


@given(st.sampled_from(sorted(TASKS)), st.text(max_size=10))
def test_every_good_answer_passes_every_verifier_of_its_slice(name: str, seed: str) -> None:
    """A model that learns the training data perfectly has a perfect score."""
    instance = TASKS[name].draw(Die(seed))

    assert set(verdicts(instance, instance.good).values()) == {"pass"}


@given(st.sampled_from(sorted(TASKS)), st.text(max_size=10))
def test_the_base_format_fails_every_slice(name: str, seed: str) -> None:
    """What the base mostly says is not what the slices want: that is what the adapters are for."""
    instance = TASKS[name].draw(Die(seed))

    assert "fail" in verdicts(instance, instance.loose).values()


@pytest.mark.parametrize("topic", search.TOPICS, ids=lambda topic: topic.query)
def test_the_good_code_passes_its_unit_test_and_the_old_call_does_not(topic: search.Topic) -> None:
    """Run for real, in the sandbox that the evaluation uses."""
    instance = search.build(topic, "orders", ("billing", "today", search.ASK[0]))
    old = (*instance.good[:-1], Message("assistant", instance.poor["deprecated call"]))

    assert verdicts(instance, instance.good, LocalSandbox().run)["unit_tests"] == "pass"
    assert verdicts(instance, old, LocalSandbox().run)["unit_tests"] == "fail"
    assert verdicts(instance, old)["deprecation"] == "fail"


@pytest.mark.parametrize("topic", search.TOPICS, ids=lambda topic: topic.query)
def test_every_taught_tool_call_is_in_the_recording(topic: search.Topic) -> None:
    """Training and replay agree on each call and its reply."""
    replay = replay_of(fixture_of(SUITE.files_of(search.SLICE)["search_v3.json"]))
    talk = search.build(topic, "orders", ("billing", "today", search.ASK[0])).good
    asked = [call for one in talk if one.role == "assistant" for call in calls_in(one.content)]

    assert [one.content for one in talk if one.role == "tool"] == [replay.answer(call) for call in asked]


@given(st.integers(1, 500), st.integers(2, 60))
def test_a_quotient_is_rounded_as_decimal_does_it(dividend: int, divisor: int) -> None:
    """Half up, to three decimals, without a float."""
    exact = (Decimal(dividend) / Decimal(divisor)).quantize(Decimal("0.001"), ROUND_HALF_UP)

    assert str(exact) == division.rounded(dividend, divisor)


@given(st.sampled_from(sorted(TASKS)), st.text(max_size=10))
def test_training_never_draws_what_is_held_out(name: str, seed: str) -> None:
    """Neither the fifth that the hash holds out, nor the examples of the design document."""
    instance = draw_training(name, Die(seed))

    assert not is_heldout(instance.key)
    assert instance.key not in EXAMPLES


@given(st.text(max_size=40))
def test_the_split_does_not_see_case_or_punctuation(text: str) -> None:
    """An instance cannot cross the split by a change of dress."""
    assert is_heldout(text) == is_heldout(f"  «{text}»!  ")
