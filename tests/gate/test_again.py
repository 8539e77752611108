"""The A/A test: a model drawn twice from its own answers hardly ever differs from itself."""

from fractions import Fraction

import pytest

from registry.core.gate.again import Flipped, tell_apart
from registry.core.gate.judging.decide import judge
from registry.verbs.selftest import NothingCompares, NothingToDraw, selftest
from tests.gate.sheet import Sheet, gate_of, suite_of_size, trial_of
from tests.gate.test_verb import GATE, house_with

RULES = (
    "delta.success@1{division_hard}.p_value < 0.05",
    "delta.success@1{division_hard}.lower_ci >= 0.02",
    "delta.success@1{division_hard}.point >= 0",
    "no_regressions_on: ['division_hard']",
    "success@1(math_basic).point >= 0.1",
)


def flipped(draws: int, samples: int = 1, cases: int = 100) -> tuple[Flipped, ...]:
    """The rules that compare, on a model that is right in four cases of five."""
    sheet = Sheet(suite_of_size(cases, samples=samples), wrong={"division_hard": cases // 5})
    return tell_apart(trial_of(gate_of(*RULES), sheet, sheet), "seed", draws)


def test_the_shipped_rules_keep_what_they_promise() -> None:
    """Two draws of one model are told apart no more often than each rule says; a point promises nothing."""
    found = {rule.rule: rule for rule in flipped(200)}

    assert list(RULES[:4]) == list(found)
    assert [Fraction(1, 20), Fraction(1, 40), None, Fraction(1, 40)] == [rule.promised for rule in found.values()]
    assert not any(rule.is_broken for rule in found.values())
    assert found[RULES[2]].flips > 20  # a point flickers
    assert all(rule.lower <= Fraction(rule.flips, rule.draws) <= rule.upper for rule in found.values())


def test_the_same_seed_draws_the_same() -> None:
    """Counted twice, it is the same count."""
    assert flipped(20) == flipped(20)


def test_several_samples_are_drawn_of_their_own_case() -> None:
    """Where every sample of a case agrees, two draws are alike, and no rule flips."""
    rules = flipped(20, samples=3)

    assert [0, 0, 0, 0] == [rule.flips for rule in rules]


def test_a_gate_that_tells_a_model_from_itself_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that fails a fifth of all identical pairs is proven broken."""
    count = iter(range(10**6))

    def careless(trial):  # type: ignore[no-untyped-def] # stands in for the judge
        word = "fail" if next(count) % 5 == 0 else "inconclusive"
        return tuple(rule.model_copy(update={"verdict": word}) for rule in judge(trial))

    monkeypatch.setattr("registry.core.gate.again.judge", careless)
    found = {rule.rule: rule for rule in flipped(60)}

    assert found[RULES[3]].is_broken
    assert not found[RULES[2]].is_broken  # it promises nothing


def test_the_verb_draws_from_what_is_served() -> None:
    """And says which evidence that was."""
    house, _ = house_with({}, {"division_hard": 40})
    found = selftest("staging", store=house.store, state=house.state, gate_file=GATE, draws=10)
    old = house.state.generations("staging")[0].manifest

    assert (old, house.state.evidence(old)[0]) == (found.manifest, found.evidence)
    assert found.is_sound


def test_without_a_model_or_a_comparison_there_is_nothing_to_test() -> None:
    """The first cannot be decided, the second is a mistake."""
    house, _ = house_with({})
    with pytest.raises(NothingToDraw) as caught:
        selftest("staging", store=house.store, state=house.state, gate_file=GATE)
    assert caught.value.exit_code == 4
    served, _ = house_with({}, {})
    with pytest.raises(NothingCompares):
        selftest(
            "staging", store=served.store, state=served.state, gate_file=gate_of("success@1(math_basic).point >= 0.5")
        )
