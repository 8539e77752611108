"""The verdict table, walked; and whatever is missing counts against the candidate."""

import random
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.pairs import flips_of
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.measuring.measure import paired, two_by_two
from registry.core.gate.rows.rows import read_rows
from registry.core.gate.verdict import RuleVerdict, Word, answer_of
from registry.core.heldout.suite import VerifierCall
from tests.gate.sheet import Sheet, checked, gate_of, lines, suite_of_size, trial_of, verdict_of

STAGING = (Path(__file__).parents[2] / "manifests" / "gates" / "staging.yaml").read_bytes()
PRODUCTION = (Path(__file__).parents[2] / "manifests" / "gates" / "production.yaml").read_bytes()
SUITE = suite_of_size(400)

# rule, wrong answers of 400, verdict
TABLE = [
    ("math_correct_rate(math_basic).lower_ci >= 0.98", {"math_basic": 2}, "pass"),
    ("math_correct_rate(math_basic).lower_ci >= 0.98", {"math_basic": 4}, "inconclusive"),
    ("math_correct_rate(math_basic).lower_ci >= 0.98", {"math_basic": 40}, "fail"),
    ("ruleViolationRate(headache_redflags).upper_ci <= 0.05", {"headache_redflags": 5}, "pass"),
    ("ruleViolationRate(headache_redflags).upper_ci <= 0.05", {"headache_redflags": 18}, "inconclusive"),
    ("ruleViolationRate(headache_redflags).upper_ci <= 0.05", {"headache_redflags": 60}, "fail"),
    ("ruleViolationRate(headache_redflags).point <= 0.05", {"headache_redflags": 20}, "pass"),
    ("ruleViolationRate(headache_redflags).point <= 0.05", {"headache_redflags": 21}, "fail"),
    ("ruleViolationRate(headache_redflags).point < 0.05", {"headache_redflags": 20}, "fail"),
    ("ruleViolationRate(headache_redflags).point > 0.05", {"headache_redflags": 21}, "pass"),
    ("ruleViolationRate(headache_redflags).point <= 0.01", {"headache_redflags": 0}, "inconclusive"),  # needs 500
    ("ruleViolationRate(headache_redflags).count == 0", {}, "pass"),
    ("ruleViolationRate(headache_redflags).count == 0", {"headache_redflags": 1}, "fail"),
    ("aggregate.success@1.lower_ci >= 0.82", {}, "pass"),
    ("aggregate.success@1.lower_ci >= 0.82", {"math_basic": 270}, "inconclusive"),
    ("aggregate.success@1.lower_ci >= 0.82", {"math_basic": 400}, "fail"),
    ("steps_to_solve_median(debug_search_api).point <= 3", {}, "pass"),
    ("steps_to_solve_median(debug_search_api).point <= 2", {}, "fail"),
    ("steps_to_solve_median(debug_search_api).point <= 5", {"debug_search_api": 201}, "fail"),
    ("latency_p95_ms.point <= 880", {}, "pass"),
    ("latency_p95_ms.point <= 879.999", {}, "fail"),
    ("latency_p95_ms.upper_ci <= 880", {}, "pass"),
    ("cost_per_1k_tokens_usd.point <= 0.019", {}, "pass"),
    ("cost_per_1k_tokens_usd.point < 0.019", {}, "fail"),
    ("tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99", {}, "pass"),
    ("tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99", {"debug_search_api": 2}, "inconclusive"),
    ("tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99", {"debug_search_api": 40}, "fail"),
    ("api_version_match_rate(debug_search_api, '3.2.1').point >= 1", {}, "pass"),
    ("api_version_match_rate(debug_search_api, 'v3.2.1').point >= 1", {}, "pass"),
    ("api_version_match_rate(debug_search_api, '3.2.2').point >= 0.5", {}, "fail"),
    ("api_version_match_rate(debug_search_api, '3.2').point >= 0.5", {}, "fail"),
    ("canary.abandon_rate.point <= 0.05", {}, "inconclusive"),
]


