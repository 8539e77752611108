"""`registry gate plan` and `registry gate selftest`: what a gate can decide, and whether it can be believed."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, columns, data, document, talk
from registry.cli.project import project, start
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.core.gate.again import Flipped
    from registry.core.gate.forecast import Forecast
    from registry.verbs.plan import Planned
    from registry.verbs.selftest import Tested

REFUSED = 3
MOST_DRAWS = 100_000

Stage = Annotated[str, typer.Argument(metavar="STAGE", help="The stage whose rules are looked at.")]
Rates = Annotated[
    list[str] | None, typer.Option("--rate", metavar="METRIC=RATE", help="What is true; as often as you like.")
]
Flips = Annotated[str, typer.Option(help="On what share of the cases two models differ.")]
Chance = Annotated[str, typer.Option(help="How often a rule should pass.")]
Draws = Annotated[int, typer.Option(min=1, max=MOST_DRAWS, help="How many pairs are drawn and judged.")]


def plan_command(
    context: typer.Context,
    stage: Stage,
    rate: Rates = None,
    flips: Flips = "0.2",
    chance: Chance = "0.9",
    as_json: Json = False,
) -> None:
    """Tell how many cases each rule needs, and what the suite of the working tree can decide.

    No ledger, key or evidence is needed. METRIC is what a rule measures, such as `math_correct_rate(math_basic)` or
    `delta.success@1`; of a quantile, the share of samples on the right side of the threshold.
    """
    from registry.core.gate.forecast import Truth
    from registry.workspace.judging import plan_at

    stated = dict(_rate(text) for text in rate or ())
    found = plan_at(_tree(context), stage, Truth(stated, share("--flips", flips), share("--chance", chance)))
    if as_json:
        data(document("registry.plan/1", _plain(found)))
        return
    heads = ("rule", "cases", "may fail", "if it is", "passes", f"for {percent(found.wanted)}")
    data(columns(heads, [_row(one) for one in found.rules]))
    for one in found.rules:
        if one.note:
            talk(f"{one.rule}: {one.note}")
    if found.together is not None:
        told = f"All of them pass together {percent(found.together)} of the time, if they were independent"
        data(f"\n{told}; for a good joint chance plan each rule for 98 % (`--chance 0.98`).")


def selftest_command(context: typer.Context, stage: Stage, draws: Draws = 1000, as_json: Json = False) -> None:
    """Draw what STAGE serves twice from its own answers, and count how often its gate tells the two apart.

    Exits with 3 if a rule is proven to do so more often than it promises.
    """
    found = project(context).selftest(stage, draws)
    if as_json:
        data(document("registry.selftest/1", _tested(found)))
    else:
        heads = ("rule", "flips", "of", "rate", "at most", "promised", "")
        data(columns(heads, [_flips(rule) for rule in found.rules]))
    raise typer.Exit(0 if found.is_sound else REFUSED)


def _tree(context: typer.Context) -> Path:
    """The project's root; before there is a project, the directory that the command works in."""
    from registry.workspace.settings import NoProject, find_root

    try:
        return find_root(start(context))
    except NoProject:
        return start(context)


def _rate(text: str) -> tuple[str, Fraction]:
    name, _, number = text.rpartition("=")
    if not name:
        raise UsageError(f"{text!r} states no rate", mend="write --rate METRIC=0.99")
    return name.strip(), _number("--rate", number)


def _number(option: str, text: str) -> Fraction:
    try:
        return Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"{option} takes a number, not {text!r}", mend="rates are fractions of 1, such as 0.99"
        ) from None


def share(option: str, text: str) -> Fraction:
    """A number between 0 and 1 that a person typed.

    Raises:
        UsageError: It is none.
    """
    found = _number(option, text)
    if not 0 < found < 1:
        raise UsageError(f"{option} lies between 0 and 1, not at {text}", mend="write a fraction, such as 0.05 or 0.9")
    return found


def _row(one: "Forecast") -> Sequence[str]:
    never = "never" if one.cases is not None and one.probability is not None and "canary" not in one.rule else ""
    return (
        one.rule,
        _count(one.cases),
        _count(one.may_fail),
        "" if one.truth is None else f"{float(one.truth):.6g}",
        "" if one.probability is None else percent(one.probability),
        never if one.needed is None else _count(one.needed),
    )


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def percent(part: Fraction) -> str:
    """A fraction of 1, as people say it: `1.67 %`."""
    return f"{float(part) * 100:.3g} %"


def _flips(rule: "Flipped") -> Sequence[str]:
    promised = "nothing" if rule.promised is None else percent(rule.promised)
    rate = Fraction(rule.flips, rule.draws)
    word = "BROKEN" if rule.is_broken else ""
    return rule.rule, f"{rule.flips:,}", f"{rule.draws:,}", percent(rate), percent(rule.upper), promised, word


def _plain(found: "Planned") -> dict[str, object]:
    rules = [
        {key: value for key, value in pairs.items() if value is not None and value != ""}
        for pairs in (_numbers(one) for one in found.rules)
    ]
    together = {} if found.together is None else {"together": _spelled(found.together)}
    return {
        "stage": found.stage,
        "cases": dict(found.cases),
        "chance": _spelled(found.wanted),
        "rules": rules,
        **together,
    }


def _numbers(one: "Forecast") -> dict[str, object]:
    return {
        "rule": one.rule,
        "cases": one.cases,
        "may_fail": one.may_fail,
        "truth": None if one.truth is None else _spelled(one.truth),
        "probability": None if one.probability is None else _spelled(one.probability),
        "needed": one.needed,
        "note": one.note,
    }


def _tested(found: "Tested") -> dict[str, object]:
    rules = [
        {
            "rule": rule.rule,
            "flips": rule.flips,
            "draws": rule.draws,
            "lower": _spelled(rule.lower),
            "upper": _spelled(rule.upper),
            **({} if rule.promised is None else {"promised": _spelled(rule.promised)}),
            "is_broken": rule.is_broken,
        }
        for rule in found.rules
    ]
    return {"stage": found.stage, "manifest": found.manifest, "evidence": found.evidence, "rules": rules}


def _spelled(share: Fraction) -> str:
    from registry.core.gate import exact

    return exact.spelled(exact.nearest(share))
