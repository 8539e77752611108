"""Logs of Inspect AI: what it really wrote is read; errors keep their place; a hostile archive is only refused."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from registry.core.foreign import inspect_log
from registry.core.foreign.inspect_log import read_archive, read_document
from registry.core.foreign.log import BadLog
from registry.core.foreign.read import read_log
from registry.errors import UsageError
from tests.evidence.logs import archive, document, edited, repacked

FIRST = "samples/sum-00_epoch_1.json"


def test_a_real_archive_is_read_sample_by_sample() -> None:
    """Two epochs of ten; what broke is an error with its place, which Inspect's own accuracy leaves out."""
    log = read_log({"x.eval": archive()})
    samples = log.tasks["sums"].samples
    passed = sum(one.scores.get("match") == 1 for one in samples)
    with zipfile.ZipFile(io.BytesIO(archive())) as entries:
        results = json.loads(entries.read("header.json"))["results"]

    assert ("inspect_ai", "0.3.285", "hf/tiny", 1) == (log.tool, log.version, log.model, log.concurrency)
    assert (20, {0, 1}) == (len(samples), {one.index for one in samples})
    assert [("sum-33", 0), ("sum-33", 1)] == [(one.case, one.index) for one in samples if one.status == "error"]
    assert passed / 18 == pytest.approx(results["scores"][0]["metrics"]["accuracy"]["value"])
    first = samples[0]
    assert (4, 4, 1) == (first.prompt_tokens, first.completion_tokens, first.steps)
    assert "0+0=" == first.prompt
    assert first.latency_ms is not None
    assert first.cost_usd is None


def test_a_real_document_is_read_sample_by_sample() -> None:
    """Numbered cases with a graded score."""
    log = read_log({"x.json": document()})
    samples = log.tasks["graded"].samples

    assert [str(n) for n in range(1, 10)] == [one.case for one in samples]
    assert [one["scores"]["closeness"]["value"] for one in json.loads(document())["samples"]] == [
        float(one.scores["closeness"] or 0) for one in samples
    ]


def test_several_logs_of_one_model_are_one() -> None:
    """Inspect writes a file for each task."""
    assert {"sums", "graded"} == set(read_log({"a.eval": archive(), "b.json": document()}).tasks)
    with pytest.raises(BadLog, match="two logs speak"):
        read_log({"a.eval": archive(), "b.eval": archive()})
    other = document().replace(b'"model": "hf/tiny"', b'"model": "hf/other"', 1)
    with pytest.raises(UsageError, match="several models"):
        read_log({"a.eval": archive(), "b.json": other})


def test_a_run_that_was_stopped_has_fewer_samples() -> None:
    """They are missing, which is not the same as a file that was cut."""
    left_out = repacked(lambda name, data: None if name == FIRST else data)
    with pytest.raises(BadLog, match="19 samples and speaks of 20"):
        read_archive(left_out)
    stopped = repacked(
        lambda name, data: None if name == FIRST else data.replace(b'"success"', b'"cancelled"', 1)
    )  # fmt: skip

    assert 19 == len(read_archive(stopped).tasks["sums"].samples)


def test_a_limit_of_time_is_a_time_out() -> None:
    """A limit on messages or tokens cut the answer, which is judged as it is."""
    for kind, status in (("time", "timeout"), ("working", "timeout"), ("message", "ok")):
        found = read_archive(edited(FIRST, limit={"type": kind, "limit": 1.0})).tasks["sums"].samples[0]

        assert status == found.status


SCORES = [("C", 1), ("I", 0), ("P", 0.5), ("N", 0), (0.25, 0.25), (True, 1), ("0.75", 0.75), (None, None)]


@pytest.mark.parametrize(("value", "score"), SCORES)
def test_a_score_is_a_number_or_none(value: object, score: float | None) -> None:
    """The letters as Inspect counts them."""
    found = read_archive(edited(FIRST, scores={"match": {"value": value}})).tasks["sums"].samples[0].scores["match"]

    assert score == (None if found is None else float(found))