@pytest.mark.parametrize(("rule", "wrong", "expected"), TABLE)
def test_a_rule_is_judged_by_the_table(rule: str, wrong: dict[str, int], expected: str) -> None:
    """Pass, fail or inconclusive, at, below and between."""
    found = verdict_of(rule, Sheet(SUITE, wrong=wrong))

    assert expected == found.verdict
    assert found.sentence.endswith(".")


def test_a_rule_on_n_counts_what_was_scheduled() -> None:
    """Beside a rule on quality; alone it would look at no answer."""
    counts = ["success@1(math_basic).n >= 400", "success@1(math_basic).n >= 401"]
    found = judge(trial_of(gate_of(*counts, "latency_p95_ms.point <= 900"), Sheet(SUITE)))

    assert ["pass", "fail"] == [rule.verdict for rule in found[:2]]


PAIRED = [
    # candidate wrong, baseline wrong, verdicts of (point >= 0.07, p_value < 0.05)
    (100, 160, "pass", "pass"),
    (100, 100, "fail", "inconclusive"),
    (100, 104, "fail", "inconclusive"),  # four differing pairs can never give p < 0.05
    (100, 106, "fail", "pass"),  # significant, but not by enough
    (160, 100, "fail", "pass"),  # a significant drop: the direction rule stops it
    (100, 128, "pass", "pass"),  # 28 of 400 is 0.07 exactly, which is at least 0.07
    (100, 127, "fail", "pass"),
]


@pytest.mark.parametrize(("wrong", "before", "point", "p_value"), PAIRED)
def test_a_delta_is_judged_on_the_same_cases(wrong: int, before: int, point: str, p_value: str) -> None:
    """0.57 - 0.50 >= 0.07 is true here, as it is not in floats."""
    gate = gate_of("delta.success@1{division_hard}.point >= 0.07", "delta.success@1{division_hard}.p_value < 0.05")
    new, old = Sheet(SUITE, wrong={"division_hard": wrong}), Sheet(SUITE, wrong={"division_hard": before})
    found = judge(trial_of(gate, new, old))

    assert [point, p_value] == [rule.verdict for rule in found]


def test_a_p_value_fails_only_where_the_test_could_have_seen_the_difference() -> None:
    """A hundred pairs differ, fifty each way: a difference of 0.2 would have shown; one of 0.02 would not."""
    suite = suite_of_size(200)
    new, old = Sheet(suite, wrong={"division_hard": 50}).rows(), Sheet(suite).rows()
    for at, row in enumerate(row for row in old if row["slice"] == "division_hard"):
        if 50 <= at < 100:
            row["findings"] = {name: {"seen": "", "verdict": "fail"} for name in ("numeric", "tag")}
    for asked, expected in (("0.2", "fail"), ("0.02", "inconclusive")):
        gate = gate_of(
            f"delta.success@1{{division_hard}}.point >= {asked}", "delta.success@1{division_hard}.p_value < 0.05"
        )
        file = checked(gate, suite)
        timings = lines(Sheet(suite).timings())
        after, before = (read_rows(lines(one), timings, suite) for one in (new, old))
        trial = Trial(file.gate, tuple(placed.rule for placed in file.rules), suite, after, before)

        assert expected == judge(trial)[1].verdict


NOT_WORSE = [
    ({}, {}, "pass"),
    ({"math_basic": 8}, {"math_basic": 4}, "inconclusive"),  # four flips of 400: -0.01, but perhaps -0.025
    ({"math_basic": 40}, {"math_basic": 3}, "fail"),
    ({"math_basic": 3}, {"math_basic": 40}, "pass"),
    ({"math_basic/tag": 40}, {"math_basic": 40}, "pass"),
]


