"""Evidence files, prices, metrics, seeds and the replay: written in one way, read strictly."""

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.canonical import NotCanonical, canonical
from registry.core.digest import digest_of
from registry.core.heldout.evidence import BadLines, Finding, Row, Said, Timing, read_lines, write_lines
from registry.core.heldout.metrics import quantile, summary
from registry.core.heldout.prices import cost_usd, latency_ms, price_book_of
from registry.core.heldout.seeds import seed_of
from registry.core.heldout.tools import fixture_of, replay_of
from registry.core.heldout.verifiers.calls import Call, calls_in
from registry.errors import Faults, UsageError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
COUNT = st.integers(0, 2**53 - 1)
NUMBERS = {"passed": st.none() | COUNT, "total": st.none() | COUNT}
FINDING = st.builds(Finding, verdict=st.sampled_from(["pass", "fail", "error"]), seen=TEXT, **NUMBERS)
SAID = st.builds(Said, role=st.sampled_from(["assistant", "tool"]), content=TEXT)
ROW = st.builds(
    Row,
    slice=NAME,
    case=NAME,
    sample=st.integers(0, 3),
    adapter=st.none() | NAME,
    status=st.sampled_from(["ok", "error", "invalid", "timeout"]),
    transcript=st.lists(SAID, max_size=3).map(tuple),
    steps=COUNT,
    prompt_tokens=COUNT,
    completion_tokens=COUNT,
    findings=st.dictionaries(NAME, FINDING, max_size=3),
)


def row(case: str = "c-1", **more: object) -> Row:
    """A row of a right answer."""
    values: dict[str, object] = {
        "slice": "sums",
        "case": case,
        "sample": 0,
        "status": "ok",
        "transcript": (Said(role="assistant", content="é <answer>5</answer>"),),
        "steps": 1,
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "findings": {"tag": Finding(verdict="pass", seen="5")},
    }
    return Row.model_validate({**values, **more})


def timing(case: str = "c-1", **more: object) -> Timing:
    """What a right answer took."""
    values = {
        "slice": "sums",
        "case": case,
        "sample": 0,
        "status": "ok",
        "latency_ms": "250.000",
        "cost_usd": "0.1",
        "tokens": 10,
    }
    return Timing.model_validate({**values, **more})


@given(st.lists(ROW, max_size=5, unique_by=lambda row: (row.slice, row.case, row.sample, row.adapter or "")))
def test_what_was_written_is_read_back(rows: list[Row]) -> None:
    """Every row survives, in the one order, in its canonical spelling."""
    data = write_lines(rows)

    assert set(map(Row.canonical, read_lines(data, Row))) == set(map(Row.canonical, rows))
    assert data == b"".join(line.canonical() + b"\n" for line in read_lines(data, Row))
    assert data == write_lines(reversed(rows))


def test_no_rows_are_no_bytes() -> None:
    """An empty file is a file without lines."""
    assert write_lines([]) == b""
    assert read_lines(b"", Row) == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sample":0', b'"sample":0.0'),
        (b'"sample":0', b'"sample":NaN'),
        (b'"sample":0', b'"sample":-1'),
        (b'"sample":0', b'"sample":true'),
        (b'"sample":0', b'"sample":9007199254740992'),
        (b'"sample":0', b'"sample":0,"sample":0'),
        (b'"sample":0', b'"adapter":null,"sample":0'),
        (b'"sample":0', b'"more":1,"sample":0'),
        (b'"sample":0', b'"sample": 0'),
        (b'"status":"ok"', b'"status":"good"'),
        (b'"case":"c-1"', b'"case":"../up"'),
        ("é".encode(), b"\\u00e9"),
        ("é".encode(), b"\\ud800"),
        ("é".encode(), b"\xff"),
        (b"\n", b""),
        (b"\n", b"\r\n"),
        (b"\n", b"\n\n"),
        (b"{", b" {"),
    ],
)
def test_a_row_in_any_other_spelling_is_refused(old: bytes, new: bytes) -> None:
    """Floats, nulls, doubled keys, escapes and white space have no place in evidence."""
    data = write_lines([row()])
    assert old in data

    with pytest.raises(BadLines):
        read_lines(data.replace(old, new, 1), Row)


def test_rows_out_of_order_or_twice_are_refused() -> None:
    """A sample has one row, and the file one order."""
    one, two = write_lines([row("c-1")]), write_lines([row("c-2")])

    assert len(read_lines(one + two, Row)) == 2
    with pytest.raises(BadLines, match="line 2 is out of order"):
        read_lines(two + one, Row)
    with pytest.raises(BadLines, match="line 2 is out of order"):
        read_lines(one + one, Row)
    with pytest.raises(BadLines, match="two records"):
        write_lines([row(), row()])


def test_rows_are_cheap() -> None:
    """A hundred thousand rows take seconds of work; here a fifth of them."""
    rows = [row(f"c-{n:06d}") for n in range(20_000)]
    start = time.process_time()
    data = write_lines(rows)
    written = time.process_time()

    assert read_lines(data, Row) == tuple(rows)
    assert written - start < 2
    assert time.process_time() - written < 5


