"""When a canary must be rolled back before its end: bounds that may be looked at after every request.

The rules of the gate file are the triggers, so they are agreed before traffic. A rule that some of the requests seem to
break proves nothing; a trigger fires when a bound that holds at every look at once says that the rule is broken.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import compress
from math import log

from registry.core.gate.estimators.sequences import bernstein_path, beta_mixture
from registry.core.gate.judging.check import metric_of
from registry.core.gate.language.rule import Comparison, Rule
from registry.core.gate.measuring.metric import P95
from registry.core.gate.rows.canary import Canary

ALPHA = Fraction(1, 20)


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one request can cost, in dollars, and have, in tokens: limits of the server, not of the data."""

    cost_usd: Decimal
    tokens: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """One rule as it is watched.

    `risk` is the chance that it ever fires though the rule holds; None where it needs none, or is not watched.
    `request` is the number of the request, counted from 1 by time of arrival, that made it fire, and `at_ms` its
    time; None while it has not. `unwatched` says why it cannot fire; else it is empty.
    """

    rule: str
    risk: Fraction | None = None
    request: int | None = None
    at_ms: int | None = None
    unwatched: str = ""

    @property
    def is_blind(self) -> bool:
        """Whether it was to be watched, and the requests do not let it be."""
        return bool(self.unwatched) and self.risk is not None


def watch_canary(
    canary: Canary, rules: Iterable[Rule], *, alpha: Fraction = ALPHA, caps: Caps | None = None
) -> tuple[Trigger, ...]:
    """Say which of a gate's canary rules are proven to be broken, and since which request.

    Any trigger rolls back, so each of the k that can err gets `alpha / k`; k hangs on the rules and the caps, never on
    what is seen. What was lost proves nothing here: broken telemetry is no reason to roll a model back, and the rules'
    own coverage sees to it that it is none to promote.

    Args:
        canary: The requests so far.
        rules: A gate's rules, checked; those of live traffic with an upper limit are watched, of the others of live
            traffic it is said why they are not, and the rest is left out.
        alpha: The chance that a canary which keeps all rules is ever rolled back by one of them.
        caps: Without them a rule on cost cannot be watched: a mean without a limit has no bound. A request that does
            not keep them proves them wrong: from there on nothing more is proven of cost.

    Source: Ville's inequality; for rates and quantiles `beta_mixture_sequence`, for cost
    `empirical_bernstein_sequence`, each from one side.
    """
    live = [rule for rule in rules if isinstance(rule, Comparison) and rule.scope == "canary"]
    at_risk = [rule for rule in live if not _unwatched(rule, caps) and metric_of(rule).kind != "live count"]
    return tuple(_trigger(rule, canary, caps, alpha / len(at_risk) if rule in at_risk else None) for rule in live)


def _unwatched(rule: Comparison, caps: Caps | None) -> str:
    """Why a rule of live traffic cannot be watched; empty where it can."""
    kind, statistic = metric_of(rule).kind, rule.statistic.text
    if rule.comparator.text[0] == ">":
        return "It asks for at least so much, which only a full window can tell."
    if statistic not in ({"count"} if kind == "live count" else {"point", "upper_ci"}):
        return f"It asks for {statistic}, which only a full window can tell."
    if kind == "live ratio" and caps is None:
        return "It takes what a request can cost at most: --max-cost-usd and --max-tokens."
    return ""


def _trigger(rule: Comparison, canary: Canary, caps: Caps | None, risk: Fraction | None) -> Trigger:  # noqa: PLR0917 - one rule beside its canary
    found = Trigger(rule.text, risk, unwatched=_unwatched(rule, caps))
    if found.unwatched:
        return found
    known = [at for at, lost in enumerate(canary.lost) if not lost]
    beyond = _first_beyond(canary, caps) if metric_of(rule).kind == "live ratio" and caps else None
    if beyond is not None:
        known = known[: bisect_left(known, beyond)]
    first = _first_incident(rule, canary) if risk is None else _first_proof(rule, canary, known, caps, risk)
    if first is not None:
        return replace(found, request=first + 1, at_ms=canary.at_ms[first])
    return found if beyond is None else replace(found, unwatched=_told_beyond(canary, beyond))


def _first_incident(rule: Comparison, canary: Canary) -> int | None:
    """The request whose incident is one too many."""
    seen = 0
    for at, incident in enumerate(canary.incident):
        seen += incident
        if incident and (seen >= rule.threshold if rule.comparator.text == "<" else seen > rule.threshold):
            return at
    return None


def _first_proof(  # noqa: PLR0917 - the places are those of the known requests
    rule: Comparison, canary: Canary, known: Sequence[int], caps: Caps | None, risk: Fraction
) -> int | None:
    match metric_of(rule).kind:
        case "live rate":
            first = first_excess([canary.abandoned[at] for at in known], rule.threshold, risk)
        case "live quantile":
            # why a decimal: it compares with decimals ten times as fast as a fraction does, and as exactly.
            q, limit = metric_of(rule).quantile or P95, Decimal(rule.number.text)
            taken = (canary.latency_ms[at] for at in known)
            first = first_excess([ms is None or ms > limit for ms in taken], 1 - q, risk)
        case _:
            assert caps is not None
            first = _first_dear(rule.threshold, canary, known, caps, risk)
    return None if first is None else known[first]


def first_excess(hits: Sequence[int], rate: Fraction, risk: Fraction) -> int | None:
    """The place at which it is proven that hits come more often than `rate`; wrongly with chance `risk` at most."""
    bar, (over, under), fair = log(1 / risk), rate.as_integer_ratio(), float(rate)
    # why: above the rate, what the bettor has falls with every miss, so that only a hit can prove anything.
    for seen, at in enumerate(compress(range(len(hits)), hits), 1):
        if seen * under > over * (at + 1) and beta_mixture((seen, at + 1), fair, (0.5, 0.5)) >= bar:
            return at
    return None


def _first_dear(limit: Fraction, canary: Canary, known: Sequence[int], caps: Caps, risk: Fraction) -> int | None:  # noqa: PLR0917 - as above
    """The place at which it is proven that requests cost more than `limit` for 1,000 tokens.

    Each request's dollars above what its tokens allow are moved into [0, 1] by the caps.
    """
    import numpy as np

    if not known:
        return None
    costs = np.array([float(canary.cost_usd[at] or 0) for at in known])
    tokens = np.array([canary.tokens[at] for at in known])
    allowed = float(limit) / 1000
    floor, width = allowed * caps.tokens, float(caps.cost_usd) + allowed * caps.tokens
    path = bernstein_path((costs - allowed * tokens + floor) / width, float(risk))
    above = np.flatnonzero(path > floor / width)
    return int(above[0]) if above.size else None


def _first_beyond(canary: Canary, caps: Caps) -> int | None:
    """The first request that does not keep the caps."""
    seen = enumerate(zip(canary.cost_usd, canary.tokens, strict=True))
    return next((at for at, (cost, n) in seen if n > caps.tokens or (cost is not None and cost > caps.cost_usd)), None)


def _told_beyond(canary: Canary, at: int) -> str:
    """What is wrong with the caps."""
    return (
        f"Request {at + 1:,} cost {canary.cost_usd[at]} dollars and has {canary.tokens[at]:,} tokens: beyond the caps."
    )
