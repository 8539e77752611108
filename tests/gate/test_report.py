"""A verdict for people: lines for a table and Markdown, made of the verdict alone."""

from pathlib import Path

from registry.core.digest import digest_of
from registry.core.gate.decide import judge
from registry.core.gate.pairs import flips_of
from registry.core.gate.report import flip_lines, headline, lines_of, markdown
from registry.core.gate.verdict import Verdict, answer_of
from tests.gate.sheet import Sheet, suite_of_size, trial_of

STAGING = (Path(__file__).parents[2] / "manifests" / "gates" / "staging.yaml").read_bytes()


def verdict(wrong: dict[str, int]) -> Verdict:
    """A verdict on 400 cases for each slice."""
    suite = suite_of_size(400)
    trial = trial_of(STAGING, Sheet(suite, wrong=wrong), Sheet(suite, wrong={"division_hard": 100}))
    rules = judge(trial)
    some = digest_of(b"something")
    return Verdict(
        stage="staging",
        answer=answer_of([rule.verdict for rule in rules]),
        rules=rules,
        flips=flips_of(trial),
        gate_file=some,
        gate=some,
        candidate=some,
    )


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
