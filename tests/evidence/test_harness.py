"""Logs of lm-evaluation-harness: what it really wrote is read, and what was cut, mixed or touched is refused."""

from decimal import Decimal

import pytest

from registry.core.foreign.harness import read_harness
from registry.core.foreign.log import BadLog
from registry.core.foreign.read import read_log
from registry.errors import UsageError
from tests.evidence.logs import CHOICES, RAN_AS, RESULTS, SUMS, harness, lines, written


def test_a_real_log_is_read_sample_by_sample() -> None:
    """As many passes as its own lines have, for each metric and filter; its aggregates are never looked at."""
    log = read_log(harness())
    sums, raw = log.tasks["sums"], lines(harness()[SUMS])
    passed = [float(one.scores["exact_match,first"] or 0) for one in sums.samples]

    assert ("lm_eval", "0.4.12", RAN_AS, "cpu") == (log.tool, log.version, log.model, log.device)
    assert {"choices": 11, "sums": 20} == {name: len(task.samples) for name, task in log.tasks.items()}
    assert sum(line["exact_match"] for line in raw if line["filter"] == "first") == sum(passed) == 7
    assert {"exact_match,first", "exact_match,each"} == set(sums.samples[0].scores)
    assert {"acc,none", "acc_norm,none"} == set(log.tasks["choices"].samples[0].scores)


def test_repeats_have_one_score_together() -> None:
    """The harness scores a document once: two of three right are two thirds, and all three answers are kept."""
    sample = next(one for one in read_harness(harness()).tasks["sums"].samples if one.case == "7")
    raw = next(line for line in lines(harness()[SUMS]) if line["doc_id"] == 7 and line["filter"] == "each")

    assert Decimal(str(raw["exact_match"])) == sample.scores["exact_match,each"]
    assert tuple(raw["resps"][0]) == sample.said
    assert {"id": raw["doc"]["id"], "question": sample.prompt, "answer": raw["target"]} == dict(sample.names)


def test_a_task_is_known_by_what_decides_its_scores() -> None:
    """Where its data lies does not; how it asks does."""
    moved = harness()[RESULTS].replace(b"/made-here/tasks", b"/elsewhere")
    asked = harness()[RESULTS].replace(b'"([0-9]+)"', b'"([0-9])"')
    digest = read_harness(harness()).tasks["sums"].digest

    assert digest == read_harness({**harness(), RESULTS: moved}).tasks["sums"].digest
    assert digest != read_harness({**harness(), RESULTS: asked}).tasks["sums"].digest


def spoiled(file: str, old: bytes, new: bytes) -> dict[str, bytes]:
    """The log with one thing changed in one file."""
    data = harness()[file]

    assert old in data
    return {**harness(), file: data.replace(old, new, 1)}


WHOLE = harness()[SUMS]
BAD = {
    "a line cut off": ({**harness(), SUMS: WHOLE[:-40]}, "cut off"),
    "lines cut off": ({**harness(), SUMS: b"".join(WHOLE.splitlines(keepends=True)[:15])}, "15 of 20"),
    "an empty file": ({**harness(), SUMS: b""}, "cut off"),
    "one document replaced": (spoiled(SUMS, b'"doc_hash": "', b'"doc_hash": "0'), "not the promised one"),
    "no samples": ({RESULTS: harness()[RESULTS], CHOICES: harness()[CHOICES]}, "--log_samples"),
    "NaN": (spoiled(SUMS, b'"exact_match": 1.0', b'"exact_match": NaN'), "score NaN"),
    "infinity": (spoiled(SUMS, b'"exact_match": 1.0', b'"exact_match": Infinity'), "score Infinity"),
    "a word for a score": (spoiled(SUMS, b'"exact_match": 1.0', b'"exact_match": "great"'), "score great"),
    "a key twice": (spoiled(SUMS, b'"doc_id": 0,', b'"doc_id": 0, "doc_id": 1,'), "a key stands twice"),
    "a document without a number": (spoiled(SUMS, b'"doc_id": 0,', b'"doc_id": "0",'), "no doc_id"),
    "a results file cut off": ({**harness(), RESULTS: harness()[RESULTS][:-3]}, "cannot be read"),
    "a results file that is a list": ({**harness(), RESULTS: b"[]"}, "not an object"),
    "very deep": ({**harness(), RESULTS: b"[" * 200_000}, "cannot be read"),
}


@pytest.mark.parametrize(("files", "why"), BAD.values(), ids=BAD.keys())
def test_a_spoiled_log_is_an_integrity_fault(files: dict[str, bytes], why: str) -> None:
    """Exit code 5, and what is wrong."""
    with pytest.raises(BadLog) as caught:
        read_log(files)

    assert caught.value.exit_code == 5
    assert why in str(caught.value)


def test_a_document_that_stands_twice_is_refused() -> None:
    """Also where the harness's own counts do not notice."""
    results = harness()[RESULTS].replace(b'"task_hashes"', b'"other"')
    doubled = written([*lines(WHOLE), lines(WHOLE)[0]])
    with pytest.raises(BadLog, match="stands twice"):
        read_log({**harness(), RESULTS: results, SUMS: doubled})


@pytest.mark.parametrize("name", ["ours.jsonl", "sums.eval", "graded.json"])
def test_a_log_of_another_tool_beside_a_run_is_not_left_out(name: str) -> None:
    """Who names two logs means both; one that was read past would be missing without a word."""
    with pytest.raises(UsageError, match="several tools") as caught:
        read_log({**harness(), name: b"{}"})

    assert name in caught.value.why
    assert caught.value.mend


def test_two_runs_are_not_one() -> None:
    """A directory that was used again holds both; a person says which."""
    with pytest.raises(UsageError, match="several runs"):
        read_log({**harness(), RESULTS.replace("2026", "2027"): harness()[RESULTS]})
