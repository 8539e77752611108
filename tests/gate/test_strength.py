"""How strong a rule is: against published chances, and against counting every possible sample."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from registry.core.gate.judging.compare import Question, compare
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.language.rule import Comparison, parse_rule
from registry.core.gate.measuring.measure import estimate
from registry.core.gate.measuring.metric import find_metric
from registry.core.gate.measuring.sample import Hits
from registry.core.gate.measuring.strength import bar_of
from tests.gate.sheet import Sheet, gate_of, suite_of_size, verdict_of

GATE = read_gate(gate_of("latency_p95_ms.point <= 900")).gate
COMPARISONS = ["point >= ", "point > ", "point <= ", "point < ", "lower_ci >= ", "upper_ci <= "]


@pytest.mark.parametrize(("cases", "chance"), [(100, 0.29), (200, 0.17), (500, 0.04)])
def test_a_point_lets_a_worse_model_through_as_often_as_is_published(cases: int, chance: float) -> None:
    """A cap of 0.05 on a true rate of 0.07, one margin worse: 29 % with 100 prompts, 17 % with 200, 4 % with 500."""
    sheet = Sheet(suite_of_size(400, sizes={"headache_redflags": cases}))
    found = verdict_of("ruleViolationRate(headache_redflags).point <= 0.05", sheet)

    assert float(found.chance_one_margin_worse or 0) == pytest.approx(chance, abs=0.005)
    assert float(found.chance_at_threshold or 0) > 0.5
    assert "0.02" == found.margin


def test_a_bound_lets_a_model_at_the_threshold_through_once_in_forty() -> None:
    """At most, for every number of cases; and 444 of them at 0.98 nearly so."""
    found = verdict_of("math_correct_rate(math_basic).lower_ci >= 0.98", Sheet(suite_of_size(444)))

    assert 0.015 < float(found.chance_at_threshold or 0) <= 0.025
    assert float(found.chance_one_margin_worse or 1) < 0.0001


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(COMPARISONS), st.integers(1, 60), st.integers(1, 19))
def test_the_bar_is_where_the_judge_begins_to_pass(comparison: str, n: int, twentieths: int) -> None:
    """Every count of hits is judged; those that pass are those with at least `least` good ones."""
    rule = parse_rule(f"success@1(a).{comparison}{twentieths / 20}")
    metric = find_metric("success@1")
    assert isinstance(rule, Comparison)
    assert metric
    bar = bar_of(rule, metric, n, GATE)
    assert bar
    gate = GATE.model_copy(update={"minimum_n": {"success@1": 1}})
    passing = {hits for hits in range(n + 1)
               if compare(Question(rule, gate, metric), estimate(Hits(bytes([1] * hits + [0] * (n - hits)), 1), gate))
               .verdict == "pass"}  # fmt: skip
    good = {hits if ">" in comparison else n - hits for hits in passing}

    assert set(range(bar.least, n + 1)) == good


@pytest.mark.parametrize(("rule", "good"), [
    ("latency_p95_ms.point <= 900", 0.95),
    ("latency_p95_ms.upper_ci <= 900", 0.95),
    ("latency_p50_ms.point >= 900", 0.5),
])  # fmt: skip
def test_a_quantile_is_as_strong_as_the_rate_that_it_is(rule: str, good: float) -> None:
    """p95 <= 900 says that at most a twentieth takes longer."""
    found, n = verdict_of(rule, Sheet(suite_of_size(400))), 1600
    lower, upper = stats.binomtest(round(0.95 * n), n).proportion_ci(0.95)
    assert lower < 0.95 < upper
    least = {"latency_p95_ms.point <= 900": 1520, "latency_p50_ms.point >= 900": 801}.get(rule)
    if least is None:
        least = next(k for k in range(n) if stats.binom.sf(k - 1, n, 0.95) <= 0.025)

    assert float(found.chance_at_threshold or 0) == pytest.approx(stats.binom.sf(least - 1, n, good), abs=1e-8)
    worse = stats.binom.sf(least - 1, n, good - 0.02)
    assert float(found.chance_one_margin_worse or 0) == pytest.approx(worse, abs=1e-8)


@pytest.mark.parametrize("rule", [
    "aggregate.success@1.lower_ci >= 0.82", "delta.success@1{division_hard}.lower_ci >= 0.07",
    "no_regressions_on: ['math_basic']", "cost_per_request_usd.upper_ci <= 0.002",
])  # fmt: skip
def test_other_bounds_are_given_the_normal_curve_of_their_interval(rule: str) -> None:
    """One in forty at the threshold, fewer below."""
    wrong = {"division_hard": 100, "math_basic": 6}
    new, old = Sheet(suite_of_size(400), wrong=wrong, cost_usd="0.0019"), Sheet(suite_of_size(400))
    found = verdict_of(rule, new, old)

    assert "0.025" == found.chance_at_threshold
    assert 0 <= float(found.chance_one_margin_worse or 0) < 0.02


def test_a_test_of_no_difference_is_told_how_often_it_finds_one() -> None:
    """Where there is none it finds one at most as often as its level says."""
    gate = ("delta.success@1{division_hard}.p_value < 0.05", "delta.success@1{division_hard}.point >= 0.07")
    new, old = Sheet(suite_of_size(400), wrong={"division_hard": 60}), Sheet(suite_of_size(400))
    found = verdict_of(f'{gate[0]}"\n  - "{gate[1]}', new, old)

    assert float(found.chance_at_threshold or 1) == pytest.approx(2 * stats.binom.cdf(21, 60, 0.5), abs=1e-8)
    assert found.chance_one_margin_worse is not None


def test_the_strength_of_a_rule_on_n_is_nothing() -> None:
    """It looks at no answer."""
    gate = 'success@1(math_basic).n >= 400"\n  - "latency_p95_ms.point <= 900'

    assert verdict_of(gate, Sheet(suite_of_size(400))).chance_at_threshold is None


def test_a_zero_count_is_weak_against_rare_things() -> None:
    """None in 400 lets a rate of 0.02 through three times in ten thousand, and one of zero always."""
    found = verdict_of("ruleViolationRate(headache_redflags).count == 0", Sheet(suite_of_size(400)))

    assert "1" == found.chance_at_threshold
    assert float(found.chance_one_margin_worse or 0) == pytest.approx(float(Fraction(98, 100) ** 400), abs=1e-9)


@pytest.mark.parametrize(("margins", "margin"), [
    ("{math_basic: 0.01}", "0.01"), ('{"math_correct_rate(math_basic)": 0.03, math_basic: 0.01}', "0.03"),
])  # fmt: skip
def test_the_margin_of_a_rule_is_that_of_its_metric_and_slice(margins: str, margin: str) -> None:
    """As it is for no_regressions_on."""
    rule = "math_correct_rate(math_basic).lower_ci >= 0.9"

    assert margin == verdict_of(rule, Sheet(suite_of_size(400)), margins=margins).margin


def test_looks_share_the_risk() -> None:
    """Three looks at a third of the risk each: the bound is lower, and a p-value must be smaller."""
    sheet = Sheet(suite_of_size(400), wrong={"math_basic": 2})
    rule = "math_correct_rate(math_basic).lower_ci >= 0.98"
    once, thrice = verdict_of(rule, sheet), verdict_of(rule, sheet, looks="3")

    assert ("pass", "inconclusive") == (once.verdict, thrice.verdict)
    assert float(thrice.chance_at_threshold or 1) <= 0.025 / 3
    direction = "delta.success@1{division_hard}.point >= 0"
    p_value = f'delta.success@1{{division_hard}}.p_value < 0.05"\n  - "{direction}'
    new, old = Sheet(suite_of_size(400)), Sheet(suite_of_size(400), wrong={"division_hard": 6})

    assert "pass" == verdict_of(p_value, new, old).verdict  # 0.03125
    assert "pass" != verdict_of(p_value, new, old, looks="2").verdict
    assert "pass" == verdict_of(p_value, new, old, looks="2", p="midp").verdict  # 0.015625
