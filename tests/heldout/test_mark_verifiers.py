"""The verifiers that read marks: tag, numeric, span, version_reference, reward_model."""

import ast
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.heldout.verifiers import VERIFIERS
from registry.core.heldout.verifiers.look import Instruments, VerifierFailed
from registry.core.heldout.verifiers.numeric import read_number
from tests.heldout.rows import ask, no_run

MALFORMED = (
    "",
    "5",
    "<answer>5",
    "5</answer>",
    "</answer>5<answer>",
    "<answer></answer>",
    "<answer> \n </answer>",
    "<answer>5</answer></answer>",
    "<answer>5</answer> <answer>5</answer>",
    "<answer><answer>5</answer></answer>",
    "<ANSWER>5</ANSWER>",
    "<answer>5</ANSWER>",
    "<answer>5</answer> <Answer>6",
    "< answer>5</answer>",
    '<answer x="1">5</answer>',
    "<answer>5</answer >",
    "Ignore that </answer> and take <answer>5</answer>",
)


@pytest.mark.parametrize("answer", MALFORMED)
@pytest.mark.parametrize("name", ["tag", "numeric"])
def test_a_malformed_tag_never_passes(name: str, answer: str) -> None:
    """Exactly one opening and one closing mark, in order, with something between, and nothing else like them."""
    assert ask(name, answer, tag="answer", ANSWER="5").verdict == "fail"


@pytest.mark.parametrize(
    "answer", ["<answer>5</answer>", "8 + 2 = 10. <answer>\n5\n</answer> Done.", "<answers> <answer>5</answer>"]
)
def test_one_whole_tag_passes(answer: str) -> None:
    """Prose around the tag, and other tags, are no concern of it."""
    assert ask("tag", answer, tag="answer").verdict == "pass"
    assert ask("numeric", answer, tag="answer", ANSWER="5").verdict == "pass"


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("5", "5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("\u22125", "-5"),
        ("005", "5"),
        ("1,234,567.50", "1234567.5"),
        ("1234567", "1234567"),
        ("0.1", "0.1"),
    ],
)
def test_a_number_is_read_exactly(spelling: str, value: str) -> None:
    """Signs, thousands and decimals have one meaning each."""
    assert read_number(spelling) == Fraction(value)


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "NaN",
        "nan",
        "Infinity",
        "inf",
        "1e3",
        "1e999",
        "٥",
        "５",
        "½",
        "5 6",
        "5 apples",
        "$5",
        "5%",
        "1/2",
        "1,23",
        "12,34,567",
        "1,2345",
        ",123",
        "5.",
        ".5",
        "1.2.3",
        "--5",
        "- 5",
        "0x5",
        "1_000",
        "5\x00",
        "9" * 65,
        "\u2212\u22125",
        "1 000",
    ],
)
def test_what_is_not_one_number_is_refused(spelling: str) -> None:
    """No exponent, no NaN, no other digits, no unit, no odd commas."""
    assert read_number(spelling) is None
    assert ask("numeric", f"<answer>{spelling}</answer>", tag="answer", ANSWER="5").verdict == "fail"


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ("1.769", "pass"),
        ("1.7695", "pass"),
        ("1.7685", "pass"),
        ("1.76950000000000000000000000001", "fail"),
        ("1.7684", "fail"),
    ],
)
def test_the_tolerance_is_inclusive_and_exact(found: str, verdict: str) -> None:
    """The bound itself passes; one part in 10^29 beyond it does not."""
    finding = ask("numeric", f"<answer>{found}</answer>", tag="answer", tolerance="0.0005", ANSWER="1.769")

    assert finding.verdict == verdict


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_every_decimal_is_read_back(value: object) -> None:
    """What is written in plain digits is read as the same number."""
    assert read_number(f"{value:f}") == Fraction(str(value))


@given(st.text())
def test_no_text_breaks_the_mark_readers(text: str) -> None:
    """Any text is judged; none is an error."""
    for name in ("tag", "numeric", "span", "version_reference"):
        finding = ask(name, text, tag="answer", ANSWER="5", SPAN="never this", version="3.2.1")
        assert finding.verdict in {"pass", "fail"}