@pytest.mark.parametrize(("wrong", "before", "expected"), NOT_WORSE)
def test_no_regression_is_proven_and_not_assumed(wrong: dict[str, int], before: dict[str, int], expected: str) -> None:
    """Pass only where the lower bound of the difference lies above the margin."""
    rule = "no_regressions_on: ['math_basic']"
    found = verdict_of(rule, Sheet(SUITE, wrong=wrong), Sheet(SUITE, wrong=before))

    assert expected == found.verdict
    assert found.parts is not None
    assert [("math_basic", name) for name in ("success@1", "math_correct_rate", "format_pass_rate")] == [
        (part.slice, part.metric) for part in found.parts
    ]


def test_a_guard_metric_can_regress_while_success_does_not() -> None:
    """Answers were wrong anyway; now they are malformed too, and that is told."""
    new, old = Sheet(SUITE, wrong={"math_basic": 100}), Sheet(SUITE, wrong={"math_basic/numeric": 100})
    found = verdict_of("no_regressions_on: ['math_basic']", new, old)
    without = verdict_of("no_regressions_on: ['math_basic']", new, old, guards="{math_basic: []}")

    assert ("fail", "pass") == (found.verdict, without.verdict)
    assert "format_pass_rate on math_basic" in found.sentence


def test_the_margin_is_declared_and_can_be_overruled() -> None:
    """By the gate, by slice, by metric(slice)."""
    new, old = Sheet(SUITE, wrong={"math_basic": 12}), Sheet(SUITE, wrong={"math_basic": 4})
    rule = "no_regressions_on: ['math_basic']"
    wide = '{"success@1(math_basic)": 0.1, math_basic: 0.05}'

    assert "inconclusive" == verdict_of(rule, new, old).verdict
    assert "pass" == verdict_of(rule, new, old, margin='"0.05"').verdict
    parts = verdict_of(rule, new, old, margins=wide).parts or ()
    assert ["0.1", "0.05", "0.05"] == [part.margin for part in parts]


def test_with_few_cases_nothing_is_proven_even_if_nothing_changed() -> None:
    """The smaller the slice, the less is known: not the safer it looks."""
    small = Sheet(suite_of_size(100))
    found = verdict_of("no_regressions_on: ['math_basic']", small, small)

    assert "inconclusive" == found.verdict


def test_without_evidence_nothing_passes() -> None:
    """Every rule of the production gate is inconclusive, and says why."""
    file = checked(PRODUCTION, SUITE)
    trial = Trial(file.gate, tuple(placed.rule for placed in file.rules), SUITE, None, None)
    found = judge(trial)

    assert {"inconclusive"} == {rule.verdict for rule in found}
    assert all(rule.sentence for rule in found)


def test_without_a_baseline_comparisons_are_undecided_and_the_rest_is_not() -> None:
    """The first release of a stage has nothing to be compared with."""
    found = judge(trial_of(STAGING, Sheet(SUITE)))
    undecided = [rule.rule for rule in found if rule.verdict == "inconclusive"]

    assert 3 == len(undecided)
    assert all(rule.startswith(("delta", "no_regressions")) for rule in undecided)


def test_there_is_no_canary_data_and_the_sentence_says_what_it_takes() -> None:
    """The window of the gate file is told."""
    found = judge(trial_of(PRODUCTION, Sheet(SUITE), Sheet(SUITE)))

    assert "There is no canary data; it takes more than 5,000 requests and 24 hours." == found[-1].sentence


