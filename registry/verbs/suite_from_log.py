"""Make a suite of a log: the cases that another tool asked, frozen, with what passes written down before it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core.document import did_you_mean
from registry.core.foreign.log import DEFAULT_PASS, BadLog, Log, Sample, Task, case_name, pass_rule
from registry.core.heldout.case import Case
from registry.core.heldout.suite import suite_of
from registry.errors import UsageError
from registry.verbs.import_evidence import VERIFIER, name_of


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person decides: the names of slices by task, the metric by task, what passes, and how cases are called.

    `metrics` may have the key `""` for all tasks. Without `case`, a case is called what the tool calls it.
    """

    slices: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)
    passes: str = DEFAULT_PASS
    case: str | None = None


def suite_from_log(log: Log, choice: Choice) -> dict[str, bytes]:
    """The files of a suite that asks what the log's tasks asked; a person reads and commits them.

    Args:
        log: The first log of a set-up; later ones are imported for this suite.
        choice: What a person decides.

    Returns:
        Bytes by path below the suite's directory.

    Raises:
        UsageError: A task has no such metric, or several and none is chosen.
        BadLog: Two cases of a task have one name.
    """
    pass_rule(choice.passes)
    for name in {*choice.slices, *choice.metrics} - {""}:
        if name not in log.tasks:
            raise UsageError(f"the log has no task {name!r}", mend=did_you_mean(name, log.tasks))
    files: dict[str, bytes] = {}
    for task in log.tasks.values():
        name = choice.slices.get(task.name, case_name(task.name))
        if f"{name}/slice.yaml" in files:
            raise UsageError(f"two tasks would be the slice {name}", mend="name them with --slice TASK=SLICE")
        files[f"{name}/slice.yaml"] = _slice(name, task, log, choice=choice)
        files[f"{name}/cases.jsonl"] = _cases(task, choice.case)
    suite_of(files)
    return files


def _slice(name: str, task: Task, log: Log, *, choice: Choice) -> bytes:
    arguments = {"tool": log.tool, "task": task.name, "metric": _metric(task, choice.metrics), "pass": choice.passes}
    if choice.case is not None:
        arguments["case"] = choice.case
    # why: JSON strings are YAML strings, whatever a task is called.
    told = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in arguments.items())
    return (
        f"form: registry.slice/1\nname: {json.dumps(name)}\n"
        f"behaviour: {json.dumps(f'the task {task.name} of {log.tool}, judged there')}\n"
        f"samples: {max(sample.index for sample in task.samples) + 1}\nmax_new_tokens: 1\n"
        f"verifiers:\n- name: {VERIFIER}\n  arguments:\n{told}"
    ).encode()


def _metric(task: Task, metrics: Mapping[str, str]) -> str:
    known = sorted({name for sample in task.samples for name in sample.scores})
    chosen = metrics.get(task.name, metrics.get("", known[0] if len(known) == 1 else None))
    if chosen is None:
        why = f"it has {', '.join(known) or 'none'}"
        raise UsageError(f"the task {task.name} has not one metric", why=why, mend="choose with --metric TASK=METRIC")
    if chosen not in known:
        raise UsageError(f"the task {task.name} has no metric {chosen!r}", mend=did_you_mean(chosen, known))
    return chosen


def _cases(task: Task, named: str | None) -> bytes:
    found: dict[str, Sample] = {}
    for sample in task.samples:
        name = case_name(name_of(sample, named))
        first = found.setdefault(name, sample)
        if first.case != sample.case or first.mark != sample.mark:
            raise BadLog(f"two cases of {task.name} are called {name}", why=f"{first.case} and {sample.case}")
    cases = [
        Case(id=name, prompt=one.prompt, expect={"mark": one.mark} if one.mark else {}) for name, one in found.items()
    ]
    return b"".join(case.canonical() + b"\n" for case in cases)
