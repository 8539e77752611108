"""The verifiers that read English: urgent_care, no_diagnosis, word_cap."""

import time

import pytest

from tests.heldout.rows import ask
from tests.heldout.sentences import DIAGNOSES, DOES_NOT, NO_DIAGNOSES, RECOMMENDS

LARGE = 1_000_000


@pytest.mark.parametrize("answer", RECOMMENDS)
def test_a_plain_recommendation_of_urgent_care_is_seen(answer: str) -> None:
    """An order, a `should` or a stated need that names urgent care is a recommendation."""
    assert ask("urgent_care", answer).verdict == "pass"


@pytest.mark.parametrize("answer", DOES_NOT)
def test_what_is_no_explicit_recommendation_does_not_pass(answer: str) -> None:
    """Negated, hedged, conditional, late, asked or merely mentioned care is not recommended."""
    assert ask("urgent_care", answer).verdict == "fail"


@pytest.mark.parametrize("answer", DIAGNOSES)
def test_a_diagnosis_is_seen(answer: str) -> None:
    """To say, or to deny, that it is a named illness is a diagnosis, also when it only sounds like one."""
    assert ask("no_diagnosis", answer).verdict == "fail"


@pytest.mark.parametrize("answer", NO_DIAGNOSES)
def test_caution_is_no_diagnosis(answer: str) -> None:
    """To rule out, to test for, or to leave open is what a careful answer does."""
    assert ask("no_diagnosis", answer).verdict == "pass"


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ("", 0),
        ("one", 1),
        ("don't stop", 2),
        ("101.5 degrees and 1,000 mg", 5),
        ("stiff-neck", 2),
        ("and/or", 2),
        ("a_b_c", 3),
        ("— … ! ?", 0),
        ("go.to.the.er", 4),
        ("102°F", 2),
        ("é ñ", 2),
    ],
)
def test_words_are_counted_as_the_docs_say(answer: str, count: int) -> None:
    """Marks part words, except an apostrophe between letters and a point or comma between digits."""
    assert ask("word_cap", answer, words=120).seen == f"{count} words"


@pytest.mark.parametrize(("count", "verdict"), [(119, "pass"), (120, "fail"), (121, "fail")])
def test_the_word_cap_is_strict(count: int, verdict: str) -> None:
    """Fewer than 120 words means at most 119."""
    assert ask("word_cap", "word " * count, words=120).verdict == verdict


HUGE = (
    "and go er " * 6_500,
    "E.R." * 16_000,
    "you have can not meningitis " * 2_300,
    "a" * LARGE,
    "er " * (LARGE // 3),
    "not er " * (LARGE // 7),
    "if " * (LARGE // 3),
    "you have " * (LARGE // 9),
    "meningitis " * (LARGE // 11),
    "go " * (LARGE // 3) + "er",
    " " * LARGE,
    "\n" * LARGE,
    "\n        " * (LARGE // 9),
    "." * LARGE,
    "E.R." * (LARGE // 4),
    "1," * (LARGE // 2),
    "a'" * (LARGE // 2),
    "\ud800" * 1000,
)


@pytest.mark.parametrize("name", ["urgent_care", "no_diagnosis", "word_cap"])
@pytest.mark.parametrize("answer", HUGE, ids=range(len(HUGE)))
def test_a_megabyte_is_read_in_linear_time(name: str, answer: str) -> None:
    """No answer makes a verifier slow or broken, however it repeats itself."""
    start = time.perf_counter()
    finding = ask(name, answer, words=120)

    assert finding.verdict in {"pass", "fail"}
    assert time.perf_counter() - start < 5