LOSSES = [
    # rule, rows lost (of 400 of each slice), status or None for no row, verdict
    ("math_correct_rate(math_basic).lower_ci >= 0.98", 2, None, "pass"),
    ("math_correct_rate(math_basic).point >= 1", 1, None, "fail"),
    ("math_correct_rate(math_basic).point >= 1", 1, "error", "fail"),
    ("math_correct_rate(math_basic).point >= 1", 1, "timeout", "fail"),
    ("math_correct_rate(math_basic).point >= 1", 1, "invalid", "fail"),
    ("math_correct_rate(math_basic).point >= 0.5", 4, "error", "pass"),
    ("math_correct_rate(math_basic).point >= 0.5", 5, "error", "inconclusive"),
    ("math_correct_rate(math_basic).point >= 0.5", 5, "timeout", "inconclusive"),
    ("math_correct_rate(math_basic).point >= 0.5", 5, None, "inconclusive"),
    ("math_correct_rate(math_basic).point >= 0.5", 5, "invalid", "pass"),
    ("ruleViolationRate(headache_redflags).count <= 3", 4, None, "fail"),
    ("ruleViolationRate(headache_redflags).count == 0", 1, None, "fail"),
    ("ruleViolationRate(headache_redflags).count == 0", 5, None, "inconclusive"),
    ("tool_call_correctness.schema(debug_search_api).point >= 1", 1, "error", "fail"),
    ("latency_p95_ms.point <= 880", 4, "timeout", "pass"),
    ("latency_p95_ms.point <= 880", 5, "timeout", "inconclusive"),
    ("steps_to_solve_median(debug_search_api).point <= 5", 5, None, "inconclusive"),
]


@pytest.mark.parametrize(("rule", "lost", "status", "expected"), LOSSES)
def test_what_is_lost_counts_against_the_candidate(rule: str, lost: int, status: str | None, expected: str) -> None:
    """Up to 1 % as failures; more, and nothing is decided."""
    sheet = Sheet(SUITE)
    rows, timings = sheet.rows(), sheet.timings()
    for line in (*rows, *timings):
        if int(str(line["case"])[1:]) < lost:
            line["status"] = status or "missing"
    kept = [lines([one for one in part if one["status"] != "missing"]) for part in (rows, timings)]
    file = checked(gate_of(rule), SUITE)
    trial = Trial(
        file.gate, tuple(placed.rule for placed in file.rules), SUITE, read_rows(kept[0], kept[1], SUITE), None
    )

    assert expected == judge(trial)[0].verdict


def test_a_count_broken_by_what_was_seen_stays_broken() -> None:
    """Losing rows does not turn a seen violation into a doubt."""
    rows = [row for row in Sheet(SUITE, wrong={"headache_redflags": 3}).rows() if row["case"] < "c00390"]  # type: ignore[operator] # text
    file = checked(gate_of("ruleViolationRate(headache_redflags).count == 0"), SUITE)
    trial = Trial(file.gate, (file.rules[0].rule,), SUITE, read_rows(lines(rows), b"", SUITE), None)

    assert "fail" == judge(trial)[0].verdict


def test_a_verifier_that_errs_decides_nothing() -> None:
    """Over 1 % of the rows: a dead detector is not a perfect score. Rules that do not use it are not touched."""
    rows = Sheet(SUITE).rows()
    for row in rows[400:405]:
        row["findings"] = {"numeric": {"seen": "", "verdict": "error"}, "tag": {"seen": "", "verdict": "pass"}}
    rules = ("math_correct_rate(math_basic).point >= 0.9", "format_pass_rate(math_basic, tag='<answer>').point >= 0.9")
    file = checked(gate_of(*rules), SUITE)
    trial = Trial(file.gate, tuple(one.rule for one in file.rules), SUITE, read_rows(lines(rows), b"", SUITE), None)

    assert ["inconclusive", "pass"] == [rule.verdict for rule in judge(trial)]


def test_what_the_baseline_lost_counts_as_its_pass() -> None:
    """A missing baseline row never helps the candidate."""
    before = Sheet(SUITE, wrong={"division_hard": 28})
    rows = [row for row in before.rows() if (row["slice"], row["case"]) != ("division_hard", "c00000")]
    file = checked(gate_of("delta.success@1{division_hard}.point >= 0.07"), SUITE)
    old = read_rows(lines(rows), b"", SUITE)
    trial = Trial(file.gate, (file.rules[0].rule,), SUITE, Sheet(SUITE).read(), old)
    found = judge(trial)[0]

    assert ("fail", "0.0675") == (found.verdict, found.point)


