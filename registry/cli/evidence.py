"""`registry evidence`: what other tools found of a model, and what there is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, columns, data, document, talk
from registry.cli.project import below, project
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.verbs.evidence import Counted

evidence_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Import what other tools found, or show it."
)

Logs = Annotated[list[str], typer.Argument(metavar="LOG...", help="Logs of lm-eval or Inspect, or plain ones.")]
For = Annotated[str | None, typer.Option("--for", metavar="REF", help="The model that ran: as in `registry show`.")]
RanAs = Annotated[str | None, typer.Option("--ran-as", metavar="NAME", help="What the log must call the model.")]
Tasks = Annotated[list[str] | None, typer.Option("--slice", metavar="TASK=SLICE", help="Which task is which slice.")]
Device = Annotated[str | None, typer.Option("--device", help="What it ran on, by the price book: prices the time.")]
MakeSuite = Annotated[str | None, typer.Option("--make-suite", metavar="DIR", help="Import nothing; write a suite.")]
Metrics = Annotated[list[str] | None, typer.Option("--metric", metavar="[TASK=]METRIC", help="For a new suite.")]
Passes = Annotated[str | None, typer.Option("--pass", metavar="'score>=0.5'", help="For a new suite: what passes.")]
CaseFrom = Annotated[str | None, typer.Option("--case-from", metavar="FIELD", help="For a new suite: names cases.")]
Canary = Annotated[bool, typer.Option("--canary", help="LOG is what live traffic did, one request a line.")]
Ref = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]


@evidence_app.command("import")
def import_command(
    context: typer.Context,
    logs: Logs,
    model: For = None,
    ran_as: RanAs = None,
    tasks: Tasks = None,
    device: Device = None,
    make_suite: MakeSuite = None,
    metrics: Metrics = None,
    passes: Passes = None,
    case_from: CaseFrom = None,
    canary: Canary = False,
    as_json: Json = False,
) -> None:
    """Bring in LOG as evidence for a model, or make a suite of it."""
    paths = [below(context, log) for log in logs]
    new_suite = {"--metric": metrics, "--pass": passes, "--case-from": case_from}
    if make_suite is not None:
        _check_unused("--make-suite imports nothing", {"--for": model, "--ran-as": ran_as, "--device": device})
        _make(context, paths, below(context, make_suite), (tasks, metrics, passes, case_from), as_json=as_json)
        return
    _check_unused("an import takes what the suite says", new_suite)
    if model is None:
        raise UsageError("it is not said whose evidence this is", mend="add `--for REF`, or `--make-suite DIR`")
    if canary:
        _canary(context, paths, model, as_json=as_json)
    else:
        _import(context, paths, model, (ran_as, device, tasks), as_json=as_json)


@evidence_app.command("show")
def show_command(context: typer.Context, ref: Ref, as_json: Json = False) -> None:
    """Show the evidence that is registered for a model, newest first."""
    found = project(context).evidence(ref)
    if as_json:
        data(document("registry.evidence_shown/1", {"evidence": found}))
        return
    if not found:
        talk("there is none; `registry evidence import` brings some, and so does an evaluation that is pinned")
    for one in found:
        _show(one)


def _check_unused(why: str, options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if value is not None and value != []:
            raise UsageError(f"{name} has no meaning here", why=why)


def _pairs(words: Sequence[str] | None, option: str) -> dict[str, str]:
    """`KEY=VALUE` words as a dict."""
    pairs = [word.partition("=") for word in words or ()]
    for key, equals, value in pairs:
        if not equals or not key or not value:
            raise UsageError(f"{option} {key} is not understood", mend=f"write {option} TASK=SLICE")
    return {key: value for key, _, value in pairs}


def _make(
    context: typer.Context,
    logs: list[Path],
    directory: Path,
    chosen: tuple[list[str] | None, list[str] | None, str | None, str | None],
    *,
    as_json: bool,
) -> None:
    from registry.core.foreign.log import DEFAULT_PASS
    from registry.verbs.suite_from_log import Choice

    tasks, metrics, passes, case = chosen
    by_task: dict[str, str] = {}
    for word in metrics or ():
        task, equals, metric = word.partition("=")
        by_task |= {task: metric} if equals else {"": word}
    choice = Choice(_pairs(tasks, "--slice"), by_task, passes or DEFAULT_PASS, case)
    made = project(context).make_suite(logs, directory, choice)
    if as_json:
        data(document("registry.suite_made/1", {"slices": [str(path) for path in made]}))
        return
    for path in made:
        data(str(path))
    talk("read and commit them, and pin the model again; later logs are then imported for this suite")


def _import(
    context: typer.Context,
    logs: list[Path],
    model: str,
    said: tuple[str | None, str | None, list[str] | None],
    *,
    as_json: bool,
) -> None:
    from registry.workspace.importing import Said

    ran_as, device, tasks = said
    if ran_as is None:
        mend = "say with --ran-as what the log calls it; a log of another model is then refused"
        raise UsageError("it is not said what the log calls the model", mend=mend)
    by_slice = {slice: task for task, slice in _pairs(tasks, "--slice").items()}
    registry = project(context)
    brought = registry.import_evidence(logs, model, Said(ran_as, device, by_slice))
    _tell_newer(registry.newest_evidence(model), brought.digest)
    for name in brought.unused:
        talk(f"no slice of the suite asks for the task {name}; it is left out")
    for name in brought.unfilled:
        talk(f"the log says nothing of the slice {name}; all of it counts as missing")
    if as_json:
        data(document("registry.evidence_imported/1", brought))
        return
    heads = ("SLICE", "TASK", "SCHEDULED", "ROWS", "PASSED", "LOST", "TIMED")
    rows = [
        (one.slice, one.task, *map(str, (one.scheduled, one.rows, one.passed, one.lost, one.timed)))
        for one in brought.slices
    ]
    data(columns(heads, rows))
    data(f"evidence  {brought.digest}")


def _canary(context: typer.Context, logs: list[Path], model: str, *, as_json: bool) -> None:
    if len(logs) != 1:
        raise UsageError("a canary is one file")
    registry = project(context)
    counted = registry.import_canary(logs[0], model)
    _tell_newer(registry.newest_evidence(model), counted.digest)
    if as_json:
        data(document("registry.canary_imported/1", counted))
        return
    _show(counted)


def _tell_newer(newest: str, brought: str) -> None:
    """Say so where a gate would judge something else than what was brought."""
    if newest != brought:
        talk(f"this was brought before, and {newest} after it: a gate judges the newest")


def _show(one: "Counted") -> None:
    label = one.evidence
    by = f"{label.imported.tool} {label.imported.version}" if label.imported else "an evaluation here"
    data(f"{one.digest}  by {by}")
    heads = ("  SLICE", "SCHEDULED", "PASSED", "MISSING", "ERRORED", "TIMED OUT", "TIMED")
    rows = [
        (
            f"  {part.slice}",
            *map(str, (part.scheduled, part.passed, part.missing, part.errored, part.timed_out, part.timed)),
        )
        for part in one.slices
    ]
    data(columns(heads, rows) if rows else "  about another suite")
    if one.requests is not None:
        data(f"  canary: {one.requests:,} requests")
