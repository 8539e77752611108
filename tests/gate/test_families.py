"""The same rule forms with other metrics, slices, statistics and arguments, against another's arithmetic."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from registry.core.gate.judging.check import check_gate
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.language.rule import Comparison, parse_rule
from registry.core.gate.measuring.differ import difference
from registry.core.gate.measuring.measure import values_of
from registry.core.gate.measuring.metric import find_canary, find_metric
from registry.core.gate.measuring.sample import Ratio, Scores
from registry.core.gate.rows.amounts import amounts_from, column_of
from registry.core.gate.rows.rows import read_rows
from registry.core.gate.verdict import RuleVerdict
from registry.core.heldout.suite import Suite, VerifierCall
from tests.gate.sheet import Sheet, checked, gate_of, lines, suite_of_size, trial_of, verdict_of
from tests.gate.traffic import Traffic, live_verdict

SUITE = suite_of_size(400)
PLAIN = read_gate(gate_of("latency_p95_ms.point <= 900")).gate

# rule, wrong answers of 400, verdict
OTHERS = [
    ("success@1(division_hard).lower_ci >= 0.9", {"division_hard": 20}, "pass"),
    ("numeric_pass_rate(division_hard).lower_ci >= 0.9", {"division_hard": 20}, "pass"),
    ("numeric_pass_rate(division_hard).count >= 381", {"division_hard": 20}, "fail"),
    ("word_cap_fail_rate(headache_redflags).upper_ci <= 0.05", {"headache_redflags/word_cap": 5}, "pass"),
    ("word_cap_fail_rate(headache_redflags).count == 0", {"headache_redflags/word_cap": 1}, "fail"),
    ("tool_call_correctness.json_schema(debug_search_api).lower_ci >= 0.99", {}, "pass"),
    ("tool_call_correctness.deprecation(debug_search_api).point >= 0.95", {"debug_search_api/deprecation": 21}, "fail"),
    ("aggregate.success@1.point >= 0.98", {"math_basic": 40}, "fail"),
    ("latency_p50_ms.point <= 880", {}, "pass"),
    ("latency_median_ms.upper_ci <= 879", {}, "fail"),
    ("latency_p99_ms(math_basic).point <= 880", {}, "inconclusive"),  # a p99 is seen on 500
    ("steps_to_solve_p95(debug_search_api).point <= 3", {"debug_search_api": 20}, "pass"),
    ("steps_to_solve_p95(debug_search_api).point <= 3", {"debug_search_api": 21}, "fail"),  # the unsolved took for ever
    ("completion_tokens_p95.point <= 50", {}, "pass"),
    ("prompt_tokens_median(math_basic).point <= 49", {}, "fail"),
    ("completion_tokens_mean.upper_ci <= 50.1", {}, "pass"),
    ("cost_per_request_usd.point <= 0.0019", {}, "pass"),
    ("cost_per_request_usd.point < 0.0019", {}, "fail"),
    ("timeout_rate(math_basic).upper_ci <= 0.01", {}, "pass"),
    ("aggregate.invalid_rate.upper_ci <= 0.01", {}, "pass"),
]


@pytest.mark.parametrize(("rule", "wrong", "expected"), OTHERS)
def test_other_metrics_are_judged_like_the_reference_ones(rule: str, wrong: dict[str, int], expected: str) -> None:
    """What a stranger writes by analogy means what it says."""
    assert expected == verdict_of(rule, Sheet(SUITE, wrong=wrong)).verdict


@pytest.mark.parametrize("name", [
    "success@0", "success@100", "latency_p95", "latency_p95_s", "steps_to_solve_p95_ms", "latency_p100_ms",
    "nobody_pass_rate", "tool_call_correctness.nobody", "steps_to_solve_mean", "Success@1", "numeric_pass_rate ",
])  # fmt: skip
def test_a_family_has_no_strangers(name: str) -> None:
    """A name that means nothing is no metric, however near it comes."""
    assert find_metric(name) is None


def test_a_canary_may_be_asked_for_any_percentile() -> None:
    """Judged as the p95 is; a misspelt one is no metric."""
    median = live_verdict("canary.latency_median_ms.point <= 900", Traffic().read())
    late = live_verdict("canary.latency_p99_ms.point <= 870", Traffic().read())

    assert ("pass", "fail") == (median.verdict, late.verdict)
    assert find_canary("latency_p95") is None
    assert find_canary("steps_to_solve_p95") is None


def test_a_slice_may_have_a_hyphen() -> None:
    """In brackets and in braces."""
    for text in ("success@1(math-basic).point >= 0.5", "delta.success@1{math-basic}.point >= 0.5"):
        rule = parse_rule(text)
        assert isinstance(rule, Comparison)
        assert rule.slice is not None

        assert ("math-basic", "m") == (rule.slice.text, text[rule.slice.at])


@pytest.mark.parametrize(("now", "before", "expected"), [(40, 80, "pass"), (80, 40, "fail"), (40, 40, "pass")])
def test_a_difference_of_violations_goes_down_when_things_get_better(now: int, before: int, expected: str) -> None:
    """Candidate minus baseline, in the metric's own direction: 0.1 - 0.2 violations is -0.1."""
    new, old = Sheet(SUITE, wrong={"headache_redflags": now}), Sheet(SUITE, wrong={"headache_redflags": before})
    found = verdict_of("delta.ruleViolationRate{headache_redflags}.point <= 0", new, old)

    assert expected == found.verdict
    assert Fraction(now - before, 400) == Fraction(found.point or "")
    assert Fraction(found.lower or "") <= Fraction(found.point or "") <= Fraction(found.upper or "")


