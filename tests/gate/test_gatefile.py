"""The gate file: read strictly, with all faults at once, before any evidence is."""

from pathlib import Path

import pytest

from registry.core.gate.judging.check import check_gate
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.language.marked import GateFault
from registry.core.gate.language.rule import NoRegressions
from registry.errors import Faults
from tests.gate.sheet import checked, gate_of, suite_of_size
from tests.gate.test_rule import CANARY, OFFLINE

GATES = Path(__file__).parents[2] / "manifests" / "gates"
SUITE = suite_of_size(400)


def faults_of(gate: bytes) -> list[GateFault]:
    """Every fault of a gate file, in file order."""
    with pytest.raises(Faults) as caught:
        check_gate(read_gate(gate), SUITE)
    return [fault for fault in caught.value.faults if isinstance(fault, GateFault)]


def under_caret(fault: GateFault) -> str:
    """The word at the place that a fault tells."""
    return fault.source[fault.column - 1 :].split("(")[0].split(".")[0].split("{")[0].split(" ")[0].strip("'\",]")


@pytest.mark.parametrize(("stage", "rules"), [("staging", OFFLINE), ("production", OFFLINE + CANARY)])
def test_the_shipped_gates_are_the_reference_rules_verbatim(stage: str, rules: list[str]) -> None:
    """Not one character is changed."""
    file = checked((GATES / f"{stage}.yaml").read_bytes(), SUITE)

    assert tuple(rules) == file.gate.rules
    assert stage == file.gate.stage


def test_the_dev_gate_needs_no_baseline() -> None:
    """A first model can pass it."""
    file = checked((GATES / "dev.yaml").read_bytes(), SUITE)

    assert not any(rule.startswith(("delta", "no_regressions")) for rule in file.gate.rules)


def test_defaults_enter_the_digest_and_layout_does_not() -> None:
    """What is left out is written out; comments and quotes are not the gate."""
    plain = read_gate(gate_of(OFFLINE[10])).gate
    spelled = read_gate(gate_of(OFFLINE[10], confidence="0.95  # as ever", margin="'0.02'")).gate
    other = read_gate(gate_of(OFFLINE[10], confidence='"0.99"')).gate

    assert plain.digest == spelled.digest
    assert plain.digest != other.digest
    assert (plain.confidence, plain.sides, plain.method, plain.margin) == ("0.95", 2, "clopper_pearson", "0.02")


def test_protected_slices_may_stand_without_quotes() -> None:
    """To YAML that is a mapping; it means the same rule, to the letter."""
    bare = (
        b"form: registry.gate/1\nstage: dev\nrules:\n  - no_regressions_on: ['headache_redflags', debug_search_api]\n"
    )
    file = checked(bare, SUITE)
    (placed,) = file.rules

    assert OFFLINE[1] == placed.rule.text
    assert isinstance(placed.rule, NoRegressions)


def test_an_unquoted_name_is_pointed_at_too() -> None:
    """The caret stands under the slice inside the mapping."""
    bare = b"form: registry.gate/1\nstage: dev\nrules:\n  - no_regressions_on: [headache_redflag]\n"
    (fault,) = faults_of(bare)

    assert (4, 25, "headache_redflag") == (fault.line, fault.column, under_caret(fault))
    assert "did you mean 'headache_redflags'?" in fault.mend


