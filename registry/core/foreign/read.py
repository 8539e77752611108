"""Which tool wrote these files, and what they say together."""

from collections.abc import Iterable, Iterator

from registry.core.foreign.harness import is_harness, is_of_harness, read_harness
from registry.core.foreign.inspect_log import read_archive, read_document
from registry.core.foreign.log import BadLog, Files, Log
from registry.core.foreign.plain_log import is_plain, read_plain
from registry.errors import UsageError


def read_log(files: Files) -> Log:
    """Read the files of one or more runs of one tool on one model.

    Raises:
        BadLog: A file is not what its tool would write, or two speak of one task.
        UsageError: No tool that is known wrote them, or several did.
    """
    if is_harness(files):
        _check_alone(files)
        return read_harness(files)
    return _together(list(_logs(files)))


def _check_alone(files: Files) -> None:
    """Refuse what the harness did not write: it would be left out, and a person named it to be counted."""
    if others := [name for name in sorted(files) if not is_of_harness(name)]:
        why = f"beside the files of lm_eval there is {', '.join(others[:5])}"
        raise UsageError("these logs are of several tools", why=why, mend="name the results file alone")


def _logs(files: Files) -> Iterator[Log]:
    for name, data in sorted(files.items()):
        if name.endswith(".eval"):
            yield read_archive(data)
        elif name.endswith(".json"):
            yield read_document(data)
        elif is_plain(data):
            yield read_plain(data)
        else:
            mend = "name a directory of lm-eval, a log of Inspect, or a file whose first line is a header"
            raise UsageError(f"{name} is no log that is known", mend=mend)


def _together(logs: list[Log]) -> Log:
    """Several logs as one: of one tool, one version and one model, with each task once."""
    if not logs:
        raise UsageError("there is no log", mend="name a file or a directory that has one")
    for what, names in (
        ("tools", [one.tool for one in logs]),
        ("versions of one tool", [one.version for one in logs]),
        ("models", [one.model for one in logs]),
    ):
        if len(set(names)) > 1:
            mend = "name the one that counts"
            raise UsageError(f"these logs are of several {what}", why=", ".join(sorted(set(names))), mend=mend)
    if twice := _twice([name for one in logs for name in one.tasks]):
        raise BadLog(f"two logs speak of the task {twice}", mend="name the one that counts")
    first = logs[0]
    tasks = {name: task for one in logs for name, task in one.tasks.items()}
    at_once = max(one.concurrency for one in logs)
    return Log(first.tool, first.version, first.model, tasks, first.device, at_once)


def _twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