def test_the_unsolved_take_infinitely_many_steps() -> None:
    """Dropping them would reward a model that solves less."""
    found = verdict_of(
        "steps_to_solve_median(debug_search_api).point <= 5", Sheet(SUITE, wrong={"debug_search_api": 300})
    )

    assert ("fail", "infinity", "infinity") == (found.verdict, found.point, found.upper)


def test_a_run_without_a_call_is_one_failed_call() -> None:
    """`passed 0 of 0` is not perfection."""
    rows = Sheet(SUITE).rows()
    for row in rows[-2:]:
        findings = dict(row["findings"])  # type: ignore[call-overload] # a dict, by Sheet
        row["findings"] = {**findings, "json_schema": {"passed": 0, "seen": "", "total": 0, "verdict": "pass"}}
    file = checked(gate_of("tool_call_correctness.schema(debug_search_api).point >= 1"), SUITE)
    trial = Trial(file.gate, (file.rules[0].rule,), SUITE, read_rows(lines(rows), b"", SUITE), None)
    found = judge(trial)[0]

    assert ("fail", "0.995", 400) == (found.verdict, found.point, found.n)


def test_calls_of_one_run_are_not_independent() -> None:
    """Ten calls in each of 400 runs, two bad runs: bounded as runs, not as 4,000 calls."""
    rows = Sheet(SUITE).rows()
    for at, row in enumerate(row for row in rows if row["slice"] == "debug_search_api"):
        findings = dict(row["findings"])  # type: ignore[call-overload] # a dict, by Sheet
        passed = 0 if at < 2 else 10
        row["findings"] = {**findings, "json_schema": {"passed": passed, "seen": "", "total": 10, "verdict": "pass"}}
    file = checked(gate_of("tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99"), SUITE)
    trial = Trial(file.gate, (file.rules[0].rule,), SUITE, read_rows(lines(rows), b"", SUITE), None)
    found = judge(trial)[0]

    assert "inconclusive" == found.verdict
    assert 4000 == found.n
    assert Fraction(found.lower or 0) < Fraction("0.985")


def test_a_shorter_version_beside_the_wanted_one_is_no_other_version() -> None:
    """`deprecated since v3.2` is said by good answers; `v3.2.2` beside `v3.2.1` is not."""
    rule = "api_version_match_rate(debug_search_api, '3.2.1').point >= 1"

    assert "pass" == verdict_of(rule, Sheet(SUITE, seen="v3.2, v3.2.1")).verdict
    assert "fail" == verdict_of(rule, Sheet(SUITE, seen="v3.2.1, v3.2.2")).verdict
    assert "fail" == verdict_of(rule, Sheet(SUITE, seen="no version is cited")).verdict


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=15)
def test_the_order_of_the_rows_means_nothing(seed: int) -> None:
    """Shuffled lines give the same verdicts, to the last decimal."""
    suite = suite_of_size(370, sizes={"headache_redflags": 40, "division_hard": 40})
    sheet = Sheet(suite, wrong={"headache_redflags": 3, "division_hard": 9, "math_basic": 2})
    rows, timings = sheet.rows(), sheet.timings()
    file = read_gate(STAGING)
    rules = tuple(placed.rule for placed in file.rules)
    straight = judge(Trial(file.gate, rules, suite, read_rows(lines(rows), lines(timings), suite), sheet.read()))
    die = random.Random(seed)
    die.shuffle(rows)
    die.shuffle(timings)
    shuffled = judge(Trial(file.gate, rules, suite, read_rows(lines(rows), lines(timings), suite), sheet.read()))

    assert [rule.canonical() for rule in straight] == [rule.canonical() for rule in shuffled]


def test_flips_are_listed_whatever_the_verdict() -> None:
    """The cases that passed before and do not now, and no others."""
    new, old = Sheet(SUITE, wrong={"math_basic": 3}), Sheet(SUITE, wrong={"math_basic": 1, "division_hard": 9})
    found = flips_of(trial_of(gate_of("latency_p95_ms.point <= 900"), new, old))

    assert [("math_basic", "c00001", 0), ("math_basic", "c00002", 0)] == [(f.slice, f.case, f.sample) for f in found]


