"""`registry approve`, `waive`, `revoke`, `hold` and `resume`: what people decide besides promoting."""

from typing import Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import project

Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
To = Annotated[str, typer.Option("--to", help="The stage.")]
Reason = Annotated[str, typer.Option(help="Why; one line, written into the ledger.")]
MaybeReason = Annotated[str | None, typer.Option("--reason", help="Why; one line, written into the ledger.")]
Rules = Annotated[list[str], typer.Option("--rule", help="A rule that did not pass, word for word; once for each.")]
Until = Annotated[str, typer.Option("--until", help="The last day (UTC), or an RFC 3339 time.")]


def approve_command(
    context: typer.Context, ref: Model, to: To, reason: MaybeReason = None, as_json: Json = False
) -> None:
    """Say with your key that a stage may serve model REF.

    It is of this very manifest; any other has to be approved anew.
    """
    from registry.verbs.approve import tally

    registry = project(context)
    done = registry.approve(ref, to, reason=reason)
    if as_json:
        data(document("registry.decided/1", done))
        return
    state = registry.state
    data(f"entry     {done.entry.index}{'  (you had approved it already)' if done.was_there else ''}")
    data(f"now       {tally(state, to, state.resolve(ref))}")


def waive_command(
    context: typer.Context,
    ref: Model,
    to: To,
    rule: Rules,
    until: Until,
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Excuse model REF from the rules of a stage that did not pass, until a day.

    Every such rule is named. The waiver is for this verdict alone, and stays attached to the release for ever.
    """
    from datetime import time

    from registry.core.ledger.text import read_time

    last = time(23, 59, 59)
    done = project(context).waive(ref, to, rules=rule, until=read_time(until, of_day=last), reason=reason)
    if as_json:
        data(document("registry.decided/1", done))
        return
    data(f"entry     {done.entry.index}{'  (it was waived already)' if done.was_there else ''}")
    for one in rule:
        data(f"waived    {one}")
    data(f"next      registry promote {ref} --to {to}")


def revoke_command(context: typer.Context, ref: Model, reason: Reason, as_json: Json = False) -> None:
    """Say for ever that model REF is bad.

    Nothing can be made to serve it any more, and hosts do not take it in.
    """
    done = project(context).revoke(ref, reason=reason)
    if as_json:
        data(document("registry.revoked/1", done))
        return
    data(f"entry     {done.entry.index}{'  (it was revoked already)' if done.was_there else ''}")
    for stage in done.serving:
        data(f"! {stage} serves it still: registry rollback {stage} --reason TEXT")


def hold_command(context: typer.Context, stage: str, reason: Reason, as_json: Json = False) -> None:
    """Let nothing be promoted to STAGE until it is resumed.

    A rollback still is possible.
    """
    done = project(context).hold(stage, reason=reason)
    if as_json:
        data(document("registry.decided/1", done))
        return
    data(f"{stage} is on hold (entry {done.entry.index}{', since before' if done.was_there else ''})")


def resume_command(context: typer.Context, stage: str, reason: Reason, as_json: Json = False) -> None:
    """Open STAGE for promotions again."""
    done = project(context).resume(stage, reason=reason)
    if as_json:
        data(document("registry.decided/1", done))
        return
    data(f"{stage} is open for promotions again (entry {done.entry.index})")
