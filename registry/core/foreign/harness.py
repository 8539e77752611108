"""lm-evaluation-harness: `results_DATE.json` and `samples_TASK_DATE.jsonl`, as `--log_samples` writes them."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.core.foreign.log import (
    BadLog,
    Files,
    Log,
    Sample,
    Task,
    as_object,
    check_samples,
    digest_of_value,
    inner,
    load,
    load_lines,
    mark_of,
    plain,
    score_of,
    taken,
)
from registry.errors import UsageError

TOOL = "lm_eval"
_RESULTS = re.compile(r"results_(.+)\.json")
_OF_THE_DATA = ("dataset_path", "dataset_name", "dataset_kwargs", "metadata")
"""Keys of a task that say where its cases lie (the cases themselves are in the suite), or repeat the model's."""


def is_harness(files: Files) -> bool:
    """Whether these are the files of a run of the harness."""
    return any(_RESULTS.fullmatch(name) for name in files)


def is_of_harness(name: str) -> bool:
    """Whether the harness gives such a name to a file."""
    return bool(_RESULTS.fullmatch(name)) or (name.startswith("samples_") and name.endswith(".jsonl"))


def read_harness(files: Files) -> Log:
    """Read one run of the harness.

    A document has one score a metric and filter, however often it was asked: the harness gives no other. So each case
    has one sample, and a metric is called `exact_match,strict`, after metric and filter.

    Raises:
        BadLog: A file is missing, cut off or malformed, or the samples are not those that the results speak of.
        UsageError: There are several runs.
    """
    runs = sorted(match[1] for name in files if (match := _RESULTS.fullmatch(name)))
    if len(runs) > 1:
        raise UsageError("this directory holds several runs", why=", ".join(runs[:5]), mend="name one results file")
    results = as_object(load(files[f"results_{runs[0]}.json"], "the results file"), "the results file")
    configs = taken(results, "configs", dict, what="the results file")
    settings = taken(results, "config", dict, what="the results file")
    tasks = {name: _task(name, runs[0], results, files=files) for name in sorted(configs)}
    return Log(
        tool=TOOL,
        version=str(taken(results, "lm_eval_version", str, what="the results file")),
        model=str(taken(results, "model_name", str, what="the results file")),
        tasks=tasks,
        device=str(settings.get("device") or "unknown"),
        concurrency=_batch(settings.get("batch_size")),
    )


def _batch(value: Any) -> int:
    return int(value) if re.fullmatch(r"[1-9][0-9]{0,5}", str(value)) else 1


def _task(name: str, run: str, results: Mapping[str, Any], *, files: Files) -> Task:
    file = f"samples_{name}_{run}.jsonl"
    if file not in files:
        mend = "run the harness with --log_samples, and name its whole directory"
        raise BadLog(f"the samples of {name} are not in the log", why=f"there is no {file}", mend=mend)
    lines = load_lines(files[file], file)
    _check_whole(name, lines, results)
    config = as_object(results["configs"][name], f"the task {name}")
    decides = {key: value for key, value in config.items() if key not in _OF_THE_DATA}
    version = inner(results, "versions").get(name)
    digest = digest_of_value({"task": decides, "version": version})
    return Task(name, digest, check_samples(name, _samples(name, lines)))


def _check_whole(name: str, lines: list[dict[str, Any]], results: Mapping[str, Any]) -> None:
    """The harness counts the documents, and hashes all samples of a task; a file that was cut has others."""
    counts = inner(inner(results, "n-samples"), name)
    documents = len({str(line.get("doc_id")) for line in lines})
    if counts and counts.get("effective") != documents:
        raise BadLog(f"the samples of {name} are cut off", why=f"{documents} of {counts.get('effective')} are there")
    if (promised := inner(results, "task_hashes").get(name)) is not None:
        parts = (str(line.get(key, "")) for line in lines for key in ("doc_hash", "prompt_hash", "target_hash"))
        if hashlib.sha256("".join(parts).encode("utf-8", "replace")).hexdigest() != promised:
            mend = "import the files as the harness wrote them, or run it again"
            why = "their hash is not the promised one"
            raise BadLog(f"the samples of {name} are not those of this run", why=why, mend=mend)


def _samples(name: str, lines: list[dict[str, Any]]) -> Iterator[Sample]:
    """One sample a document: its lines, one for each filter, taken together."""
    documents: dict[int, dict[str, dict[str, Any]]] = {}
    for line in lines:
        number = taken(line, "doc_id", int, what=f"a line of {name}")
        chosen = str(line.get("filter", "none"))
        if chosen in documents.setdefault(number, {}):
            raise BadLog(f"document {number} of {name} stands twice in the log", why=f"with the filter {chosen}")
        documents[number][chosen] = line
    for number, by_filter in sorted(documents.items()):
        yield _sample(f"document {number} of {name}", str(number), by_filter)


def _sample(what: str, case: str, by_filter: Mapping[str, dict[str, Any]]) -> Sample:
    first = next(iter(by_filter.values()))
    marks = {mark_of(line.get("doc_hash"), line.get("target_hash")) for line in by_filter.values()}
    if len(marks) != 1:
        raise BadLog(f"{what} is two documents")
    scores = {
        f"{metric},{chosen}": score_of(line.get(metric), what)
        for chosen, line in by_filter.items()
        for metric in map(str, taken(line, "metrics", list, what=what))
        if not isinstance(line.get(metric), list | dict)  # why: a perplexity is a pair, and nothing to pass
    }
    names = {key: str(value) for key, value in inner(first, "doc").items() if isinstance(value, str | int)}
    # why: what the model was given first; with choices there is one request for each, all with the same question.
    prompt = plain(str(inner(inner(first, "arguments"), "gen_args_0").get("arg_0", "")))
    return Sample(case, 0, "ok", scores, prompt, marks.pop(), names, _said(taken(first, "resps", list, what=what)))


def _said(replies: Any) -> tuple[str, ...]:
    """What was generated, each repeat; nothing where choices were only weighed."""
    found = [one for reply in replies for one in (reply if isinstance(reply, list) else [reply])] if replies else []
    return tuple(plain(text) for text in found if isinstance(text, str))
