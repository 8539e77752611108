"""p-values where cases have several samples: the signs of whole cases are flipped, and nothing is left to chance."""

from fractions import Fraction
from itertools import product
from operator import mul

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.gate import exact
from registry.core.gate.estimators.flips import sign_flip
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.trial import Trial
from registry.core.gate.measuring.significance import significance_of
from registry.core.gate.rows.rows import read_rows
from registry.core.gate.verdict import RuleVerdict
from tests.gate.sheet import Sheet, checked, gate_of, lines, suite_of_size

RULES = ("delta.success@1{division_hard}.p_value < 0.05", "delta.success@1{division_hard}.point >= 0.07")
SUITE = suite_of_size(100, samples=4)


def p_of(wrong: int, before: int, *, order: int = 1) -> RuleVerdict:
    """The p-value rule on 100 cases with four samples each, the first cases of each arm wrong in all samples."""
    file = checked(gate_of(*RULES), SUITE)
    new, old = (Sheet(SUITE, wrong={"division_hard": count}) for count in (wrong, before))
    after, past = (read_rows(lines(one.rows()[::order]), lines(one.timings()[::order]), SUITE) for one in (new, old))
    return judge(Trial(file.gate, tuple(one.rule for one in file.rules), SUITE, after, past))[0]


@pytest.mark.parametrize(
    ("wrong", "before", "verdict"),
    [(20, 40, "pass"), (40, 20, "pass"), (30, 30, "inconclusive"), (30, 34, "inconclusive"), (20, 26, "pass")],
)
def test_repeated_samples_have_a_p_value(wrong: int, before: int, verdict: str) -> None:
    """By case: four samples that turn together are one thing that turned. Six of a kind give 2/64, four 2/16."""
    assert verdict == p_of(wrong, before).verdict


def test_the_p_value_of_repeats_is_that_of_their_cases() -> None:
    """Where all samples of a case agree, each case is one yes or no, and the test is McNemar's."""
    found = p_of(20, 30)

    assert exact.spelled(exact.up(exact.sign_test(10, 0))) == found.p_value
    assert "10 better, 0 worse of 100" in found.sentence
    assert 400 == found.n


def test_the_order_of_the_rows_does_not_change_a_drawn_p_value() -> None:
    """The flips are chosen by what was seen and by the rule, not by what came first."""
    assert p_of(20, 40) == p_of(20, 40, order=-1)


def test_another_rule_draws_other_flips() -> None:
    """And the same rule draws the same ones: a verdict can be judged again."""
    good, before = bytes([1, 1, 0, 1] * 40 + [0, 1] * 70), bytes([0, 1, 1, 0] * 40 + [1, 1] * 70)
    found = [
        significance_of((good, before), 2, asked=Fraction(0), level=Fraction(1, 20), key=key).p_value
        for key in ("a", "a", "b")
    ]

    assert found[0] == found[1] != found[2]
    assert [10_001 % one.denominator for one in found] == [0, 0, 0]


def test_a_small_level_is_drawn_more_often() -> None:
    """Ten thousand draws could never say that p is below 0.00001."""
    good, before = bytes([1, 1] * 30), bytes([0, 0] * 30)
    found = significance_of((good, before), 2, asked=Fraction(1, 2), level=Fraction("0.0001"), key="")

    assert found.p_value < Fraction("0.0001")
    assert (30, 0, 30) == (found.better, found.worse, found.cases)


def test_not_significant_is_a_failure_only_where_a_difference_would_have_shown() -> None:
    """300 cases of two samples, a third each of one up, one down and none: 0.2 would have shown, 0.02 not."""
    good, before = bytes([1, 1, 0, 0, 1, 1] * 100), bytes([0, 1, 1, 0, 1, 1] * 100)
    level = Fraction(1, 20)
    for asked, expected in ((Fraction(1, 5), True), (Fraction(1, 50), False)):
        assert expected == significance_of((good, before), 2, asked=asked, level=level, key="").could_have_shown
    five = bytes([1, 1] * 5), bytes([0, 0] * 5)
    assert not significance_of(five, 2, asked=Fraction(1), level=level, key="").could_have_shown


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=40), st.integers(0, 2**40))
@settings(deadline=None, max_examples=60)
def test_sign_flips_of_pairs_are_mcnemars_test(differences: list[int], seed: int) -> None:
    """Exactly where all patterns are counted; within the error of the draws where they are drawn."""
    better, worse = differences.count(1), differences.count(-1)
    exactly, found = exact.sign_test(better, worse), sign_flip(differences, seed, 2000)

    if 2 ** (better + worse) <= 2000:
        assert exactly == found
    else:
        assert 2001 % found.denominator == 0
        assert abs(exactly - found) < Fraction(6, 100)


def by_hand(differences: list[Fraction]) -> Fraction:
    """The share of all sign patterns whose sum lies as far from 0 as what was seen."""
    seen = abs(sum(differences, Fraction(0)))
    patterns = list(product((1, -1), repeat=len(differences)))
    sums = (abs(sum(map(mul, signs, differences), Fraction(0))) for signs in patterns)
    return Fraction(sum(one >= seen for one in sums), len(patterns))


fractions = st.builds(Fraction, st.integers(-6, 6), st.integers(1, 6))


@given(st.lists(fractions, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_the_order_and_the_type_of_the_differences_mean_nothing(differences: list[Fraction], die: object) -> None:
    """Rationals, their floats, shuffled and turned round: one p-value, that of all patterns."""
    expected = by_hand(differences)
    die.shuffle(differences)  # type: ignore[attr-defined] # a random.Random

    assert expected == sign_flip(differences, "seed")
    assert expected == sign_flip([float(one) for one in differences], "seed")
    assert expected == sign_flip([-one for one in differences], "seed")
    assert sign_flip(differences, "seed", 3) == sign_flip(sorted(differences), "seed", 3)


def test_the_stream_of_flips_never_changes() -> None:
    """Golden: a verdict of today must be judged the same years later. Nobody may edit these numbers."""
    mixed = [Fraction(one % 7 - 3 + (one % 9 == 0), 3) for one in range(200)]

    assert Fraction(5699, 10001) == sign_flip(mixed, "seed")
    assert Fraction(1452, 10001) == sign_flip([1] * 60 + [-1] * 44, 7)
    assert Fraction(4401, 10001) == sign_flip([one / 7 for one in range(-19, 23)], b"bytes")