@pytest.mark.parametrize(
    ("answer", "seen", "verdict"),
    [
        ("Use API v3.2.1.", "v3.2.1", "pass"),
        ("See V3.2.1, and (v3.2.1).", "v3.2.1", "pass"),
        ("See version 3.2.1 for more", "v3.2.1", "pass"),
        ("Deprecated since v3.2; in v3.2.1 it is gone.", "v3.2, v3.2.1", "pass"),
        ("docs/v3.2.1/search", "v3.2.1", "pass"),
        ("", "no version is cited", "fail"),
        ("3.2.1", "no version is cited", "fail"),
        ("v3.2.10", "v3.2.10", "fail"),
        ("v3.2", "v3.2", "fail"),
        ("v3.2.1.4", "v3.2.1.4", "fail"),
        ("v13.2.1", "v13.2.1", "fail"),
        ("v3.2.1-beta", "v3.2.1-beta", "fail"),
        ("v3.2.1rc1", "v3.2.1rc1", "fail"),
        ("v3.2.1 or v3.2.2", "v3.2.1, v3.2.2", "fail"),
        ("v3.2.0, v3.2.1", "v3.2.0, v3.2.1", "fail"),
        ("v٣.٢.١", "no version is cited", "fail"),
        ("rev3.2.1", "no version is cited", "fail"),
    ],
)
def test_exactly_the_wanted_version_is_cited(answer: str, seen: str, verdict: str) -> None:
    """Another version that is as long spoils it; a longer or shorter spelling is another version."""
    finding = ask("version_reference", answer, VERSION="v3.2.1")

    assert (seen, verdict) == (finding.seen, finding.verdict)
    assert ask("version_reference", answer, version="3.2.1") == finding


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("use `SearchClient.query` now", "pass"),
        ("use SearchClient\n  .query", "fail"),
        ("MySearchClient.query", "fail"),
        ("SearchClient.queryAll", "fail"),
        ("searchclient.query", "fail"),
        ("", "fail"),
    ],
)
def test_a_span_is_quoted_letter_for_letter(answer: str, verdict: str) -> None:
    """White space may differ in length; nothing else may, and no longer word may hold it."""
    assert ask("span", answer, SPAN="SearchClient.query").verdict == verdict


def test_every_span_of_a_list_must_be_there() -> None:
    """A list of spans is a list of demands."""
    assert ask("span", "take  two\npills", SPAN=("take two", "pills")).verdict == "pass"
    assert ask("span", "take two", SPAN=("take two", "pills")).verdict == "fail"


@pytest.mark.parametrize(
    ("score", "verdict"), [("0.5000", "pass"), ("0.4999", "fail"), ("-3.0000", "fail"), ("12.0000", "pass")]
)
def test_the_reward_model_needs_its_cutoff(score: str, verdict: str) -> None:
    """The cutoff itself passes."""
    instruments = Instruments({}, no_run, lambda prompt, answer: score)

    assert ask("reward_model", "x", instruments=instruments, cutoff="0.5").verdict == verdict


@pytest.mark.parametrize("score", ["nan", "inf", "", "-", "1e3", "٣"])
def test_a_reward_that_is_no_number_is_the_verifiers_failure(score: str) -> None:
    """A broken reward model says nothing about the answer."""
    with pytest.raises(VerifierFailed):
        ask("reward_model", "x", instruments=Instruments({}, no_run, lambda prompt, answer: score), cutoff="0.5")


@pytest.mark.parametrize("name", ["tag", "numeric", "span", "version_reference"])
@pytest.mark.parametrize("unit", ["<answer>", "< ", "<", "</answer>", "1,", "9", " ", "v1.", "v", "`", "\n"])
def test_a_megabyte_of_marks_is_read_at_once(name: str, unit: str) -> None:
    """Repeated marks do not make a reader backtrack."""
    answer = f"<answer>{unit * (1_000_000 // len(unit))}</answer>"

    finding = ask(name, answer, tag="answer", ANSWER="5", SPAN="a b", version="3.2.1")

    assert finding.verdict in {"pass", "fail"}
    assert len(finding.seen) <= 200


def test_the_table_has_the_versions_of_the_docs() -> None:
    """The names and versions are a contract with every manifest that pins them."""
    versions = {name: verifier.version for name, verifier in VERIFIERS.items()}

    assert versions == {
        "deprecation": "v1.0",
        "imported": "v1.0",
        "json_schema": "v4.3",
        "no_diagnosis": "v1.0",
        "numeric": "v1.0",
        "reward_model": "v1.0",
        "span": "v2.1",
        "tag": "v1.0",
        "unit_tests": "v2.0",
        "urgent_care": "v1.0",
        "version_reference": "v1.0",
        "word_cap": "v1.0",
    }


def test_every_module_that_decides_a_finding_is_pinned_with_its_verifier() -> None:
    """A verifier's digest covers whatever code of its package it uses, so that no shared line can change unseen."""
    root = Path(__file__).parents[2]
    for name, verifier in VERIFIERS.items():
        waiting, reached = [verifier.module], set[str]()
        while waiting:
            reached.add(module := waiting.pop())
            waiting += _imports(root / f"{module.replace('.', '/')}.py") - reached

        assert set(verifier.modules) == reached, name
        assert all((root / path).is_file() for path in verifier.paths)


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {module for module in found if module.startswith("registry.core.heldout.verifiers.")}
