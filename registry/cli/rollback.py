"""`registry rollback`: go back to exactly what was there before."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, size
from registry.cli.project import project
from registry.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from registry.core.ledger.past import Generation
    from registry.verbs.prove import Proof

Reason = Annotated[str | None, typer.Option(help="Why; one line, written into the ledger.")]
Back = Annotated[
    str | None, typer.Option("--to", metavar="N|REF", help="The generation, or the model; the one before unless given.")
]
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
    to: Back = None,
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
    data(f"{stage} is now generation {now.number}  {now.manifest}  ({_told(now.target)})")


def _rehearse(context: typer.Context, stage: str, target: "int | datetime | str", *, as_json: bool) -> None:
    found = project(context).drill(stage, to=target)
    if as_json:
        data(document("registry.drilled/1", found))
        return
    _show(found.passed, found.proof)
    data(f"serves    generation {found.before.number}  {found.before.manifest}")
    number = found.target.number if found.target else None
    data(f"{stage} could go back to {found.manifest}  ({_told(number)}); nothing was changed")


def _told(number: int | None) -> str:
    return f"what generation {number} served" if number else "approved, and never served there before"


def _show(passed: "Iterable[Generation]", proof: "Proof") -> None:
    for one in passed:
        data(f"passed    generation {one.number}  {one.manifest}  (it is revoked)")
    data(f"proved    {proof.blobs} blobs, {size(proof.size)}, each hashed again")


def _target(to: str | None, time: str | None, *, last_good: bool) -> "int | datetime | str":
    from registry.core.ledger.text import read_time

    if (to is not None) + (time is not None) + last_good > 1:
        raise UsageError("a rollback has one target", why="--to, --at and --last-good each name one")
    if last_good:
        return "last-good"
    if to is not None:
        # why digits are a number: a manifest whose digits look like one can be typed as MODEL@DIGITS.
        return int(to) if re.fullmatch(r"-?[0-9]{1,9}", to) else to
    return read_time(time) if time is not None else "previous"
