"""What a suite can decide before it is run: against the published planning tables."""

from fractions import Fraction

import pytest
from scipy import stats

from registry.core.gate.forecast import Forecast, Truth, forecast, joint
from registry.core.gate.judging.check import plan_of
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.measuring.power import least_hits
from registry.errors import Faults
from registry.verbs.plan import BadRate, plan
from tests.gate.sheet import checked, gate_of, suite_of_size
from tests.gate.test_verb import GATE, suite_files

EXACT = read_gate(gate_of("latency_p95_ms.point <= 900")).gate


def told(rule: str, truth: Truth, cases: int = 1000, *, beside: str = "", **settings: str) -> Forecast:
    """One rule's forecast on a suite of so many cases."""
    suite = suite_of_size(cases)
    file = checked(gate_of(rule, *([beside] if beside else []), **settings), suite)
    return forecast(file.rules[0].rule, plan_of(file, suite), truth)


@pytest.mark.parametrize(("threshold", "failures", "cases"), [
    ("0.98", 0, 183), ("0.98", 1, 277), ("0.98", 2, 359), ("0.98", 3, 436), ("0.98", 5, 581), ("0.98", 10, 916),
    ("0.99", 0, 368), ("0.99", 1, 555), ("0.99", 2, 720), ("0.99", 3, 874), ("0.99", 5, 1164), ("0.99", 10, 1835),
])  # fmt: skip
def test_so_many_failures_are_allowed_as_are_published(threshold: str, failures: int, cases: int) -> None:
    """With Clopper and Pearson's two-sided bound; one case fewer allows one failure fewer."""
    bar = Fraction(threshold)

    assert failures == cases - least_hits(cases, bar, EXACT)
    assert failures - 1 == cases - 1 - least_hits(cases - 1, bar, EXACT)
    assert failures == told(f"math_correct_rate(math_basic).lower_ci >= {threshold}", Truth(), cases).may_fail


@pytest.mark.parametrize(("rate", "threshold", "four_in_five", "nine_in_ten"), [
    ("0.993", "0.98", 650, 850), ("0.997", "0.98", 361, 437), ("0.999", "0.99", 564, 726), ("0.99", "0.98", 1296, 1599),
])  # fmt: skip
def test_the_planning_table_is_met(rate: str, threshold: str, four_in_five: int, nine_in_ten: int) -> None:
    """Cases for 80 % and 90 % with Wilson's bound, within the teeth of the curve."""
    rule = f"math_correct_rate(math_basic).lower_ci >= {threshold}"
    for chance, published in (("0.8", four_in_five), ("0.9", nine_in_ten)):
        truth = Truth({"math_correct_rate": Fraction(rate)}, chance=Fraction(chance))
        found = told(rule, truth, method="wilson")

        assert found.needed == pytest.approx(published, rel=0.06)


def test_an_aggregate_is_planned_as_is_published() -> None:
    """0.83 against 0.82: over eleven thousand for 80 %, over fifteen thousand for 90 %."""
    for chance, published in (("0.8", 11410), ("0.9", 15246)):
        truth = Truth({"aggregate.success@1": Fraction("0.83")}, chance=Fraction(chance))
        found = told("aggregate.success@1.lower_ci >= 0.82", truth)

        assert found.needed == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(("flips", "margin", "published"), [
    ("0.05", "0.01", 3092), ("0.05", "0.02", 773), ("0.10", "0.03", 687), ("0.20", "0.02", 3092), ("0.30", "0.05", 742),
])  # fmt: skip
def test_no_regression_is_planned_as_is_published(flips: str, margin: str, published: int) -> None:
    """One-sided 5 %, 80 % power, nothing truly changed."""
    truth = Truth(flips=Fraction(flips), chance=Fraction(4, 5))
    found = told("no_regressions_on: ['math_basic']", truth, margin=f'"{margin}"', sides="1")

    assert found.needed == pytest.approx(published, abs=2)


