"""`registry rollback`: go back to exactly what was there before."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, size
from registry.cli.project import project
from registry.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.core.ledger.past import Generation
    from registry.core.ledger.retreat import Target
    from registry.verbs.prove import Proof

Reason = Annotated[str | None, typer.Option(help="Why; one line, written into the ledger.")]
Number = Annotated[int | None, typer.Option("--to", help="The generation to go back to; the one before unless given.")]
Time = Annotated[str | None, typer.Option("--at", help="Go back to what was served then: a date or RFC 3339 time.")]
LastGood = Annotated[
    bool, typer.Option("--last-good", help="Go back to the last that its gate let in and nobody went back from.")
]
Drill = Annotated[bool, typer.Option("--drill", help="Do everything but the switch; no reason is needed.")]


def rollback_command(
    context: typer.Context,
    stage: str,
    *,
    reason: Reason = None,
    to: Number = None,
    at: Time = None,
    last_good: LastGood = False,
    drill: Drill = False,
    as_json: Json = False,
) -> None:
    """Let STAGE serve again what it served before.

    Every byte of it is read and hashed first; if one is missing or damaged, nothing changes. It works while the stage
    is on hold.
    """
    target = _target(to, at, last_good=last_good)
    if drill:
        _rehearse(context, stage, target, as_json=as_json)
        return
    if reason is None:
        raise UsageError("a rollback gives its reason", mend="say it with `--reason TEXT`, or try it with `--drill`")
    done = project(context).rollback(stage, reason=reason, to=target)
    if as_json:
        data(document("registry.rolled_back/1", done))
        return
    now = done.now
    _show(done.passed, done.proof)
    data(f"was       generation {done.before.number}  {done.before.manifest}")
    data(f"{stage} is now generation {now.number}  {now.manifest}  (what generation {now.target} served)")


def _rehearse(context: typer.Context, stage: str, target: "Target", *, as_json: bool) -> None:
    found = project(context).drill(stage, to=target)
    if as_json:
        data(document("registry.drilled/1", found))
        return
    _show(found.passed, found.proof)
    data(f"serves    generation {found.before.number}  {found.before.manifest}")
    data(f"{stage} could go back to generation {found.target.number}  {found.target.manifest}; nothing was changed")


def _show(passed: "Iterable[Generation]", proof: "Proof") -> None:
    for one in passed:
        data(f"passed    generation {one.number}  {one.manifest}  (it is revoked)")
    data(f"proved    {proof.blobs} blobs, {size(proof.size)}, each hashed again")


def _target(number: int | None, time: str | None, *, last_good: bool) -> "Target":
    from registry.core.ledger.text import read_time

    if (number is not None) + (time is not None) + last_good > 1:
        raise UsageError("a rollback has one target", why="--to, --at and --last-good each name one")
    if last_good:
        return "last-good"
    if number is not None:
        return number
    return read_time(time) if time is not None else "previous"
