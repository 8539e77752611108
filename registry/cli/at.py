"""`registry at`: what was served then?"""

from typing import Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import project

When = Annotated[str, typer.Option("--time", help="A date (its first moment, UTC), an RFC 3339 time, or an entry #N.")]


def at_command(context: typer.Context, stage: str, when: When, as_json: Json = False) -> None:
    """Show what STAGE served at a time."""
    from registry.core.ledger.text import read_when

    then = project(context).at(stage, read_when(when))
    if as_json:
        data(document("registry.at/1", then))
    elif (one := then.generation) is None:
        data(f"{stage} served nothing at {then.when}")
    else:
        data(f"at        {then.when}")
        data(f"{stage} served generation {one.number}  {one.manifest}  ({then.model or 'without a name'})")
        data(f"since     {one.since}, by {one.actor} (entry {one.index}, {one.basis}: {one.answer or 'approved'})")
        data(f"until     {then.until or 'now: it serves this still'}")
        data(f"verdict   {one.verdict or 'none: it was approved, and no gate let it in'}")
        if one.is_void:
            data("void      entry and generation no longer count: a key was in other hands")
