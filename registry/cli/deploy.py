"""`registry bundle` and `registry pull`: bring a model to where it is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, size, talk
from registry.cli.project import below, project

if TYPE_CHECKING:
    from registry.core.bundle.report import Report
    from registry.ports import Delivered

Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
Place = Annotated[Path, typer.Argument(help="A directory that is not there yet.")]
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


def pull_command(context: typer.Context, stage: str, directory: Host, as_json: Json = False) -> None:
    """Make DIRECTORY/current what STAGE serves.

    It is switched in one step, and what did not change is not copied again.
    """
    done = project(context).pull(stage, below(context, directory))
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
    for path in taken.mended:
        talk(f"mended    {path} was not what it should be")
    data(f"{stage} generation {done.generation}, {done.name}  {done.manifest}")
    data(f"release   {done.release}" + ("  (was shown already)" if taken.previous == taken.release else ""))
    data(f"copied    {taken.files_copied} files, {size(taken.bytes_copied)}")
    data(f"reused    {taken.files_reused} files, {size(taken.bytes_reused)}")


def _warn(report: "Report") -> None:
    for check in report.warnings:
        talk(f"warning: {check.about}: {check.what}: {check.why}")


def _taken(delivered: "Delivered") -> dict[str, object]:
    from dataclasses import asdict

    return asdict(delivered)
