"""`registry gate watch`: must this canary be rolled back before its end?"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, columns, data, document, talk
from registry.cli.plan import percent, share
from registry.cli.project import below, project
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.core.gate.judging.triggers import Caps, Trigger
    from registry.verbs.watch import Watched

BLIND, FIRED = 2, 3
LEAST_RISK, MOST_DOLLARS, MOST_TOKENS = Fraction(1, 10**6), 10**9, 10**9

Stage = Annotated[str, typer.Argument(metavar="STAGE", help="The stage whose rules are watched.")]
File = Annotated[str, typer.Argument(metavar="CANARY_FILE", help="What live traffic did so far, one request a line.")]
Risk = Annotated[
    str, typer.Option(help="How often a canary that keeps all rules may fire; chosen before there is one.")
]
Dollars = Annotated[str | None, typer.Option("--max-cost-usd", help="What one request can cost at most.")]
Tokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, max=MOST_TOKENS, help="How many tokens one can have at most.")
]


def watch_command(
    context: typer.Context,
    stage: Stage,
    canary_file: File,
    risk: Risk = "0.05",
    max_cost_usd: Dollars = None,
    max_tokens: Tokens = None,
    as_json: Json = False,
) -> None:
    """Say which rules of STAGE a running canary is proven to break, however often this is asked.

    The file may be growing. Nothing is written down. Exits with 0 while nothing fired and with 3 once a rule has; with
    2 where a rule cannot be watched that should be, and with 5 where the file cannot be believed.
    """
    chosen, caps = _risk(risk), _caps(max_cost_usd, max_tokens)
    found = project(context).watch(stage, below(context, canary_file), risk=chosen, caps=caps)
    if found.is_cut:
        talk("the last line of the file is not whole yet, and is left out")
    if as_json:
        data(document("registry.watch/1", _plain(found)))
    else:
        _show(found)
    is_blind = any(one.is_blind for one in found.triggers)
    if is_blind:
        talk("caps are limits of the server, which no request can pass: give those that it really has")
    raise typer.Exit(FIRED if found.fired else BLIND if is_blind else 0)


def _risk(text: str) -> Fraction:
    found = share("--risk", text)
    if found < LEAST_RISK:
        raise UsageError(f"--risk {text} is too small to ever prove anything", mend="a usual one is 0.05")
    return found


def _caps(dollars: str | None, tokens: int | None) -> "Caps | None":
    """Both caps, or none.

    Raises:
        UsageError: One is missing, or is no amount.
    """
    from registry.core.gate.judging.triggers import Caps

    if dollars is None and tokens is None:
        return None
    if dollars is None or tokens is None:
        raise UsageError("a rule on cost takes both caps", mend="give --max-cost-usd and --max-tokens")
    try:
        most = Decimal(dollars)
    except InvalidOperation:
        most = Decimal(0)
    if not (most.is_finite() and 0 < most <= MOST_DOLLARS):
        raise UsageError(f"--max-cost-usd takes dollars, not {dollars!r}", mend="write it as 0.10")
    return Caps(most, tokens)


def _show(found: "Watched") -> None:
    data(columns(("rule", "state", "risk"), [_row(one) for one in found.triggers]))
    lost = f"{found.lost:,} without telemetry, {found.screened:,} screened"
    data(f"\n{found.requests:,} requests in {_clock(found.watched_ms)}: {lost}")
    data(f"the model is {found.manifest}, which {_served(found.serving)}")
    if found.fired:
        data("")
        for line in _advice(found):
            data(line)


def _row(one: "Trigger") -> Sequence[str]:
    state = f"not watched: {one.unwatched}" if one.unwatched else "watching"
    if one.request is not None and one.at_ms is not None:
        state = f"FIRED by request {one.request:,} at {_clock(one.at_ms)}"
    return one.rule, state, "" if one.risk is None else percent(one.risk)


def _served(stages: Sequence[str]) -> str:
    if not stages:
        return "no stage serves"
    return f"{' and '.join(stages)} {'serve' if len(stages) > 1 else 'serves'}"


def _advice(found: "Watched") -> Sequence[str]:
    """What to type. A stage that serves another model must keep it: going back there would take a good one away."""
    if not found.serving:
        return ("Nothing is there to roll back: take its share of the traffic away.",)
    reason = f"the canary breaks {found.fired[0].rule}"
    return [f'registry rollback {stage} --reason "{reason}"' for stage in found.serving]


def _clock(ms: int) -> str:
    """Time since the canary's start, as hours, minutes and seconds."""
    minutes, seconds = divmod(ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _plain(found: "Watched") -> dict[str, object]:
    return {
        "stage": found.stage,
        "manifest": found.manifest,
        "serving": list(found.serving),
        "requests": found.requests,
        "lost": found.lost,
        "screened": found.screened,
        "watched_ms": found.watched_ms,
        "is_cut": found.is_cut,
        "fired": bool(found.fired),
        "rules": [_fields(one) for one in found.triggers],
    }


def _fields(one: "Trigger") -> dict[str, object]:
    from registry.core.gate import exact

    state = "fired" if one.request is not None else "unwatched" if one.unwatched else "watching"
    known = {
        "risk": one.risk and exact.spelled(exact.nearest(one.risk)),
        "request": one.request,
        "at_ms": one.at_ms,
        "why": one.unwatched or None,
    }
    return {"rule": one.rule, "state": state, **{name: value for name, value in known.items() if value is not None}}