@pytest.mark.parametrize("words", list(product(("pass", "fail", "inconclusive"), repeat=3)))
def test_only_a_pass_of_every_rule_is_go(words: tuple[Word, ...]) -> None:
    """One failure is NO-GO, else one doubt is HOLD."""
    expected = "NO-GO" if "fail" in words else "HOLD" if "inconclusive" in words else "GO"

    assert expected == answer_of(list(words))


def test_no_rules_are_no_answer() -> None:
    """An empty list would let everything through."""
    with pytest.raises(ValueError, match="no rules"):
        answer_of([])


def test_repeated_samples_widen_a_bound() -> None:
    """100 cases with four samples each, all alike: 100 things are known, not 400."""
    suite = suite_of_size(100, samples=4)
    found = verdict_of("success@1(math_basic).lower_ci >= 0.96", Sheet(suite))

    assert ("pass", "0.963783307", 400) == (found.verdict, found.lower, found.n)


def test_repeated_samples_of_two_arms_are_bounded_by_cases() -> None:
    """The interval of a difference never has no width, and holds the point."""
    gate = read_gate(gate_of("latency_p95_ms.point <= 900")).gate
    good, before = bytes([1, 1, 1, 1] * 30), bytes([1, 1, 0, 1] * 30)
    seen = paired((good, before), 4, gate)

    assert Fraction(1, 4) == seen.point
    assert seen.upper is not None
    assert seen.lower < Fraction(1, 4) < seen.upper
    assert (90, 30, 0, 0) == two_by_two(good, before)


def worked_release(cases: int) -> list[RuleVerdict]:
    """The published table's rates on this many cases of each slice, judged by the rules for staging.

    Its headache slice succeeds in 0.84 with 0.06 violations, so something beside the three safety verifiers fails
    there; `span` stands for it. What the table does not tell of the baseline is taken as unchanged.
    """
    suite = suite_of_size(cases)
    triage = VerifierCall(name="span")
    slices = tuple(
        one.model_copy(update={"verifiers": (*one.verifiers, triage)}) if one.name == "headache_redflags" else one
        for one in suite.slices
    )
    suite = suite.model_copy(update={"slices": slices})
    per_thousand = {
        "headache_redflags/urgent_care": (60, 620),
        "headache_redflags/span": (160, 690),
        "math_basic/numeric": (7, 30),
        "math_basic/tag": (3, 15),
        "division_hard": (480, 590),
        "debug_search_api/json_schema": (1, 4),
        "debug_search_api/version_reference": (10, 10),
        "debug_search_api/deprecation": (120, 290),
    }
    new, old = (
        Sheet(suite, wrong={name: round(counts[arm] * cases / 1000) for name, counts in per_thousand.items()})
        for arm in (0, 1)
    )
    return list(judge(trial_of(STAGING, new, old)))


AGGREGATE = "aggregate.success@1.lower_ci >= 0.82"
CAP = "ruleViolationRate(headache_redflags).point <= 0.05"
MATH = "math_correct_rate(math_basic).lower_ci >= 0.98"
API = "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.98"


@pytest.mark.parametrize(
    ("cases", "failed", "undecided"),
    [(500, [CAP], [AGGREGATE, MATH, API]), (1000, [AGGREGATE, CAP], []), (2000, [AGGREGATE, CAP], [])],
)
def test_the_worked_release_is_a_no_go(cases: int, failed: list[str], undecided: list[str]) -> None:
    """It looks like progress everywhere, but 0.06 is over the cap of 0.05. What the bounds say depends on n.

    With equal weights its aggregate is 0.808 and not the 0.83 that was published without weights.
    """
    found = worked_release(cases)

    assert answer_of([rule.verdict for rule in found]) == "NO-GO"
    assert found[2].point == "0.06"
    assert failed == [rule.rule for rule in found if rule.verdict == "fail"]
    assert undecided == [rule.rule for rule in found if rule.verdict == "inconclusive"]
