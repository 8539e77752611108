"""`registry log`: what was decided."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, columns, data, document
from registry.cli.project import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.verbs.log import Line

Stage = Annotated[str | None, typer.Argument(help="Only decisions about this stage.")]


def log_command(context: typer.Context, stage: Stage = None, as_json: Json = False) -> None:
    """Show every decision: when, by whom, what, on which verdict, why.

    Below each switch stands what it changed: + came, - went, ~ is another one.
    """
    lines = project(context).log(stage)
    if as_json:
        data(document("registry.log/1", {"lines": lines}))
        return
    heads = ("ENTRY", "AT", "BY", "ACTION", "WHAT", "VERDICT", "REASON")
    data(columns(heads, (row for line in lines for row in _rows(line))))


def _rows(line: "Line") -> "Iterator[tuple[str, ...]]":
    from registry.core.digest import short

    verdict = f"{line.answer} {short(line.verdict)}" if line.verdict else ""
    action = f"{line.action} (void)" if line.is_void else line.action
    yield str(line.index), line.at, line.actor, action, line.what, verdict, line.reason or ""
    for change in line.changes or ():
        yield "", "", "", "", f"  {change}", "", ""
