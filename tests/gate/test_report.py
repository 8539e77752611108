"""A verdict for people: lines for a table and Markdown, made of the verdict alone."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.digest import digest_of
from registry.core.gate import exact
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.pairs import flips_of
from registry.core.gate.report import flip_lines, headline, lines_of, markdown, notes
from registry.core.gate.report.lines import near, percent, small, span, strength_of
from registry.core.gate.verdict import (
    Attempts,
    Flip,
    Inputs,
    Leak,
    Part,
    RuleVerdict,
    SliceResult,
    Verdict,
    answer_of,
)
from registry.core.record import Record
from tests.gate.sheet import Sheet, suite_of_size, trial_of

STAGING = (Path(__file__).parents[2] / "manifests" / "gates" / "staging.yaml").read_bytes()
DOCS = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
SOME = digest_of(b"something")


def verdict(wrong: dict[str, int]) -> Verdict:
    """A verdict on 400 cases for each slice."""
    suite = suite_of_size(400)
    trial = trial_of(STAGING, Sheet(suite, wrong=wrong), Sheet(suite, wrong={"division_hard": 100}))
    rules = judge(trial)
    return Verdict(
        stage="staging",
        answer=answer_of([rule.verdict for rule in rules]),
        rules=rules,
        flips=flips_of(trial),
        gate_file=SOME,
        gate=SOME,
        candidate=SOME,
    )


def of_rule(**fields: object) -> Verdict:
    """A verdict of one rule, with further fields of the verdict."""
    rule = RuleVerdict(rule="latency_p95_ms.point <= 900", verdict="pass", sentence="Fast enough.")
    given = {"stage": "staging", "answer": "GO", "rules": (rule,), "flips": (), **fields}
    return Verdict(**given, gate_file=SOME, gate=SOME, candidate=SOME)  # type: ignore[arg-type] # fields by name


def test_the_headline_counts_what_is_wrong() -> None:
    """The answer, then why."""
    assert headline(verdict({})) == "GO for staging: of 12 rules, all passed."
    assert headline(verdict({"headache_redflags": 30, "math_basic": 4})).startswith("NO-GO for staging: of 12 rules, ")


def test_each_rule_is_one_line_with_one_sentence() -> None:
    """In the order of the gate file; every sentence ends."""
    found = lines_of(verdict({"math_basic": 4}))

    assert [line.mark for line in found].count("UNDECIDED") == 2
    assert all(line.sentence.endswith(".") and "\n" not in line.sentence for line in found)
    assert found[3].value == "0.99"
    assert found[3].n == "400"


def test_markdown_survives_its_own_signs() -> None:
    """One row for each rule, and every row has the same number of cells."""
    text = markdown(verdict({"headache_redflags": 30}))
    rows = [line for line in text.splitlines() if line.startswith("| ")]

    assert len(rows) == 12 + 1
    assert {row.count("|") for row in rows} == {7}
    assert text.startswith("**NO-GO for staging")


def test_markdown_of_hostile_text_is_text() -> None:
    """Nobody is called, nothing is linked, drawn or run; a table stays a table and a fence stays shut."""
    bad = "see <script>alert(1)</script> [this](http://evil) @everyone `x` | y\n# big \u202e \x1b[31m."
    rule = RuleVerdict(rule="a`b``c|d<b>\n", verdict="fail", sentence=bad)
    text = markdown(of_rule(answer="NO-GO", rules=(rule,)))
    (row,) = [line for line in text.splitlines() if line.startswith("| FAIL")]

    assert 7 == row.replace("\\|", "").count("|")
    assert "```a`b``c\\|d<b>\\u000a```" in row
    assert r"&lt;script>alert(1)&lt;/script> \[this\](http://evil) @<!-- -->everyone \`x\` \| y" in row
    assert r"\\u202e \\u001b\[31m" in row
    assert all(sign.isprintable() for sign in row)


def test_flips_are_cut_and_the_rest_is_counted() -> None:
    """Twenty, and how many more."""
    found = flip_lines(verdict({"headache_redflags": 30}))

    assert len(found) == 21
    assert found[0] == "headache_redflags c00000"
    assert found[-1] == "and 10 more"


def test_a_verdict_reads_back_from_its_bytes() -> None:
    """It is a fact: one spelling, no floats."""
    found = verdict({"math_basic": 4})

    assert Verdict.parse(found.canonical()) == found
    assert found.canonical() == verdict({"math_basic": 4}).canonical()


def test_what_was_lost_leaked_or_used_before_is_noted() -> None:
    """One line each; a slice on which nothing happened has none, and slices alike share one."""
    slices = tuple(
        SliceResult(slice=name, digest=SOME, scheduled=400, lost=lost) for name, lost in (("a", 3), ("b", 0))
    )
    attempts = tuple(
        Attempts(slice=name, attempt=at, allowed=20, risk="0.1049", look=1, looks=3)
        for name, at in (("a", 5), ("b", 5), ("c", 1))
    )
    leaks = (
        Leak(slice="a", case="c1", dataset="sft", how="text"),
        Leak(slice="a", case="c2", dataset="sft", how="8-gram"),
    )
    found = notes(of_rule(slices=slices, attempts=attempts, contaminated=leaks, contaminated_in_all=7))

    assert (
        "a lost 3 of 400 answers; they count as failures.",
        "2 cases of a also in the training data sft.",
        "And 5 more contaminated cases.",
        "a, b: candidate 5 of 20, look 1 of 3 at this one; the best of 5 exactly at a threshold passes a bound by luck "
        "10.5 % of the time.",
    ) == found


def test_a_verdict_that_says_nothing_of_them_has_no_notes() -> None:
    """As those of the first form, which stay readable."""
    assert () == notes(of_rule())


STRENGTHS = [
    ("math_correct_rate(a).lower_ci >= 0.98", "exactly at the threshold", "worse by 0.02"),
    ("delta.latency_p95_ms{a}.point <= 20", "exactly at the threshold", "worse by 0.02"),
    ("latency_p95_ms.point <= 900", "exactly at the threshold", "with 2 % more of its samples on the wrong side"),
    (
        "steps_to_solve_median(a).point <= 5",
        "exactly at the threshold",
        "with 2 % more of its samples on the wrong side",
    ),
    ("delta.success@1{a}.p_value < 0.05", "that is no different", "worse by 0.02"),
]


@pytest.mark.parametrize(("text", "at", "worse"), STRENGTHS)
def test_the_strength_of_a_rule_is_a_sentence(text: str, at: str, worse: str) -> None:
    """It says what a model at the threshold is, and what is one margin worse, for each kind of rule."""
    chances = {"chance_at_threshold": "0.0219", "chance_one_margin_worse": "0.0000021", "margin": "0.02"}

    rule = RuleVerdict(rule=text, verdict="pass", sentence=".", **chances)  # type: ignore[arg-type] # by name

    assert f"A model {at} would pass 2.2 % of the time; one {worse}, less than 0.1 %." == strength_of(rule)


def test_a_strength_that_was_not_computed_is_not_told() -> None:
    """Half of it is told where half of it is known."""
    half = RuleVerdict(rule="x", verdict="pass", sentence=".", chance_at_threshold="0.54")

    assert "A model exactly at the threshold would pass 54 % of the time." == strength_of(half)
    assert "" == strength_of(half.model_copy(update={"chance_at_threshold": None}))


PERCENTS = [
    ("0", "less than 0.1 %"),
    ("0.0005", "less than 0.1 %"),
    ("0.0006", "0.1 %"),
    ("0.022", "2.2 %"),
    ("0.5", "50 %"),
    ("0.9996", "more than 99.9 %"),
    ("1", "more than 99.9 %"),
]


@pytest.mark.parametrize(("chance", "expected"), PERCENTS)
def test_a_chance_is_told_in_percent(chance: str, expected: str) -> None:
    """Nothing is said to be impossible or sure: the numbers are rounded, and some are approximate."""
    assert expected == percent(chance)


NUMBERS = [("0.83", "0.83"), ("0.123456789", "0.1235"), ("0.000123456", "0.00012"), ("0.999975", "0.99998"),
           ("880.25", "880.3"), ("-0.0042", "-0.0042"), ("infinity", "infinity"), (None, "")]  # fmt: skip


@pytest.mark.parametrize(("number", "expected"), NUMBERS)
def test_a_number_is_rounded_to_be_glanced_at(number: str | None, expected: str) -> None:
    """More decimals near 0 and 1, where they matter; fewer of large numbers."""
    assert expected == near(number)


@given(st.fractions(-2, 2), st.fractions(0, 1))
def test_an_interval_is_rounded_outward(lower: Fraction, width: Fraction) -> None:
    """What is shown holds what was found."""
    ends = [exact.spelled(exact.nearest(end)) for end in (lower, lower + width)]
    low, high = span(ends[0], ends[1]).split(" to ")

    assert Fraction(low) <= Fraction(ends[0])
    assert Fraction(ends[1]) <= Fraction(high)
    assert Fraction(high) - Fraction(low) <= Fraction(ends[1]) - Fraction(ends[0]) + Fraction(2, 10**3)


def test_a_tiny_p_value_is_not_spelled_out() -> None:
    """Nine zeros are hard to count."""
    assert ("< 0.0001", "= 0.0104", "= 0.0001") == (small("0.000000001"), small("0.010337662"), small("0.0001"))


@pytest.mark.parametrize(("form", "row"), [
    (RuleVerdict, "| a rule |"),
    (Part, "| a part of `no_regressions_on` |"),
    (Flip, "| a flip |"),
    (SliceResult, "| a slice |"),
    (Attempts, "| attempts on a slice |"),
    (Leak, "| a contaminated case |"),
    (Inputs, "| `inputs` |"),
])  # fmt: skip
def test_every_field_of_the_document_is_in_the_docs(form: type[Record], row: str) -> None:
    """In the table of docs/gates.md."""
    (told,) = [line for line in DOCS.splitlines() if line.startswith(row)]

    assert [] == [name for name in form.model_fields if f"`{name}`" not in told]


def test_every_field_of_the_verdict_is_in_the_docs() -> None:
    """In its two rows of the same table."""
    rows = [line for line in DOCS.splitlines() if line.startswith(("| the verdict |", "| what it speaks of |"))]

    assert [] == [name for name in Verdict.model_fields if f"`{name}`" not in "".join(rows)]
