"""The plain log: few fields, each of them strict; and what is said of every log."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.foreign.log import BadLog, amount_of, case_name, pass_rule
from registry.core.foreign.read import read_log
from registry.errors import RegistryError, UsageError
from tests.evidence.logs import SUMS, document, harness, lines, written

HEAD: dict[str, object] = {"form": "registry.samples/1", "tool": "ours", "version": "3", "model": "m"}
LINE: dict[str, object] = {"task": "t", "case": "c", "sample": 0, "scores": {"exact": 0.5}}


def plain(*changes: dict[str, object], **head: object) -> dict[str, bytes]:
    """A log with one line for each of `changes`."""
    return {"x.jsonl": written([{**HEAD, **head}, *({**LINE, **change} for change in changes)])}


def test_a_plain_log_says_what_a_gate_needs() -> None:
    """Scores with a fraction, an answer, time and money."""
    told = {"answer": "42", "latency_ms": 812.5, "cost_usd": "0.0004", "prompt_tokens": 7, "status": "ok"}
    (sample,) = read_log(plain(told)).tasks["t"].samples

    assert ({"exact": Decimal("0.5")}, ("42",), 7) == (sample.scores, sample.said, sample.prompt_tokens)
    assert ("812.5", "0.0004") == (sample.latency_ms, sample.cost_usd)


BAD = {
    "an unknown field": plain({"score": 1}),
    "an unknown field of the header": plain({}, models="x"),
    "an unknown status": plain({"status": "great"}),
    "NaN": {"x.jsonl": plain({"scores": {"exact": 0.125}})["x.jsonl"].replace(b"0.125", b"NaN")},
    "a negative sample": plain({"sample": -1}),
    "a boolean for a sample": plain({"sample": True}),
    "a number for a case": plain({"case": 7}),
    "a negative time": plain({"latency_ms": -1}),
    "an endless time": plain({"latency_ms": 10**30}),
    "a sample twice": plain({}, {}),
    "no end": {"x.jsonl": plain({})["x.jsonl"][:-1]},
    "an empty line": {"x.jsonl": plain({})["x.jsonl"] + b"\n"},
    "a line that is a list": {"x.jsonl": plain({})["x.jsonl"] + b"[]\n"},
    "no concurrency": plain({}, concurrency="many"),
}


@pytest.mark.parametrize("files", BAD.values(), ids=BAD.keys())
def test_a_line_that_is_not_of_the_form_is_an_integrity_fault(files: dict[str, bytes]) -> None:
    """Exit code 5."""
    with pytest.raises(BadLog):
        read_log(files)


def test_what_is_no_log_is_said_to_be_none() -> None:
    """Not guessed at."""
    for files in ({"x.jsonl": b'{"question":1}\n'}, {"x.txt": b""}, {}):
        with pytest.raises(UsageError):
            read_log(files)


@pytest.mark.parametrize(
    ("rule", "passing", "failing"),
    [("score >= 0.5", "0.5", "0.4999"), ("score>0", "0.1", "0"), ("score <= 2", "2", "2.01"), ("score == 1", "1", "0")],
)
def test_what_passes_is_one_exact_comparison(rule: str, passing: str, failing: str) -> None:
    """Decimals, not floats."""
    passes = pass_rule(rule)

    assert (True, False) == (passes(Decimal(passing)), passes(Decimal(failing)))


@pytest.mark.parametrize(
    "rule", ["", "score", "score >= x", "acc >= 1", "score >= 1; import os", "score => 1", "1 <= score"]
)
def test_what_passes_is_nothing_else(rule: str) -> None:
    """No expression, no other name."""
    with pytest.raises(UsageError):
        pass_rule(rule)


@given(st.text(max_size=200))
def test_any_case_has_a_name(text: str) -> None:
    """Its own where it may be one, else one that only it has."""
    name = case_name(text)

    assert case_name(name) == name
    assert name == text or name.startswith("id-")


@given(st.decimals(0, 10**9, allow_nan=False, places=12))
def test_an_amount_is_spelled_without_an_exponent(value: Decimal) -> None:
    """As rows must have it."""
    text = amount_of(value, "x") or ""

    assert Decimal(text) == value
    assert text == str(int(text)) if "." not in text else not text.endswith("0")


JUNK = st.sampled_from([None, True, -1, 10**40, 0.5, "", "x", "\ud800", [], [1], {}, {"a": 1}, float("nan")])


def poisoned(value: object, path: tuple[int, ...], junk: object) -> object:
    """A document with something else at a place that `path` leads to."""
    if not path or not isinstance(value, dict | list) or not value:
        return junk
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[path[0] % len(keys)]
    changed = value.copy()
    changed[key] = poisoned(value[key], path[1:], junk)
    return changed


@settings(max_examples=300, deadline=None)
@given(st.booleans(), st.lists(st.integers(0, 40), min_size=1, max_size=5), JUNK)
def test_whatever_stands_in_a_log_it_is_read_or_refused(is_harness: bool, path: list[int], junk: object) -> None:
    """A log is other people's data: nothing in it may break the reader."""
    if is_harness:
        first, *rest = lines(harness()[SUMS])
        files = {**harness(), SUMS: written([poisoned(first, tuple(path), junk), *rest])}  # type: ignore[list-item] # reason: that is the point
    else:
        files = {"x.json": json.dumps(poisoned(json.loads(document()), tuple(path), junk)).encode()}
    with suppress(RegistryError):
        read_log(files)