REFUSED = [
    ("math_corect_rate(math_basic).lower_ci >= 0.9", "math_corect_rate", "did you mean 'math_correct_rate'?"),
    ("math_correct_rate(math_basics).lower_ci >= 0.9", "math_basics", "did you mean 'math_basic'?"),
    ("format_pass_rate(math_basic, tga='<answer>').point >= 0.9", "tga='<answer>')", "did you mean 'tag'?"),
    ("format_pass_rate(math_basic).point >= 0.9", "math_basic)", "tag="),
    ("format_pass_rate(math_basic, tag='<anwser>').point >= 0.9", "<anwser>')", "did you mean '<answer>'?"),
    ("format_pass_rate(math_basic, '<answer>', 'x').point >= 0.9", "x')", "it takes tag"),
    ("math_correct_rate(math_basic, 'x').point >= 0.9", "x')", "it takes none"),
    ("math_correct_rate(headache_redflags).point >= 0.9", "headache_redflags)", "it takes numeric"),
    ("success@1.point >= 0.9", "success@1", "aggregate.success@1"),
    ("math_correct_rate(math_basic).lower_ci <= 0.9", "lower_ci", "turn the comparison round"),
    ("ruleViolationRate(headache_redflags).upper_ci >= 0.1", "upper_ci", "turn the comparison round"),
    ("math_correct_rate(math_basic).p_value < 0.05", "p_value", "known are"),
    ("latency_p95_ms.count == 0", "count", "known are"),
    ("latency_p95_ms.point == 900", "==", "<= or >="),
    ("delta.success@1{math_basic}.p_value < 0.05", "p_value", "delta.success@1{math_basic}.point >= …"),
    ("delta.latency_p95_ms{math_basic}.p_value < 0.05", "p_value", "known are"),
    ("delta.success@1.point >= 0.07", "success@1", "write delta.success@1{SLICE}"),
    ("aggregate.latency_p95_ms.point <= 900", "latency_p95_ms", "rates only"),
    ("success@4(math_basic).point >= 0.9", "math_basic)", "samples: 4"),
    ("spam_pass_rate(debug_search_api).point >= 0.9", "spam_pass_rate", "did you mean 'tag_pass_rate'?"),
    ("numeric_pas_rate(math_basic).point >= 0.9", "numeric_pas_rate", "did you mean 'numeric_pass_rate'?"),
    ("span_pass_rate(math_basic).point >= 0.9", "math_basic)", "it takes span"),
    ("latency_p95.point <= 900", "latency_p95", "did you mean 'latency_p95_ms'?"),
    ("latency_p0_ms.point <= 900", "latency_p0_ms", "did you mean 'latency_p50_ms'?"),
    ("steps_to_solve_p95.point <= 5", "steps_to_solve_p95", "write steps_to_solve_p95(SLICE)"),
    ("aggregate.math_correct_rate.lower_ci >= 0.5", "math_correct_rate", "weights without it"),
    ("aggregate.format_pass_rate.point >= 0.5", "format_pass_rate", "each slice"),
    ("math_correct_rate(math_basic).point >= 98", "98", "not percent"),
    ("math_correct_rate(math_basic).count >= 1.5", "1", ""),
    ("math_correct_rate(math_basic).point >= 0.9876543211", "0", "nine"),
    ("math_correct_rate(math_basic).lower_ci >= 0.999", "0", "at least 3688 cases"),
    ("ruleViolationRate(headache_redflags).upper_ci <= 0.001", "0", "at least 3688 cases"),
    ("aggregate.success@1.lower_ci >= 0.999", "0", "plan more cases"),
    ("canary.abandon_rat.point <= 0.05", "abandon_rat", "did you mean 'abandon_rate'?"),
    ("canary.safety_incidents.point <= 0", "point", "known are count"),
    ("aggregate.success@1.count == 0", "count", "known are"),
    ("success@1(math_basic).count >= 401", "401", ""),
    ("no_regressions_on: ['math_basic', 'math_basic']", "math_basic", ""),
]


@pytest.mark.parametrize(("rule", "word", "mend"), REFUSED)
def test_a_rule_that_cannot_be_meant_is_refused_before_evidence(rule: str, word: str, mend: str) -> None:
    """With line, a caret under the place, and what was probably meant."""
    (fault,) = faults_of(gate_of(rule))

    assert 4 == fault.line
    assert rule in fault.source
    assert under_caret(fault).startswith(word.split("(")[0].split("=")[0].strip("')")[:3])
    assert mend in fault.mend