def test_the_price_book_of_the_house_is_read() -> None:
    """Its digest is that of the file's bytes."""
    data = (Path(__file__).parents[2] / "manifests" / "price_book.yaml").read_bytes()
    book = price_book_of(data)

    assert book.usd_per_hour_of("cpu AMD EPYC") == Decimal("0.10")
    assert book.usd_per_hour_of("cuda") == Decimal("2.50")
    assert book.digest == digest_of(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "form: registry.price_book/2\nusd_per_hour: {cpu: 1}",
        "form: registry.price_book/1",
        "form: registry.price_book/1\nusd_per_hour: {}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: -1}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: .nan}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: 1e-3}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: .5}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: 1, cpu: 2}",
        "form: registry.price_book/1\nusd_per_hour: {cpu: 1}\nmore: 1",
    ],
)
def test_a_doubtful_price_book_is_refused(text: str) -> None:
    """A price is plain digits, each device has one, and there is nothing else."""
    with pytest.raises(Faults):
        price_book_of(text.encode())


@pytest.mark.parametrize("device", ["", "tpu", "CPU"])
def test_a_device_that_is_not_in_the_book_has_no_price(device: str) -> None:
    """Unknown is not free."""
    with pytest.raises(UsageError):
        price_book_of(b"form: registry.price_book/1\nusd_per_hour: {cpu: 1}").usd_per_hour_of(device)


@given(st.floats(0, 1e6), st.decimals(0, 1000, places=4))
def test_times_and_costs_are_plain_decimals(seconds: float, price: Decimal) -> None:
    """Whatever the clock says, the record takes it."""
    ms = latency_ms(seconds)

    assert timing(latency_ms=ms, cost_usd=cost_usd(ms, price)).latency_ms == ms
    assert abs(Decimal(ms) - Decimal(seconds) * 1000) <= Decimal("0.0006")


def test_an_hour_costs_what_the_book_says() -> None:
    """3,600,000 milliseconds at 2.50 dollars an hour are 2.50 dollars."""
    assert Decimal(cost_usd("3600000.000", Decimal("2.50"))) == Decimal("2.50")


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([1, 2, 3, 4], 50, 2),
        ([3, 1, 2], 50, 2),
        ([1, None], 50, 1),
        ([None, 1, None], 50, None),
        ([], 50, None),
        (list(range(1, 101)), 95, 95),
    ],
)
def test_a_quantile_is_a_value_that_was_seen(values: list[float | None], percent: int, expected: float | None) -> None:
    """The inverted CDF, with None as infinity."""
    assert quantile(values, percent) == expected


def test_the_summary_has_no_infinity_and_survives_emptiness() -> None:
    """`metrics.json` is plain JSON whatever was seen."""
    json.loads(summary([], []))
    lost = json.loads(summary([row(status="error", findings={})], [timing(status="error", tokens=0)]))

    assert lost["slices"]["sums"]["steps_median"] is None
    assert lost["timing"] == {
        "samples": 1,
        "latency_p50_ms": None,
        "latency_p95_ms": None,
        "cost_per_1k_tokens_usd": None,
    }


def test_success_needs_status_and_every_finding() -> None:
    """An invalid row is a failure whatever its verifiers say."""
    assert row().success
    assert not row(status="invalid").success
    assert not row(findings={"tag": Finding(verdict="pass"), "numeric": Finding(verdict="error")}).success


def test_a_seed_has_a_golden_value() -> None:
    """Changing how seeds are made changes every sampled answer; nobody does it by accident."""
    seed = seed_of(digest_of(b"suite"), ("sums", "c-1", 0), 0)

    assert seed.hex() == "1a1cdeaf75231fde2613e82f510bef0e71df205d3f99667f9871cbdc95190efd"


RECORDED = [{"arguments": {"b": 1, "a": "é"}, "reply": {"z": 1, "y": [2]}}]
FIXTURE = {"form": "registry.fixture/1", "tool": "search", "version": "3.2.1", "recordings": RECORDED}


def test_a_recorded_call_is_matched_by_the_value_of_its_arguments() -> None:
    """Order and spelling of the keys do not matter; anything else does."""
    replay = replay_of(fixture_of(canonical(FIXTURE)))
    (call,) = calls_in('<tool_call>{"arguments": {"a": "\\u00e9", "b": 1}, "name": "search"}</tool_call>')

    assert replay.answer(call) == '{"y":[2],"z":1}'
    assert replay.answer(Call("search", {"a": "é", "b": 2})) is None
    assert replay.answer(Call("search", {"a": "é"})) is None
    assert replay.answer(Call("other", {"a": "é", "b": 1})) is None
    assert replay.answer(Call("", {}, "broken")) is None


TWICE = [*RECORDED, {"arguments": {"a": "é", "b": 1}, "reply": {}}]


@pytest.mark.parametrize(
    "change", [{"form": "registry.fixture/2"}, {"recordings": []}, {"tool": "../x"}, {"more": 1}, {"recordings": TWICE}]
)
def test_a_doubtful_fixture_is_refused(change: dict[str, object]) -> None:
    """Another form, nothing recorded, or two answers to one call."""
    with pytest.raises(NotCanonical):
        fixture_of(canonical({**FIXTURE, **change}))