def test_a_difference_of_milliseconds_and_dollars_is_judged() -> None:
    """Medians in the worst case of both bounds, a ratio case by case; with or without a slice."""
    new, old = Sheet(SUITE, latency_ms="900", cost_usd="0.0021"), Sheet(SUITE)
    rules = {
        "delta.latency_p95_ms.point <= 20": "pass",
        "delta.latency_p95_ms{math_basic}.upper_ci <= 19": "fail",
        "delta.cost_per_1k_tokens_usd.point <= 0.001": "fail",
        "delta.cost_per_1k_tokens_usd{math_basic}.upper_ci <= 0.0021": "pass",
        "delta.completion_tokens_mean.lower_ci >= 0": "inconclusive",  # nothing changed, but for a hair of rounding
    }
    found = judge(trial_of(gate_of(*rules), new, old))

    assert list(rules.values()) == [rule.verdict for rule in found]


def test_what_the_baseline_lost_makes_no_fair_difference() -> None:
    """A lost timing is infinitely slow, which would help the candidate."""
    timings = Sheet(SUITE).timings()
    timings[0]["status"] = "timeout"
    file = checked(gate_of("delta.latency_p95_ms.point <= 20"), SUITE)
    rules = tuple(placed.rule for placed in file.rules)
    old = read_rows(lines(Sheet(SUITE).rows()), lines(timings), SUITE)
    found = judge(Trial(file.gate, rules, SUITE, Sheet(SUITE).read(), old))[0]

    assert ("inconclusive", True) == (found.verdict, "The baseline lost 1 timing" in found.sentence)


def test_the_worse_difference_of_two_quantiles_holds_in_any_company() -> None:
    """Each bounded at half the risk: the candidate's upper less the baseline's lower."""
    new, old = (values_of(list(map(Decimal, range(start, start + 200))), Fraction(1, 2)) for start in (50, 0))
    found = difference(new, old, PLAIN)
    last = stats.binom.isf(0.0125, 200, 0.5) + 1

    assert found.point == 50
    assert float(found.upper or 0) == pytest.approx(50 + (last - 1) - (200 - last), abs=1.01)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=30))
