"""Inspect AI: `.eval` archives and `.json` logs. An archive is read where it is; nothing is ever unpacked to a disk."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal

from registry.core.foreign.log import (
    BadLog,
    Log,
    Sample,
    Scores,
    Task,
    amount_of,
    as_object,
    check_samples,
    count_of,
    digest_of_value,
    inner,
    load,
    mark_of,
    plain,
    score_of,
    taken,
)

TOOL = "inspect_ai"
MOST_ENTRIES = 1_000_000
MOST_ENTRY_BYTES = 256 * 1024 * 1024
MOST_BYTES = 8 * 1024 * 1024 * 1024
_SAMPLE = re.compile(r"samples/[^/\\]+\.json")
_CONNECTIONS = 10
"""How many requests Inspect makes at a time unless it is told otherwise."""


def read_archive(data: bytes) -> Log:
    """Read an `.eval` archive.

    Raises:
        BadLog: It is no archive, is cut off, damaged, far too large when unpacked, or was never finished.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _entries(archive)
            if "header.json" not in entries:
                raise BadLog(
                    "the log was not finished", why="it has no header.json", mend="let the run end, or retry it"
                )
            header = as_object(load(_unpacked(archive, entries["header.json"]), "header.json"), "header.json")
            names = [name for name in entries if _SAMPLE.fullmatch(name)]
            return _log(header, (_loaded(archive, entries[name]) for name in names), len(names))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise BadLog("the archive is damaged or cut off", why=str(error)[:200]) from None
    except (NotImplementedError, RuntimeError) as error:
        mend = "convert it with `inspect log convert --to json`"
        raise BadLog("the archive cannot be unpacked", why=str(error)[:200], mend=mend) from None


def read_document(data: bytes) -> Log:
    """Read a `.json` log.

    Raises:
        BadLog: It is cut off, malformed, or was never finished.
    """
    document = as_object(load(data, "the log"), "the log")
    samples = document.get("samples")
    if not isinstance(samples, list):
        raise BadLog("the log has no samples", mend="run Inspect without --no-log-samples")
    return _log(document, (as_object(one, "a sample") for one in samples), len(samples))


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries by name, refused before one of them is unpacked."""
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        if entry.filename in found:
            raise BadLog(f"the archive has {entry.filename[:80]!r} twice")
        found[entry.filename] = entry
    size = sum(entry.file_size for entry in found.values())
    if len(found) > MOST_ENTRIES or size > MOST_BYTES:
        raise BadLog("the archive is too large", why=f"{len(found):,} entries of {size:,} bytes when unpacked")
    return found


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as reader:
        # why: the size that an archive promises is the archive's word; a bomb is stopped by counting.
        data = reader.read(MOST_ENTRY_BYTES + 1)
    if len(data) > MOST_ENTRY_BYTES:
        raise BadLog(f"{entry.filename[:80]!r} is too large", why=f"at most {MOST_ENTRY_BYTES:,} bytes are unpacked")
    return data


def _loaded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> dict[str, Any]:
    return as_object(load(_unpacked(archive, entry), entry.filename[:80]), entry.filename[:80])


def _log(header: Mapping[str, Any], samples: Iterator[dict[str, Any]], count: int) -> Log:
    task = taken(header, "eval", dict, what="the log")
    name = str(taken(task, "task", str, what="the log"))
    _check_whole(header, count)
    if header.get("invalidated"):
        raise BadLog("the log was invalidated", why="somebody marked it so with Inspect")
    decides = {key: task.get(key) for key in ("task", "task_version", "task_args", "scorers", "solver", "solver_args")}
    config, asked = inner(task, "config"), inner(task, "model_generate_config")
    at_once = config.get("max_samples") or asked.get("max_connections") or _CONNECTIONS
    steps = inner(header, "plan").get("steps")
    read = check_samples(name, (_sample(name, sample) for sample in samples))
    return Log(
        tool=TOOL,
        version=str(inner(task, "packages").get(TOOL, "unknown")),
        model=str(taken(task, "model", str, what="the log")),
        tasks={name: Task(name, digest_of_value({"task": decides, "steps": steps}), read)},
        device=str(inner(task, "model_args").get("device") or "unknown"),
        concurrency=at_once if type(at_once) is int and at_once > 0 else _CONNECTIONS,
    )


def _check_whole(header: Mapping[str, Any], count: int) -> None:
    """A run that ended well says how many samples it has; one that was stopped has fewer, and those count as lost."""
    promised = inner(header, "results").get("total_samples")
    if header.get("status") == "started":
        raise BadLog("the log was not finished", why="it says that the run is still going on")
    if header.get("status") == "success" and promised not in (None, count):
        raise BadLog("the log is cut off", why=f"it has {count} samples and speaks of {promised}")


def _sample(task: str, sample: Mapping[str, Any]) -> Sample:
    case, epoch = sample.get("id"), taken(sample, "epoch", int, what=f"a sample of {task}")
    if not isinstance(case, str | int) or epoch < 1:
        raise BadLog(f"a sample of {task} has no id", why=f"{str(case)[:80]!r}, epoch {epoch}")
    what = f"sample {case} of {task}"
    said = tuple(_text(one) for one in _messages(sample) if one.get("role") == "assistant")
    usage = [as_object(one, f"the usage of {what}") for one in inner(sample, "model_usage").values()]
    names = {key: str(value) for key, value in inner(sample, "metadata").items() if isinstance(value, str | int)}
    return Sample(
        case=str(case),
        index=epoch - 1,
        status=_status(sample),
        scores=_scores(sample, what),
        prompt=_input(sample.get("input")),
        mark=mark_of(sample.get("input"), sample.get("target")),
        names=names,
        said=said,
        steps=len(said),
        prompt_tokens=sum(count_of(one.get("input_tokens") or 0, f"input_tokens of {what}") for one in usage),
        completion_tokens=sum(count_of(one.get("output_tokens") or 0, f"output_tokens of {what}") for one in usage),
        latency_ms=amount_of(sample.get("total_time"), f"the time of {what}", times=1000),
        cost_usd=_cost(usage, what),
    )


def _cost(usage: list[dict[str, Any]], what: str) -> str | None:
    """Dollars, where the log has them of every model that was used."""
    told = [score_of(one.get("total_cost"), f"the cost of {what}") for one in usage]
    known = [cost for cost in told if cost is not None]
    return amount_of(sum(known, Decimal(0)), f"the cost of {what}") if known and len(known) == len(told) else None


def _status(sample: Mapping[str, Any]) -> Literal["ok", "error", "timeout"]:
    """A limit of time is a time-out; other limits cut an answer short, which is then judged as it is."""
    limit = sample.get("limit")
    if sample.get("error"):
        return "error"
    return "timeout" if isinstance(limit, dict) and limit.get("type") in ("time", "working") else "ok"


def _scores(sample: Mapping[str, Any], what: str) -> Scores:
    """Each scorer's number; a scorer that gives several gives `scorer/key`."""
    found: dict[str, Decimal | None] = {}
    for scorer, score in inner(sample, "scores").items():
        value = as_object(score, f"the score of {what}").get("value")
        if isinstance(value, dict):
            found |= {f"{scorer}/{key}": score_of(one, what) for key, one in value.items()}
        elif not isinstance(value, list):
            found[scorer] = score_of(value, what)
    return found


def _messages(sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = sample.get("messages")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    return plain("\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part))


def _input(value: Any) -> str:
    messages = value if isinstance(value, list) else [{"content": value}]
    return "\n".join(_text(one) for one in messages if isinstance(one, dict))
