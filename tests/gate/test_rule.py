"""The language of rules: every rule of the reference gate verbatim, and a caret under each fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.gate.language.rule import Comparison, NoRegressions, RuleFault, Window, parse_rule, parse_window

OFFLINE = [
    "aggregate.success@1.lower_ci >= 0.82",
    "no_regressions_on: ['headache_redflags', 'debug_search_api']",
    "ruleViolationRate(headache_redflags).point <= 0.05",
    "math_correct_rate(math_basic).lower_ci >= 0.98",
    "format_pass_rate(math_basic, tag='<answer>').lower_ci >= 0.98",
    "delta.success@1{division_hard}.point >= 0.07",
    "delta.success@1{division_hard}.p_value < 0.05",
    "tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99",
    "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.98",
    "steps_to_solve_median(debug_search_api).point <= 5",
    "latency_p95_ms.point <= 900",
    "cost_per_1k_tokens_usd.point <= 0.020",
]
CANARY = [
    "canary.abandon_rate.point <= 0.05",
    "canary.safety_incidents.count == 0",
    "canary.latency_p95_ms.point <= 950",
    "canary.cost_per_1k_tokens_usd.point <= 0.022",
]
READ = [
    ("aggregate", "success@1", None, "lower_ci", ">=", "0.82"),
    ("slice", "ruleViolationRate", "headache_redflags", "point", "<=", "0.05"),
    ("slice", "math_correct_rate", "math_basic", "lower_ci", ">=", "0.98"),
    ("slice", "format_pass_rate", "math_basic", "lower_ci", ">=", "0.98"),
    ("delta", "success@1", "division_hard", "point", ">=", "0.07"),
    ("delta", "success@1", "division_hard", "p_value", "<", "0.05"),
    ("slice", "tool_call_correctness.schema", "debug_search_api", "lower_ci", ">=", "0.99"),
    ("slice", "api_version_match_rate", "debug_search_api", "lower_ci", ">=", "0.98"),
    ("slice", "steps_to_solve_median", "debug_search_api", "point", "<=", "5"),
    ("slice", "latency_p95_ms", None, "point", "<=", "900"),
    ("slice", "cost_per_1k_tokens_usd", None, "point", "<=", "0.020"),
    ("canary", "abandon_rate", None, "point", "<=", "0.05"),
    ("canary", "safety_incidents", None, "count", "==", "0"),
    ("canary", "latency_p95_ms", None, "point", "<=", "950"),
    ("canary", "cost_per_1k_tokens_usd", None, "point", "<=", "0.022"),
]

MALFORMED = [
    ("", 0, "the rule ends here"),
    ("latency_p95_ms.point", 20, "the rule ends here"),
    ("latency_p95_ms.point => 900", 21, "cannot stand here"),
    ("latency_p95_ms.point <= 900ms", 27, "cannot stand here"),
    ("latency_p95_ms.point <= .9", 24, "cannot stand here"),
    ("latency_p95_ms.point <= 9e2", 25, "cannot stand here"),
    ("latency_p95_ms.point <= 0900", 25, "cannot stand here"),
    ("latency_p95_ms <= 900", 0, "is not a statistic"),
    ("latency_p95_ms.pont <= 900", 15, "'pont' is not a statistic"),
    ("math_correct_rate(math_basic).lower >= 0.98", 30, "'lower' is not a statistic"),
    ("math_correct_rate(math_basic.lower_ci >= 0.98", 28, "cannot stand here"),
    ("math_correct_rate().point >= 0.98", 18, "cannot stand here"),
    ("format_pass_rate(math_basic, tag=).point >= 0.98", 33, "cannot stand here"),
    ("format_pass_rate(math_basic, tag='<answer>).point >= 0.98", 33, "cannot stand here"),
    ("a.count.count == 0", 7, "cannot stand here"),
    ("a.point >= 0.5 and b.point >= 0.5", 15, "'and' cannot stand here"),
    ("a.point - b.point >= 0", 8, "cannot stand here"),
    ("a.point ! 1", 8, "cannot stand here"),
    ("no_regressions_on: []", 20, "cannot stand here"),
    ("no_regressions_on: [math_basic]", 20, "cannot stand here"),
    ("no_regressions_on: ['a' 'b']", 24, "cannot stand here"),
    ("delta.success@1(division_hard).point >= 0.07", 6, "needs its slice in braces"),
    ("success@1{division_hard}.point >= 0.07", 0, "braces belong to a delta"),
    ("aggregate.success@1(math_basic).point >= 0.07", 10, "aggregate takes no slice"),
    ("__import__('os').point >= 1", 11, "cannot stand here"),
]


@pytest.mark.parametrize(
    ("text", "expected"), list(zip([r for r in OFFLINE + CANARY if ":" not in r], READ, strict=True))
)
def test_every_rule_of_the_reference_gate_is_read_verbatim(text: str, expected: tuple[str, ...]) -> None:
    """Scope, metric, slice, statistic, comparison, number; and the number stays as it was written."""
    rule = parse_rule(text)
    assert isinstance(rule, Comparison)
    slice_name = rule.slice.text if rule.slice else None

    assert expected == (
        rule.scope, rule.metric.text, slice_name, rule.statistic.text, rule.comparator.text, rule.number.text
    )  # fmt: skip


def test_arguments_are_data() -> None:
    """By name or by place, without their quotes."""
    named, placed = parse_rule(OFFLINE[4]), parse_rule(OFFLINE[8])
    assert isinstance(named, Comparison)
    assert isinstance(placed, Comparison)

    assert [(one.name and one.name.text, one.value.text) for one in named.arguments] == [("tag", "<answer>")]
    assert [(one.name, one.value.text) for one in placed.arguments] == [(None, "3.2.1")]


def test_protected_slices_are_read_with_their_places() -> None:
    """The names, and where each stands."""
    rule = parse_rule(OFFLINE[1])
    assert isinstance(rule, NoRegressions)

    assert [(word.text, rule.text[word.at : word.at + 3]) for word in rule.slices] == [
        ("headache_redflags", "hea"),
        ("debug_search_api", "deb"),
    ]


@pytest.mark.parametrize(("text", "at", "what"), MALFORMED)
def test_a_malformed_rule_is_refused_at_its_place(text: str, at: int, what: str) -> None:
    """The caret stands under the first thing that cannot be there."""
    with pytest.raises(RuleFault) as caught:
        parse_rule(text)

    assert (at, True) == (caught.value.at, what in caught.value.what)


def test_the_nearest_statistic_is_told() -> None:
    """A typo is mended by reading the message."""
    with pytest.raises(RuleFault) as caught:
        parse_rule("aggregate.success@1.lwer_ci >= 0.82")

    assert "did you mean 'lower_ci'?" in caught.value.mend


def test_white_space_means_nothing() -> None:
    """`a.point>=1` is `a . point >= 1`."""
    spaced = parse_rule("latency_p95_ms . point   <=900")
    assert isinstance(spaced, Comparison)

    assert (spaced.metric.text, spaced.number.text) == ("latency_p95_ms", "900")


def test_a_window_is_a_count_and_a_time() -> None:
    """`N > 5k requests; 24h` as the reference gate writes it."""
    assert parse_window("N > 5k requests; 24h") == Window(5000, 86400)
    assert parse_window("N > 200 requests; 90m") == Window(200, 5400)
    with pytest.raises(RuleFault):
        parse_window("N >= 5k requests; 24h")


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is written, it is a rule or a fault with a place inside the text."""
    place = 0
    try:
        parse_rule(text)
    except RuleFault as fault:
        place = fault.at

    assert 0 <= place <= len(text)