def test_a_scorer_of_several_values_gives_several_metrics() -> None:
    """Each by its key."""
    data = edited(FIRST, scores={"judge": {"value": {"tone": "C", "facts": 0.5}}, "list": {"value": [1, 2]}})

    assert {"judge/tone", "judge/facts"} == set(read_archive(data).tasks["sums"].samples[0].scores)


BAD = {
    "no archive": (b"PK nothing", "damaged or cut off"),
    "nothing": (b"", "damaged or cut off"),
    "cut off": (archive()[:-200], "damaged or cut off"),
    "cut in the middle": (archive()[: len(archive()) // 2], "damaged or cut off"),
    "never finished": (repacked(lambda name, data: None if name == "header.json" else data), "not finished"),
    "still running": (edited("header.json", status="started"), "not finished"),
    "invalidated": (edited("header.json", invalidated=True), "invalidated"),
    "NaN": (edited(FIRST, scores={"match": {"value": float("nan")}}), "score NaN"),
    "a sample twice": (edited(FIRST, id="sum-11"), "twice"),
    "a sample without an epoch": (edited(FIRST, epoch=None), "no epoch"),
    "an epoch of nought": (edited(FIRST, epoch=0), "no id"),
    "an id that is a list": (edited(FIRST, id=["x"]), "no id"),
    "a negative time": (edited(FIRST, total_time=-1), "no amount"),
    "scores that are a list": (edited(FIRST, scores=[1]), "not an object"),
    "usage that is text": (edited(FIRST, model_usage={"x": {"input_tokens": "many"}}), "no count"),
    "a task that is a number": (edited("header.json", eval=7), "no eval"),
}


@pytest.mark.parametrize(("data", "why"), BAD.values(), ids=BAD.keys())
def test_a_spoiled_archive_is_an_integrity_fault(data: bytes, why: str) -> None:
    """Exit code 5, and what is wrong."""
    with pytest.raises(BadLog) as caught:
        read_archive(data)

    assert caught.value.exit_code == 5
    assert why in str(caught.value)


def flipped(at: int) -> bytes:
    """The archive with one bit of its middle turned over."""
    data = bytearray(archive())
    data[at] ^= 0x10
    return bytes(data)


@pytest.mark.parametrize("at", range(3000, 43_000, 1000))
def test_a_turned_bit_is_never_another_score(at: int) -> None:
    """Either nothing that is read has changed, or the archive is refused."""
    try:
        found = read_archive(flipped(at))
    except BadLog:
        return

    assert read_archive(archive()).tasks["sums"].samples == found.tasks["sums"].samples


def test_a_bomb_is_counted_while_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an archive promises of its size is only its word."""
    monkeypatch.setattr(inspect_log, "MOST_ENTRY_BYTES", 1_000_000)
    bomb = repacked(lambda name, data: data + b" " * 2_000_000 if name == FIRST else data)
    with pytest.raises(BadLog, match="too large"):
        read_archive(bomb)
    monkeypatch.setattr(inspect_log, "MOST_BYTES", 1_000_000)
    with pytest.raises(BadLog, match="too large"):
        read_archive(bomb)


def test_odd_names_are_never_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unpacked to a disk, so a name is only a name."""
    monkeypatch.chdir(tmp_path)
    names = ("../../up.json", "/root.json", "samples/../../x.json", "C:\\x.json", "samples/a/b.json", "con")
    log = read_archive(repacked(lambda name, data: data, dict.fromkeys(names, b"{}")))

    assert 20 == len(log.tasks["sums"].samples)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused() -> None:
    """Readers differ in which of the two they see."""
    with pytest.raises(BadLog, match="twice"):
        read_archive(repacked(lambda name, data: data, {FIRST: b"{}"}))


def test_a_document_without_samples_says_so() -> None:
    """Inspect can be told not to log them."""
    with pytest.raises(BadLog, match="no samples"):
        read_document(json.dumps({**json.loads(document()), "samples": None}).encode())