@pytest.mark.parametrize(("flips", "published"), [("0.2", 430), ("0.3", 700), ("0.4", 920)])
def test_a_proof_of_a_difference_is_planned_as_is_published(flips: str, published: int) -> None:
    """To prove a difference of 0.07 where it is truly 0.11: an even chance takes so many pairs, as flips are."""
    truth = Truth({"delta.success@1": Fraction("0.11")}, Fraction(flips), Fraction(1, 2))
    found = told("delta.success@1{division_hard}.lower_ci >= 0.07", truth)

    assert found.needed == pytest.approx(published, rel=0.08)


@pytest.mark.parametrize(("true", "passes"), [("0.055", 0.06), ("0.052", 0.27)])
def test_a_canary_is_forecast_as_is_published(true: str, passes: float) -> None:
    """A cap of 0.05 on what is truly a little more, at 5,000 requests."""
    rule, beside = "canary.abandon_rate.point <= 0.05", "latency_p95_ms.point <= 900"
    found = told(rule, Truth({"canary.abandon_rate": Fraction(true)}), beside=beside)

    assert found.cases == 5001
    assert float(found.probability or 0) == pytest.approx(passes, abs=0.01)


def test_a_point_is_counted_exactly() -> None:
    """100 cases pass a cap of 0.05 with at most five violations."""
    truth = Truth({"ruleViolationRate": Fraction("0.02")})
    found = told("ruleViolationRate(headache_redflags).point <= 0.05", truth, 100)

    assert (100, 5) == (found.cases, found.may_fail)
    assert float(found.probability or 0) == pytest.approx(stats.binom.cdf(5, 100, 0.02), abs=1e-9)


@pytest.mark.parametrize("rate", ["0.05", "0.06", "0.9"])
def test_more_cases_do_not_help_a_model_that_is_over_the_cap(rate: str) -> None:
    """A true rate of 0.06 passes a cap of 0.05 on few cases by luck, and on many hardly ever."""
    rule = "ruleViolationRate(headache_redflags).point <= 0.05"
    found = told(rule, Truth({"ruleViolationRate": Fraction(rate)}), 300)

    assert found.needed is None
    assert found.probability is not None
    assert found.probability < Fraction(3, 5)


def test_what_cannot_be_told_is_not_told() -> None:
    """How much a price varies is not known before it is measured; a rate below the bar never passes."""
    assert told("cost_per_1k_tokens_usd.point <= 0.02", Truth()).probability is None
    never = told("math_correct_rate(math_basic).lower_ci >= 0.98", Truth({"math_correct_rate": Fraction("0.97")}))

    assert never.needed is None
    assert float(never.probability or 1) < 0.01


def test_a_rule_that_cannot_pass_is_planned_and_not_refused() -> None:
    """That is what a plan is made to find out."""
    rules = gate_of("math_correct_rate(math_basic).lower_ci >= 0.98")
    (found,) = plan("staging", gate_file=rules, suite=suite_files(100), truth=Truth()).rules

    assert (100, None) == (found.cases, found.may_fail)
    assert found.probability == 0
    assert (found.needed or 0) > 183


def test_rules_pass_together_more_rarely() -> None:
    """Ten rules of 80 % each: 11 %, if they were independent."""
    assert float(joint([Fraction(4, 5)] * 10)) == pytest.approx(0.107, abs=0.001)
    found = plan("staging", gate_file=GATE, suite=suite_files(200), truth=Truth())
    chances = [rule.probability for rule in found.rules]

    assert found.together == joint([chance for chance in chances if chance is not None])


@pytest.mark.parametrize(("name", "rate"), [("maths", "0.5"), ("math_correct_rate", "1.5"), ("delta.success@1", "-2")])
def test_a_rate_that_cannot_be_is_refused(name: str, rate: str) -> None:
    """With what was probably meant."""
    with pytest.raises(BadRate):
        plan("staging", gate_file=GATE, suite=suite_files(200), truth=Truth({name: Fraction(rate)}))


def test_every_other_fault_of_a_gate_file_is_told_all_the_same() -> None:
    """A misspelt metric cannot be planned."""
    with pytest.raises(Faults, match="there is no metric 'maths'"):
        plan("staging", gate_file=gate_of("maths(math_basic).point >= 0.5"), suite=suite_files(200), truth=Truth())
