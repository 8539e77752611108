"""The leak check: a held-out case in the training data fails the stage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import Refused
from registry.training.leak import check_leaks

LONG = "Getting a lot of 500s from `debug_search_api` logs in the billing service today, when it reads orders."
CASES = {"long": LONG, "short": "What is 23 ÷ 13?"}


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        LONG.upper(),
        LONG.replace(",", " -").replace("`", ""),
        f"A user wrote: {LONG} Answer them.",
        "Tell me, what is 23 / 13, please.",
    ],
)
def test_a_case_is_found_in_any_dress(text: str) -> None:
    """Other letters' case, other punctuation, or quoted inside something longer: a leak is a leak."""
    with pytest.raises(Refused, match="held-out cases are in the training data") as caught:
        check_leaks(CASES, [("base.jsonl:1", "nothing here"), ("base.jsonl:2", text)])

    assert "base.jsonl:2" in caught.value.why


@pytest.mark.parametrize(
    "text", [LONG.replace("billing", "mobile"), LONG.replace("orders", "users"), "What is 23 ÷ 11?", "is 23 ÷ 13", ""]
)
def test_another_instance_of_the_template_is_no_leak(text: str) -> None:
    """Instances of one template share most of their words; one other slot makes another instance."""
    assert check_leaks(CASES, [("base.jsonl:1", text)]) == 1


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=20), st.data())
def test_whatever_holds_a_case_in_a_row_is_caught(words: list[str], data: st.DataObject) -> None:
    """For every case and every text around it."""
    before, after = (data.draw(st.lists(st.sampled_from(["a", "b", "x", "y"]), max_size=9)) for _ in range(2))

    with pytest.raises(Refused):
        check_leaks({"case": " ".join(words)}, [("here", " ".join([*before, *words, *after]))])
