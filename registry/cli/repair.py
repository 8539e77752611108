"""`registry repair`: make the store whole again."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, talk
from registry.cli.project import project, start
from registry.cli.verify import EXITS, MENDS, show_faults

if TYPE_CHECKING:
    from registry.verbs.repair import Repaired

From = Annotated[
    list[str] | None,
    typer.Option(
        "--from", metavar="PLACE", help="A remote, store, host, bundle, DVC cache or directory; once for each."
    ),
]


def repair_command(context: typer.Context, places: From = None, as_json: Json = False) -> None:
    """Move damaged blobs into the quarantine, and fetch what is lost again, by digest, from each PLACE in turn.

    Every byte is hashed on its way in. Exits as `registry verify` does, with what is left: 0 if everything is whole.
    """
    repaired = project(context).repair(places or (), start=start(context))
    if as_json:
        data(document("registry.repaired/1", repaired))
    else:
        _show(repaired)
    raise typer.Exit(EXITS[repaired.health])


def _show(repaired: "Repaired") -> None:
    for verb, things in (
        ("sealed", repaired.sealed),
        ("restored", repaired.restored),
        ("brought back", repaired.brought_back),
        ("quarantined", repaired.quarantined),
    ):
        for thing in things:
            data(f"{verb}  {thing}")
    show_faults(repaired.faults)
    for why in repaired.unasked:
        talk(f"not asked  {why}")
    if repaired.breach:
        data(f"ledger broken\n{repaired.breach}")
    if repaired.unread:
        data(f"ledger not read to its end\n{repaired.unread}")
    if repaired.unlisted:
        data(repaired.unlisted)
    whole = repaired.health == "clean"
    data("whole" if whole else f"NOT WHOLE, {repaired.health}\n  mend: {MENDS[repaired.health]}")
