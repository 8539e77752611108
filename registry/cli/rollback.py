"""`registry rollback`: go back to exactly what was there before."""

from typing import Annotated

import typer

from registry.cli.output import Json, data, document, size
from registry.cli.project import project

Reason = Annotated[str, typer.Option(help="Why; one line, written into the ledger.")]
Target = Annotated[int | None, typer.Option("--to", help="The generation to go back to; the one before unless given.")]


def rollback_command(
    context: typer.Context, stage: str, *, reason: Reason, to: Target = None, as_json: Json = False
) -> None:
    """Let STAGE serve again what it served before.

    Every byte of it is read and hashed first; if one is missing or damaged, nothing changes.
    """
    done = project(context).rollback(stage, reason=reason, to=to)
    if as_json:
        data(document("registry.rolled_back/1", done))
        return
    now, proof = done.now, done.proof
    data(f"proved    {proof.blobs} blobs, {size(proof.size)}, each hashed again")
    data(f"was       generation {done.before.number}  {done.before.manifest}")
    data(f"{stage} is now generation {now.number}  {now.manifest}  (what generation {now.target} served)")
