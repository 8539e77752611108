"""The worked example, word by word: what the table says, what the rules say of it, and what hangs on n."""

from fractions import Fraction

import pytest

from registry.core.gate.estimate import korn_graubard
from registry.core.gate.verdict import RuleVerdict
from tests.gate.sheet import Sheet, suite_of_size, verdict_of
from tests.gate.worked import judged, sheet

AGGREGATE = "aggregate.success@1.lower_ci >= 0.82"
CAP = "ruleViolationRate(headache_redflags).point <= 0.05"
MATH = "math_correct_rate(math_basic).lower_ci >= 0.98"
TAG = "format_pass_rate(math_basic, tag='<answer>').lower_ci >= 0.98"
SCHEMA = "tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99"
VERSION = "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.98"

SEEN = {
    AGGREGATE: "0.83",
    CAP: "0.06",
    MATH: "0.993",
    TAG: "0.997",
    "delta.success@1{division_hard}.point >= 0.07": "0.11",
    SCHEMA: "0.999",
    VERSION: "0.99",
    "steps_to_solve_median(debug_search_api).point <= 5": "3",
    "latency_p95_ms.point <= 900": "880",
    "cost_per_1k_tokens_usd.point <= 0.020": "0.019",
}
"""What the release table shows, by the rule that reads it."""

SUCCESS = [
    ("headache_redflags", "0.31", "0.84"),
    ("math_basic", "0.97", "0.993"),
    ("division_hard", "0.41", "0.52"),
    ("debug_search_api", "0.71", "0.88"),
]
RATES = [
    ("headache_redflags", "urgent_care", "0.62", "0.06", False),
    ("math_basic", "tag", "0.985", "0.997", True),
    ("debug_search_api", "json_schema", "0.996", "0.999", True),
    ("debug_search_api", "version_reference", "0.99", "0.99", True),
]


def found(rule: str) -> RuleVerdict:
    """The verdict on one rule of the example."""
    return next(one for one in judged().verdict.rules if one.rule == rule)


@pytest.mark.parametrize(("name", "before", "now"), SUCCESS)
def test_success_at_one_is_the_tables(name: str, before: str, now: str) -> None:
    """0.31 → 0.84, 0.97 → 0.993, 0.41 → 0.52, 0.71 → 0.88."""
    rows = [sheet(arm).read().slices[name].success for arm in (1, 0)]

    assert [Fraction(before), Fraction(now)] == [Fraction(sum(one), len(one)) for one in rows]


@pytest.mark.parametrize(("name", "verifier", "before", "now", "passing"), RATES)
def test_the_other_rates_are_the_tables(name: str, verifier: str, before: str, now: str, passing: bool) -> None:
    """Violations 0.62 → 0.06, tag 0.985 → 0.997, schema 0.996 → 0.999, version match 0.99."""
    rates = []
    for arm in (1, 0):
        rows = [row["findings"][verifier] for row in sheet(arm).rows() if row["slice"] == name]  # type: ignore[index] # by Sheet
        rates.append(Fraction(sum((one["verdict"] == "pass") is passing for one in rows), len(rows)))

    assert [Fraction(before), Fraction(now)] == rates


@pytest.mark.parametrize("rule", SEEN)
def test_each_rule_sees_what_the_table_shows(rule: str) -> None:
    """Nothing is rounded into a pass."""
    assert SEEN[rule] == found(rule).point


def test_it_is_a_no_go_because_of_the_cap_alone() -> None:
    """0.06 is over 0.05, whatever the other rows say."""
    verdict = judged().verdict
    by_word = {word: [one.rule for one in verdict.rules if one.verdict == word] for word in ("fail", "inconclusive")}

    assert "NO-GO" == verdict.answer
    assert {"fail": [CAP], "inconclusive": [AGGREGATE]} == by_word


def test_the_aggregate_is_083_by_the_declared_weights_and_was_076() -> None:
    """By equal weights it would be 0.808, and 0.60 before."""
    weights = [Fraction(one) for one in ("0.02", "0.6", "0.325", "0.055")]
    arms = [sum((w * Fraction(row[at]) for w, row in zip(weights, SUCCESS, strict=True)), Fraction(0)) for at in (1, 2)]

    assert Fraction("0.83") == arms[1]
    assert Fraction("0.755") <= arms[0] < Fraction("0.765")
    assert Fraction("0.80825") == sum(Fraction(row[2]) for row in SUCCESS) / 4


def test_the_p_value_is_001() -> None:
    """45 better and 23 worse of 200."""
    p_value = found("delta.success@1{division_hard}.p_value < 0.05").p_value

    assert Fraction("0.005") <= Fraction(p_value or 1) < Fraction("0.015")


LEAST = [
    # threshold, rate that the table shows, samples that it takes
    ("0.82", 0.83, 5709),
    ("0.98", 0.993, 444),
    ("0.98", 0.997, 256),
    ("0.99", 0.999, 458),
    ("0.98", 0.99, 753),
]


@pytest.mark.parametrize(("threshold", "rate", "n"), LEAST)
def test_a_bound_hangs_on_the_number_of_samples(threshold: str, rate: float, n: int) -> None:
    """One sample less, and the same rate does not pass. Each sample scores the rate itself, so that n can be any."""
    lower = [korn_graubard([[rate]] * size).lower for size in (n - 1, n)]

    assert lower[0] < float(threshold) <= lower[1]


ALLOWED = [
    # rule, slice, failures, cases that so many failures take
    *((MATH, "math_basic", *pair) for pair in ((0, 183), (1, 277), (2, 359), (3, 436), (5, 581), (10, 916))),
    *((SCHEMA, "debug_search_api", *pair) for pair in ((0, 368), (1, 555), (3, 874), (10, 1835))),
    (VERSION, "debug_search_api", 7, 718),
    (TAG, "math_basic", 1, 277),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "failures", "n"), ALLOWED)
def test_so_many_failures_take_so_many_cases(rule: str, name: str, failures: int, n: int) -> None:
    """One case less is undecided, through rows and rules as a gate judges them."""
    suites = [suite_of_size(1, sizes={name: size}) for size in (n - 1, n)]
    if failures == 0:
        suites = suites[1:]  # why: with one case less the gate file itself is refused
    words = [verdict_of(rule, Sheet(suite, wrong={name: failures})).verdict for suite in suites]

    assert ["inconclusive", "pass"][-len(words) :] == words


@pytest.mark.parametrize(("cases", "expected"), [(5700, "inconclusive"), (5800, "pass")])
def test_the_aggregate_takes_thousands(cases: int, expected: str) -> None:
    """0.83 of one slice that is all of the aggregate: between 5,700 and 5,800 lies 5,709."""
    suite = suite_of_size(1, sizes={"math_basic": cases})
    sheet = Sheet(suite, wrong={"math_basic": cases * 17 // 100})

    assert expected == verdict_of(AGGREGATE, sheet, weights="{math_basic: 1}").verdict
