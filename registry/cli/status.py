"""`registry status`: what each stage serves."""

from typing import TYPE_CHECKING

import typer

from registry.cli.output import Json, columns, data, document
from registry.cli.project import project

if TYPE_CHECKING:
    from registry.verbs.status import Serving


def status_command(context: typer.Context, as_json: Json = False) -> None:
    """Show what each stage serves, since when, and why.

    Below stands what is not as it should be: a hold, a waiver, a revocation.
    """
    found = project(context).status()
    if as_json:
        data(document("registry.status/1", found))
        return
    heads = ("STAGE", "GENERATION", "MODEL", "MANIFEST", "SINCE", "BY", "BASIS", "REFUSED SINCE", "REASON")
    data(columns(heads, (_row(serving) for serving in found.stages)))
    for serving in found.stages:
        for concern in serving.concerns:
            data(f"! {serving.stage}: {concern}")


def _row(serving: "Serving") -> tuple[str, ...]:
    from registry.core.digest import short

    refusals = str(serving.refusals or "-")
    if (now := serving.generation) is None:
        return (serving.stage, "-", "-", "-", "-", "-", "-", refusals, "serves nothing yet")
    basis = f"rollback to {now.target}" if now.target else f"{now.basis}: {now.answer or 'approved'}"
    model = serving.model or "-"
    return (
        serving.stage,
        str(now.number),
        model,
        short(now.manifest),
        now.since,
        now.actor,
        basis,
        refusals,
        now.reason or "",
    )
