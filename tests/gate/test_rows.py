"""Evidence rows are read strictly: what is malformed, doubled or foreign is an integrity fault, never a row."""

import pytest

from registry.core.canonical import canonical
from registry.core.gate.rows.rows import BadRows, read_rows
from registry.core.heldout.evidence import Row, Timing
from tests.gate.sheet import Sheet, lines, suite_of_size

SUITE = suite_of_size(3)
SHEET = Sheet(SUITE)


def test_what_the_records_accept_the_columns_accept() -> None:
    """The hand-made reading and the pydantic records agree about a good row."""
    for row in SHEET.rows():
        Row.parse(canonical(row))
    for timing in SHEET.timings():
        Timing.parse(canonical(timing))
    found = SHEET.read().slices["math_basic"]

    assert (3, 0, 0) == (found.scheduled, found.lost, found.lost_timings)
    assert bytes([1, 1, 1]) == found.success


def test_missing_rows_have_a_place() -> None:
    """The suite says what was scheduled, not the rows."""
    found = read_rows(b"", b"", SUITE).slices["math_basic"]

    assert (3, 3, 3) == (found.scheduled, found.lost, found.lost_timings)
    assert bytes(3) == found.success


def change(**fields: object) -> bytes:
    """The rows with one changed."""
    rows = SHEET.rows()
    rows[4] = {**rows[4], **fields}
    return lines(rows)


GOOD = {"seen": "", "verdict": "pass"}
BAD_ROWS = {
    "twice": lines([SHEET.rows()[0], SHEET.rows()[0]]),
    "an unknown slice": change(slice="maths"),
    "an unknown case": change(case="c99999"),
    "a sample too many": change(sample=1),
    "a negative sample": change(sample=-1),
    "a boolean for a sample": change(sample=False),
    "an unknown status": change(status="great"),
    "a list for a status": change(status=["ok"]),
    "a field too many": change(score="1"),
    "text for steps": change(steps="3"),
    "negative tokens": change(prompt_tokens=-1),
    "a transcript of nobody": change(transcript=[{"role": "user", "content": ""}]),
    "a transcript that is text": change(transcript="hello"),
    "a finding short": change(findings={"numeric": GOOD}),
    "a finding too many": change(findings={"numeric": GOOD, "tag": GOOD, "luck": GOOD}),
    "an unknown verdict": change(findings={"numeric": {"seen": "", "verdict": "maybe"}, "tag": GOOD}),
    "a list for a verdict": change(findings={"numeric": {"seen": "", "verdict": ["pass"]}, "tag": GOOD}),
    "more passed than there were": change(findings={"numeric": {**GOOD, "passed": 2, "total": 1}, "tag": GOOD}),
    "findings that are a list": change(findings=[]),
    "an adapter that is a number": change(adapter=1),
    "another spelling": lines(SHEET.rows()).replace(b'"sample":0', b'"sample": 0', 1),
    "a key twice": lines(SHEET.rows()).replace(b'"sample":0', b'"sample":0,"sample":0', 1),
    "a float": lines(SHEET.rows()).replace(b'"sample":0', b'"sample":0.0', 1),
    "NaN": lines(SHEET.rows()).replace(b'"sample":0', b'"sample":NaN', 1),
    "a lone surrogate": lines(SHEET.rows()).replace("…".encode(), b"\\ud800", 1),
    "not UTF-8": lines(SHEET.rows()).replace("…".encode(), b"\xff", 1),
    "an empty line": b"\n" + lines(SHEET.rows()),
    "no object": b"[]\n",
    "half a line": lines(SHEET.rows())[:-9],
    "very deep": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("rows", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_an_integrity_fault(rows: bytes) -> None:
    """Exit code 5, whatever is wrong with it."""
    with pytest.raises(BadRows) as caught:
        read_rows(rows, b"", SUITE)

    assert caught.value.exit_code == 5


BAD_TIMINGS = [
    {"latency_ms": "-1"},
    {"latency_ms": 880},
    {"latency_ms": "NaN"},
    {"latency_ms": "1e3"},
    {"latency_ms": "0880"},
    {"cost_usd": ""},
    {"tokens": "5"},
    {"tokens": True},
    {"adapter": "math"},
    {"case": "c99999"},
]


@pytest.mark.parametrize("fields", BAD_TIMINGS)
def test_a_bad_timing_is_an_integrity_fault(fields: dict[str, object]) -> None:
    """A number that is none, or of nobody."""
    timings = SHEET.timings()
    timings[0] = {**timings[0], **fields}
    with pytest.raises(BadRows):
        read_rows(b"", lines(timings), SUITE)


def test_two_timings_of_one_sample_are_refused() -> None:
    """One of them would be chosen by chance."""
    with pytest.raises(BadRows, match="two timings"):
        read_rows(b"", lines([SHEET.timings()[0]] * 2), SUITE)


def test_only_what_the_suite_times_is_missed() -> None:
    """A slice that times its first two cases misses no third timing, and takes none."""
    slices = tuple(one.model_copy(update={"timed": 2}) for one in SUITE.slices)
    suite = SUITE.model_copy(update={"slices": slices})
    sheet = Sheet(suite)
    found = sheet.read().slices["math_basic"]

    assert (found.timed, found.lost_timings, len(found.latency_ms)) == (2, 0, 2)
    with pytest.raises(BadRows, match="does not ask for"):
        read_rows(b"", lines(SHEET.timings()), suite)


def test_a_row_of_another_adapter_is_refused() -> None:
    """The manifest says who answers a slice."""
    with pytest.raises(BadRows, match="adapter of its slice"):
        read_rows(lines(SHEET.rows()), b"", SUITE, route=lambda name: "math" if name == "math_basic" else None)
    read_rows(lines(SHEET.rows()), b"", SUITE, route=lambda name: None)
