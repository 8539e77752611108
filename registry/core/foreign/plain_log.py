"""A plain log, for a tool that has no reader of its own: a header line, then one line for each sample."""

from collections.abc import Mapping
from typing import Any

from registry.core.foreign.log import (
    BadLog,
    Log,
    Sample,
    Task,
    amount_of,
    as_object,
    check_samples,
    count_of,
    digest_of_value,
    load_lines,
    mark_of,
    plain,
    score_of,
    taken,
)

FORM = "registry.samples/1"
_HEAD = {"form", "tool", "version", "model", "device", "concurrency"}
_SAMPLE = {
    "task", "case", "sample", "status", "scores", "prompt", "answer", "steps", "prompt_tokens", "completion_tokens",
    "latency_ms", "cost_usd",
}  # fmt: skip


def is_plain(data: bytes) -> bool:
    """Whether the first line is the header of such a log."""
    return FORM.encode() in data.split(b"\n", 1)[0]


def read_plain(data: bytes) -> Log:
    """Read a plain log.

    Raises:
        BadLog: A line is cut off or not of this form, or a sample comes twice.
    """
    head, *lines = load_lines(data, "the log")
    _check_keys(head, _HEAD, "the header")
    samples: dict[str, list[Sample]] = {}
    for number, line in enumerate(lines, 2):
        what = f"line {number} of the log"
        _check_keys(line, _SAMPLE, what)
        samples.setdefault(str(taken(line, "task", str, what=what)), []).append(_sample(line, what))
    decides = {key: head.get(key) for key in ("tool", "version")}
    return Log(
        tool=str(taken(head, "tool", str, what="the header")),
        version=str(taken(head, "version", str, what="the header")),
        model=str(taken(head, "model", str, what="the header")),
        tasks={
            name: Task(name, digest_of_value({**decides, "task": name}), check_samples(name, found))
            for name, found in samples.items()
        },
        device=str(head.get("device", "unknown")),
        concurrency=max(1, count_of(head.get("concurrency", 1), "concurrency in the header")),
    )


def _check_keys(line: Mapping[str, Any], known: set[str], what: str) -> None:
    if strangers := sorted(line.keys() - known):
        raise BadLog(f"{what} has the unknown field {strangers[0]!r}", mend=f"known are {', '.join(sorted(known))}")


def _sample(line: Mapping[str, Any], what: str) -> Sample:
    status = line.get("status", "ok")
    if status not in {"ok", "error", "timeout"}:
        raise BadLog(f"{what} has the unknown status {status!r}", mend="known are ok, error and timeout")
    scores = as_object(line.get("scores", {}), f"scores in {what}")
    prompt, answer = line.get("prompt", ""), line.get("answer")
    return Sample(
        case=str(taken(line, "case", str, what=what)),
        index=count_of(line.get("sample", 0), f"sample in {what}"),
        status=status,
        scores={name: score_of(value, what) for name, value in scores.items()},
        prompt=plain(str(prompt)),
        mark=mark_of(prompt) if prompt else "",
        said=() if answer is None else (plain(str(answer)),),
        steps=count_of(line.get("steps", 1), f"steps in {what}"),
        prompt_tokens=count_of(line.get("prompt_tokens", 0), f"prompt_tokens in {what}"),
        completion_tokens=count_of(line.get("completion_tokens", 0), f"completion_tokens in {what}"),
        latency_ms=amount_of(line.get("latency_ms"), f"latency_ms in {what}"),
        cost_usd=amount_of(line.get("cost_usd"), f"cost_usd in {what}"),
    )