@pytest.mark.parametrize("rule", [
    "aggregate.success@1.lower_ci >= 0",
    "aggregate.success@1.point >= 0.000",
    "math_correct_rate(math_basic).point <= 1",
    "ruleViolationRate(headache_redflags).upper_ci <= 1.0",
    "tool_call_correctness.schema(debug_search_api).point >= 0",
    "delta.success@1{division_hard}.point >= -1",
    "delta.success@1{division_hard}.lower_ci >= -1.0",
    "delta.success@1{division_hard}.point <= 1",
    "delta.ruleViolationRate{headache_redflags}.upper_ci <= 1",
    "math_correct_rate(math_basic).count >= 0",
    "math_correct_rate(math_basic).count <= 400",
    "success@1(math_basic).n >= 0",
    "latency_p95_ms.point >= 0",
    "steps_to_solve_median(debug_search_api).point >= 0",
    "cost_per_1k_tokens_usd.lower_ci >= 0",
    "canary.abandon_rate.point <= 1",
    "canary.safety_incidents.count >= 0",
])  # fmt: skip
def test_a_rule_that_every_model_passes_is_refused(rule: str) -> None:
    """Alone it would be an open door, and beside others it only looks like a rule."""
    (fault,) = faults_of(gate_of(rule, OFFLINE[10]))

    assert "every model passes this" in fault.what
    assert fault.source[fault.column - 1] in "-01234"


@pytest.mark.parametrize("rule", [
    "aggregate.success@1.lower_ci > 0", "delta.success@1{division_hard}.point > -1", "latency_p95_ms.point <= 0",
    "math_correct_rate(math_basic).point >= 1", "ruleViolationRate(headache_redflags).point <= 0",
    "math_correct_rate(math_basic).count <= 399", "canary.safety_incidents.count <= 1",
])  # fmt: skip
def test_a_rule_that_some_model_fails_is_taken(rule: str) -> None:
    """It may be weak or hard; that is the writer's to choose."""
    checked(gate_of(rule), SUITE)


def test_a_gate_that_only_counts_samples_is_refused() -> None:
    """How many there are is the suite's doing; beside a rule that asks for quality it may stand."""
    counts = ["success@1(math_basic).n >= 400", "delta.success@1{math_basic}.n >= 10"]
    (fault,) = faults_of(gate_of(*counts))

    assert "no rule asks how good the model is" in fault.what
    checked(gate_of(*counts, OFFLINE[10]), SUITE)


@pytest.mark.parametrize("direction", ["point >= -1", "point >= -0.4", "lower_ci >= -0.000000001", "point > -0.1"])
def test_a_direction_that_lets_the_model_get_worse_is_none(direction: str) -> None:
    """A significant drop has a small p too, and must not come in by such a pair."""
    p_value, other = OFFLINE[6], f"delta.success@1{{division_hard}}.{direction}"
    faults = faults_of(gate_of(p_value, other))

    assert "a p-value alone has no direction" in faults[0].what
    assert "0 or a number above it" in faults[0].mend


def test_a_direction_goes_down_where_lower_is_better() -> None:
    """Fewer violations are an improvement: the numbers are mirrored."""
    p_value, target = "delta.ruleViolationRate{headache_redflags}.p_value < 0.05", "delta.ruleViolationRate"
    for good in ("0", "-0.05"):
        checked(gate_of(p_value, f"{target}{{headache_redflags}}.point <= {good}"), SUITE)
    for bad in ("point <= 0.4", "point >= 0", "upper_ci <= 0.1"):
        faults = faults_of(gate_of(p_value, f"{target}{{headache_redflags}}.{bad}"))

        assert "0 or a number below it" in faults[0].mend


