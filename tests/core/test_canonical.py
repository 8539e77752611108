"""Canonical JSON: one spelling in, one spelling out, and nothing doubtful read."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from registry.core.canonical import MAX_INTEGER, NotCanonical, canonical, load, load_canonical

KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)

DOUBTFUL = {
    "NaN": b'{"a":NaN}',
    "infinity": b"[-Infinity]",
    "a float": b'{"a":0.2}',
    "an exponent": b"[1e400]",
    "a key twice": b'{"a":1,"a":1}',
    "a key twice below": b'{"a":{"b":1,"b":2}}',
    "a lone surrogate": rb'["\ud800"]',
    "a lone surrogate in a key": rb'{"\udfff":1}',
    "a byte-order mark": b"\xef\xbb\xbf[]",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "bad UTF-8": b'["\xff"]',
    "an empty key": b'{"":1}',
    "a wide integer": b"[9007199254740992]",
    "33 levels": b"[" * 34 + b"]" * 34,
    "100,000 levels": b"[" * 100_000,
    "two documents": b"{}{}",
    "nothing": b"",
    "a comment": b"[1] // one",
    "a trailing comma": b"[1,]",
}


@given(VALUES)
def test_the_spelling_is_that_of_rfc_8785(value: Any) -> None:
    """An independent implementation writes the same bytes."""
    assert rfc8785.dumps(value) == canonical(value)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    """Loading undoes spelling, and loading the only spelling is allowed."""
    data = canonical(value)

    assert value == load_canonical(data)


@given(VALUES)
def test_another_layout_is_legal_json_but_not_canonical(value: Any) -> None:
    """An indented document loads; it is never taken for the canonical bytes."""
    data = json.dumps(value, indent=1, ensure_ascii=True).encode()

    assert value == load(data)
    if data != canonical(value):
        with pytest.raises(NotCanonical):
            load_canonical(data)


@pytest.mark.parametrize("data", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_doubtful_json_is_refused(data: bytes) -> None:
    """No document with two readings, or none, gets past the loader."""
    with pytest.raises(NotCanonical):
        load(data)


@pytest.mark.parametrize("value", [0.5, float("nan"), {1: "a"}, {"é": 1}, b"x", {1, 2}, 2**53, "\ud800", object()])
def test_what_has_no_single_spelling_is_never_written(value: Any) -> None:
    """The writer refuses what the reader would refuse."""
    with pytest.raises(NotCanonical):
        canonical(value)