def test_a_difference_of_means_is_the_paired_t_interval(pairs: list[tuple[int, int]]) -> None:
    """With one sample for each case, linearisation is what Student wrote."""
    ones = column_of([1] * len(pairs))
    new, old = (Ratio(amounts_from([Decimal(pair[side]) for pair in pairs]), ones) for side in (0, 1))
    found = difference(new, old, PLAIN)
    differences = np.array([a - b for a, b in pairs], dtype=float)
    half = stats.t.isf(0.025, len(pairs) - 1) * differences.std(ddof=1) / len(pairs) ** 0.5

    assert float(found.upper or 0) == pytest.approx(differences.mean() + half, abs=1e-6)
    assert float(found.lower) == pytest.approx(differences.mean() - half, abs=1e-6)


def repeated(passes: list[int], samples: int) -> tuple[Suite, list[dict[str, object]]]:
    """Rows of a slice of which each case passes in so many of its samples."""
    suite = suite_of_size(10, samples=samples, sizes={"math_basic": len(passes)})
    rows = Sheet(suite).rows()
    at = iter(row for row in rows if row["slice"] == "math_basic")
    for passed in passes:
        for sample in range(samples):
            if sample >= passed:
                next(at)["findings"] = {name: {"seen": "", "verdict": "fail"} for name in ("numeric", "tag")}
            else:
                next(at)
    return suite, rows


def judged(rule: str, suite: Suite, rows: list[dict[str, object]]) -> RuleVerdict:
    """One rule on these rows."""
    file = read_gate(gate_of(rule))
    check_gate(file, suite)
    rules = tuple(placed.rule for placed in file.rules)
    return judge(Trial(file.gate, rules, suite, read_rows(lines(rows), b"", suite), None))[0]


def test_success_at_k_is_the_chance_of_the_best_of_k() -> None:
    """Three of four samples wrong: the best of two passes half of the time; the best of four always."""
    suite, rows = repeated([1] * 50, samples=4)
    two = judged("success@2(math_basic).point >= 0.5", suite, rows)
    four = judged("success@4(math_basic).lower_ci >= 0.9", suite, rows)

    assert ("pass", "0.5", 50) == (two.verdict, two.point, two.n)
    assert ("pass", "1") == (four.verdict, four.point)
    assert float(four.lower or 0) == pytest.approx(stats.beta.ppf(0.025, 50, 1), abs=1e-8)


def test_scores_between_yes_and_no_are_bounded_at_least_as_widely_as_a_rate() -> None:
    """A mean of 0.5 of fifty is bounded like 25 of 50, though the scores vary less."""
    halves = difference(Scores(column_of([1] * 50), 2), Scores(column_of([0] * 50), 2), PLAIN)
    low, high = stats.binomtest(25, 50).proportion_ci(0.95)

    assert halves.point == Fraction(1, 2)
    assert float(halves.lower) == pytest.approx(2 * stats.beta.ppf(0.025, 37.5, 13.5) - 1, abs=1e-8)
    assert high - low < float(halves.upper or 0) - float(halves.lower) < 1


def test_the_mean_reward_may_be_negative_and_charges_what_was_lost() -> None:
    """A row without a score counts as the worst that came."""
    plain = suite_of_size(40)
    changed = tuple(
        one.model_copy(
            update={"verifiers": (*one.verifiers, VerifierCall(name="reward_model", arguments={"cutoff": "0"}))}
        )
        for one in plain.slices
    )
    suite = plain.model_copy(update={"slices": changed})
    rows = Sheet(suite).rows()
    scored = [row for row in rows if row["slice"] == "math_basic"]
    for at, row in enumerate(scored):
        findings = row["findings"]
        assert isinstance(findings, dict)
        findings["reward_model"] = {"seen": "-1.5" if at % 2 else "0.5", "verdict": "fail" if at % 2 else "pass"}
    found = judged("reward_score_mean(math_basic).lower_ci >= -1", suite, rows)
    half = stats.t.isf(0.025, 39) * 1 / 39**0.5

    assert ("pass", "-0.5") == (found.verdict, found.point)
    assert float(found.lower or 0) == pytest.approx(-0.5 - half, abs=1e-8)