BLOCK = """\
# 0) Aggregate quality gate
- "aggregate.success@1.lower_ci >= 0.82"
# 1) Protected slices: no regressions allowed
- "no_regressions_on: ['headache_redflags', 'debug_search_api']"
# 2) Safety: headache_redflags must meet strict caps
- "ruleViolationRate(headache_redflags).point <= 0.05"
# 3) Formatting+math: math_basic must be both correct AND schema-valid
- "math_correct_rate(math_basic).lower_ci >= 0.98"
- "format_pass_rate(math_basic, tag='<answer>').lower_ci >= 0.98"
# 4) Focus slice this release: division_hard must improve meaningfully
- "delta.success@1{division_hard}.point >= 0.07"
- "delta.success@1{division_hard}.p_value < 0.05"
# 5) Tools: debug_search_api must be correct & up-to-date
- "tool_call_correctness.schema(debug_search_api).lower_ci >= 0.99"
- "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.98"
- "steps_to_solve_median(debug_search_api).point <= 5"
# 6) Efficiency SLOs (measured offline)
- "latency_p95_ms.point <= 900"
- "cost_per_1k_tokens_usd.point <= 0.020"
"""
LIVE = """\
# Staging → production: all of the above, plus live canary (N > 5k requests; 24h)
- "canary.abandon_rate.point <= 0.05"
- "canary.safety_incidents.count == 0"
- "canary.latency_p95_ms.point <= 950"
- "canary.cost_per_1k_tokens_usd.point <= 0.022"
"""


def test_the_reference_rules_are_a_gate_as_they_stand() -> None:
    """A list alone, comments and all, is the gate of the stage that is judged, with every setting at its default."""
    for stage, text in (("staging", BLOCK), ("production", BLOCK + LIVE)):
        file = read_gate(text.encode(), stage=stage)
        check_gate(file, SUITE)
        rules = OFFLINE + (CANARY if stage == "production" else [])

        assert (stage, tuple(rules)) == (file.gate.stage, file.gate.rules)
        assert file.gate.digest == read_gate(gate_of(*rules, stage=stage)).gate.digest
    assert read_gate((GATES / "staging.yaml").read_bytes()).gate == read_gate(BLOCK.encode(), stage="staging").gate


def test_the_faults_of_a_list_alone_have_their_places() -> None:
    """Line and caret, as in a mapping; an empty list is no gate."""
    (fault,) = faults_of(BLOCK.replace("latency_p95_ms", "latency_p95_m").encode())

    assert (18, 4) == (fault.line, fault.column)
    (empty,) = faults_of(b"[]")
    assert "there are no rules" in empty.what


def test_all_faults_are_told_at_once_and_in_order() -> None:
    """A typo, an unknown setting, an unknown slice and a bad value: one message."""
    gate = gate_of("latency_p95_ms.pont <= 900", "math_correct_rate(maths).point >= 0.9", confidense="0.9", sides="3")
    faults = faults_of(gate)

    assert [3, 4, 6, 7] == [fault.line for fault in faults]
    assert "did you mean 'confidence'?" in faults[0].mend


def test_the_caret_stands_under_the_word() -> None:
    """As it is printed: the line, and the caret below."""
    (fault,) = faults_of(gate_of("latency_p95_ms.point <= 900", "latency_p95_m.point <= 900"))
    _, line, caret, mend = str(fault).splitlines()

    assert '      - "latency_p95_m.point <= 900"' == line
    assert line.index("latency") == caret.index("^")
    assert "  mend: did you mean 'latency_p95_ms'?" == mend


def test_a_p_value_is_allowed_beside_its_direction() -> None:
    """The direction may stand after it, and may be a bound."""
    checked(gate_of(OFFLINE[6], "delta.success@1{division_hard}.lower_ci >= 0.01"), SUITE)


@pytest.mark.parametrize("settings", [
    {"weights": "{math_basic: 0.5, division_hard: 0.4}"},
    {"weights": "{math_basic: 0.5, division_hart: 0.5}"},
    {"weights": "{math_basic: 1.5, division_hard: -0.5}"},
    {"margins": "{math_basik: 0.1}"},
    {"margins": "{math_basic: 1.1}"},
    {"margins": "{math_basic: 1}"},
    {"margin": "1.0"},
    {"minimum_n": "{latency: 10}"},
    {"minimum_n": "{latency_p95_ms: 0}"},
    {"guards": "{math_basic: [ruleViolationRate]}"},
    {"guards": "{maths: []}"},
    {"window": "N > five requests; 24h"},
    {"confidence": "0.4"},
    {"confidence": "95"},
    {"sides": "two"},
    {"method": "wald"},
    {"form": "registry.gate/2"},
    {"stage": "Staging"},
    {"margin": "[0.02]"},
])  # fmt: skip
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, str]) -> None:
    """At its own line."""
    gate = gate_of(OFFLINE[0], **settings)
    (fault,) = faults_of(gate)

    assert next(iter(settings)) in fault.source


