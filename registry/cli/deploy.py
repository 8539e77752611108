"""`registry bundle` and `registry pull`: bring a model to where it is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, size, talk
from registry.cli.project import below, project
from registry.core.visible import visible
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.core.bundle.report import Report
    from registry.ports import Delivered
    from registry.verbs.pull import Pulled

Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
Place = Annotated[Path, typer.Argument(help="A directory that is not there yet.")]
From = Annotated[str | None, typer.Option("--from", metavar="PLACE", help="Where the registry is, if here is none.")]
Genesis = Annotated[str | None, typer.Option(help="With --from: the ledger to trust, by its first entry's digest.")]
Trust = Annotated[bool, typer.Option("--trust-on-first-use", help="With --from: trust whatever ledger is there.")]
Host = Annotated[Path, typer.Argument(help="The host's directory; DIR/current is what a server loads.")]


def bundle_command(context: typer.Context, ref: Model, directory: Place, as_json: Json = False) -> None:
    """Lay model REF out as one multi-LoRA bundle.

    Every byte is verified while it is written to DIRECTORY.
    """
    done = project(context).bundle(ref, below(context, directory))
    if as_json:
        data(
            document(
                "registry.bundled/1", {"manifest": done.manifest, "release": done.release, **_taken(done.delivered)}
            )
        )
        return
    _warn(done.report)
    data(f"bundled   {done.manifest}")
    data(f"release   {done.release}")
    data(f"wrote     {done.delivered.files_copied} files, {size(done.delivered.bytes_copied)} to {directory}")


def pull_command(
    context: typer.Context,
    stage: str,
    directory: Host,
    place: From = None,
    genesis: Genesis = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Make DIRECTORY/current what STAGE serves.

    It is switched in one step, and what did not change is not copied again. Whatever is refused, what was shown stays.
    """
    done = _pulled(context, stage, below(context, directory), place=place, genesis=genesis, trust=trust)
    taken = done.delivered
    if as_json:
        data(
            document(
                "registry.pulled/1",
                {"stage": stage, "generation": done.generation, "manifest": done.manifest, **_taken(taken)},
            )
        )
        return
    _warn(done.report)
    if done.is_aging:
        talk("warning: the ledger's checkpoint is past half its life; `registry ledger checkpoint` makes another")
    for path in taken.mended:
        talk(f"mended    {visible(path)} was not what it should be")
    data(f"{stage} generation {done.generation}, {done.name}  {done.manifest}")
    data(f"release   {done.release}" + ("  (was shown already)" if taken.previous == taken.release else ""))
    data(f"copied    {taken.files_copied} files, {size(taken.bytes_copied)}")
    data(f"reused    {taken.files_reused} files, {size(taken.bytes_reused)}")


def _pulled(
    context: typer.Context, stage: str, directory: Path, *, place: str | None, genesis: str | None, trust: bool
) -> "Pulled":
    if place is None:
        if genesis is not None or trust:
            why = "which ledger is trusted stands in registry.toml"
            raise UsageError("--genesis and --trust-on-first-use go with --from", why=why, mend="leave them out")
        return project(context).pull(stage, directory)
    from registry.core.digest import parse_digest
    from registry.workspace.hosting import pull_from

    pinned = parse_digest(genesis) if genesis is not None else None
    return pull_from(place, stage, directory, genesis=pinned, trust_on_first_use=trust)


def _warn(report: "Report") -> None:
    for check in report.warnings:
        talk(f"warning: {check.about}: {check.what}: {check.why}")


def _taken(delivered: "Delivered") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(delivered)
