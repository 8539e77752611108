"""`registry log`: what was decided."""

from typing import Annotated

import typer

from registry.cli.output import Json, columns, data, document
from registry.cli.project import project

Stage = Annotated[str | None, typer.Argument(help="Only decisions about this stage.")]


def log_command(context: typer.Context, stage: Stage = None, as_json: Json = False) -> None:
    """Show every decision: when, by whom, what, why."""
    lines = project(context).log(stage)
    if as_json:
        data(document("registry.log/1", {"lines": lines}))
        return
    rows = ((str(line.index), line.at, line.actor, line.action, line.what, line.reason or "") for line in lines)
    data(columns(("ENTRY", "AT", "BY", "ACTION", "WHAT", "REASON"), rows))