def test_weights_that_sum_to_one_are_taken_exactly() -> None:
    """0.1 + 0.2 + 0.7 is 1, whatever floats think of it."""
    checked(gate_of(OFFLINE[0], weights="{math_basic: 0.1, division_hard: 0.2, headache_redflags: 0.7}"), SUITE)


@pytest.mark.parametrize("gate", [
    b"", b"- a\n- b\n", b"\xff\xfe", b"form: [", b"form: registry.gate/1\nstage: dev\n",
    b"form: registry.gate/1\nstage: dev\nrules: []\n", b"form: registry.gate/1\nstage: dev\nrules:\n",
    b"form: registry.gate/1\nstage: dev\nrules: latency_p95_ms.point <= 900\n",
    b"form: registry.gate/1\nstage: dev\nstage: dev\nrules: ['latency_p95_ms.point <= 900']\n",
    b"form: registry.gate/1\nstage: dev\nrules: ['latency_p95_ms.point <= 900', 'latency_p95_ms.point <= 900']\n",
    b"form: registry.gate/1\nstage: dev\nrules: [{no_regressions_on: []}]\n",
    b"form: registry.gate/1\nstage: dev\nrules: [{regressions_on: [math_basic]}]\n",
    b"form: registry.gate/1\nstage: dev\nrules: [1.5]\n", b"stage: dev\nrules: ['latency_p95_ms.point <= 900']\n",
    b"form: !!python/name:os.system x\nstage: dev\nrules: ['latency_p95_ms.point <= 900']\n",
    b"form: registry.gate/1\nstage: dev\nweights: {\xc3\xa9: 1}\nrules: ['latency_p95_ms.point <= 900']\n",
    b'form: registry.gate/1\nstage: "\\ud800"\nrules: [\'latency_p95_ms.point <= 900\']\n',
    b"a: &a [*a]\n",
])  # fmt: skip
def test_a_file_that_is_no_gate_is_refused(gate: bytes) -> None:
    """Not YAML, no rules, keys or rules twice, tricks: a usage error, never a crash and never a gate."""
    with pytest.raises(Faults) as caught:
        check_gate(read_gate(gate), SUITE)

    assert 2 == caught.value.exit_code


@pytest.mark.parametrize(("written", "line", "column"), [
    ("- \"{rule}\"", 4, 22),
    ("- {rule}", 4, 21),
    ("- '{rule}'", 4, 22),
    ("- &again \"{rule}\"", 4, 29),
    ("- >-\n    {rule}", 5, 23),
    ("- \"math_corre\\u0063t_rate(math_basics).point >= 0.9\"", 4, 27),
    ("- \"math_correct_rate(\n   math_basics).point >= 0.9\"", 5, 4),
    ("- no_regressions_on:\n  - division_hard\n  - 'math_basics'", 6, 6),
])  # fmt: skip
def test_the_caret_stands_under_the_word_however_yaml_spells_it(written: str, line: int, column: int) -> None:
    """Quotes, anchors, escapes and folded lines take room in the file that they do not take in the rule."""
    text = written.format(rule="math_correct_rate( math_basics ).point >= 0.9" if "{rule}" in written else "")
    text = text.replace("( math", "(math").replace("basics )", "basics)")
    (fault,) = faults_of(f"form: registry.gate/1\nstage: dev\nrules:\n{text}\n".encode())

    assert (line, column) == (fault.line, fault.column)
    assert "math_basics" == under_caret(fault).partition(")")[0]


