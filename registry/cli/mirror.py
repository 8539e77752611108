"""`registry mirror`: do MLflow and git tags show what the ledger says?"""

from typing import Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import project

DIFFERS = 3
Repair = Annotated[
    bool, typer.Option("--repair/--check", help="Put right what differs, or only tell it (the default).")
]


def mirror_command(context: typer.Context, repair: Repair = False, as_json: Json = False) -> None:
    """Hold MLflow and git tags against the ledger.

    With --check (the default) exits with 3 if one differs; with --repair makes them show what the ledger says.
    """
    registry = project(context)
    found = registry.repair_mirrors() if repair else registry.check_mirrors()
    is_true = repair or not any(one.differences for one in found)
    if as_json:
        mirrors = {one.mirror: one.differences for one in found}
        data(document("registry.mirrored/1", {"mirrors": mirrors, "is_mended": repair}))
    else:
        for one in found:
            word = "mended" if repair else "differs"
            data("\n".join(f"{word:<9} {one.mirror}: {told}" for told in one.differences) or f"true      {one.mirror}")
    raise typer.Exit(0 if is_true else DIFFERS)