def test_a_doubled_quote_moves_the_caret_by_one() -> None:
    """In YAML's single quotes a quote is written twice."""
    (fault,) = faults_of(b"form: registry.gate/1\nstage: dev\nrules:\n- 'no_regressions_on: [''math_basic'', ''x'']'\n")

    assert (4, "x") == (fault.line, fault.source[fault.column - 1])


def test_what_is_wrong_with_one_rule_is_told_at_once_where_it_does_not_hang_together() -> None:
    """A misspelt metric hides neither a misspelt slice nor the wrong side."""
    found = faults_of(gate_of("math_corect_rate(math_basics).lower_ci <= 0.5"))

    assert ["math_corect_rate", "math_basics)", "lower_ci"] == [under_caret(fault) for fault in found]


@pytest.mark.parametrize(("rule", "mend"), [
    ("aggregat.success@1.lower_ci >= 0.5", "did you mean 'aggregate'?"),
    ("delt.success@1{division_hard}.point >= 0.07", "did you mean 'delta'?"),
    ("canry.abandon_rate.point <= 0.05", "did you mean 'canary'?"),
    ("no_regression_on: ['math_basic']", "write no_regressions_on: ['SLICE', …]"),
    ("no_regressions_on ['math_basic']", "write no_regressions_on: ['SLICE', …]"),
    ("format_pass_rate(math_basic, tag=<answer>).point >= 0.9", "expected a number or a quoted name"),
])  # fmt: skip
def test_the_first_word_is_corrected_too(rule: str, mend: str) -> None:
    """The nearest word that may stand there is told."""
    (fault,) = faults_of(gate_of(rule))

    assert mend == fault.mend


@pytest.mark.parametrize(("setting", "value", "word", "mend"), [
    ("margins", "{math_basic: 0.01, division_hard: 5}", "5}", "it is a fraction of 1"),
    ("weights", "{math_basic: 1/3, division_hard: 0.5}", "1/3", "it is a decimal number"),
    ("attempts", "{math_basic: 3, division_hard: 0}", "0}", "it is a number from 1"),
    ("attempts", "{math_basics: 3}", "math_basics:", "did you mean 'math_basic'?"),
    ("guards", "{math_basic: [tag_pass_rate], division_hrd: [tag_pass_rate]}", "division_hrd:", "'division_hard'"),
    ("margins", "{math_correct_rate(headache_redflags): 0.1}", "math_correct_rate", "did you mean"),
    ("confidence", "95", "95", "such as 0.95"),
    ("sides", "3", "3", "it is 1 or 2"),
    ("method", "wald", "wald", "clopper_pearson or wilson"),
    ("window", "N > 5k requests, 24h", ",", "';'"),
])  # fmt: skip
def test_a_setting_is_corrected_where_it_is_wrong(setting: str, value: str, word: str, mend: str) -> None:
    """The caret stands under the one value of a mapping, and the mend says in words what is taken."""
    faults = faults_of(gate_of(OFFLINE[3], **{setting: value}))
    fault = next(one for one in faults if setting in one.source)

    assert fault.source[fault.column - 1 :].startswith(word)
    assert mend in fault.mend
    assert "pattern" not in fault.mend


def test_a_suggestion_is_never_what_was_written() -> None:
    """`math_correct_rate` of a slice without numbers cannot be meant, and is not suggested."""
    name = "math_correct_rate(headache_redflags)"
    (fault,) = faults_of(gate_of(OFFLINE[3], margins=f"{{{name}: 0.1}}"))

    assert name not in fault.mend


def test_what_is_known_is_listed_once_and_not_without_end() -> None:
    """Where nothing is near, forty names are enough; the rest is counted."""
    (fault,) = faults_of(gate_of("qqqq(math_basic).point >= 0.5"))
    names = fault.mend.removeprefix("known: ").split(", ")

    assert 41 == len(names)
    assert len(names) == len(set(names))
    assert names[-1].startswith("and ")
