"""When a canary must be rolled back before its end: bounds that may be looked at after every request.

The rules of the gate file are the triggers, so they are agreed before traffic. A rule that some of the requests seem to
break proves nothing; a trigger fires when a bound that holds at every look at once says that the rule is broken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import log

from registry.core.gate.estimators.sequences import bernstein_path, beta_mixture
from registry.core.gate.judging.check import metric_of
from registry.core.gate.language.rule import Comparison, Rule
from registry.core.gate.measuring.metric import P95
from registry.core.gate.rows.canary import Canary
from registry.errors import UsageError

ALPHA = Fraction(1, 20)


class BeyondCap(UsageError):
    """A request cost more, or had more tokens, than was said to be possible."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one request can cost, in dollars, and have, in tokens: limits of the server, not of the data."""

    cost_usd: Fraction
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


def watch_canary(
    canary: Canary, rules: Iterable[Rule], *, alpha: Fraction = ALPHA, caps: Caps | None = None
) -> tuple[Trigger, ...]:
    """Say which of a gate's canary rules are proven to be broken, and since which request.

    Any trigger rolls back, so each of the k that can err gets `alpha / k`. What was lost proves nothing here: broken
    telemetry is no reason to roll a model back, and the rules' own coverage sees to it that it is none to promote.

    Args:
        canary: The requests so far.
        rules: A gate's rules; those of live traffic with an upper limit are watched, the others are left out.
        alpha: The chance that a canary which keeps all rules is ever rolled back by one of them.
        caps: Without them a rule on cost cannot be watched: a mean without a limit has no bound.

    Raises:
        BeyondCap: A request does not keep the caps.

    Source: Ville's inequality; for rates and quantiles `beta_mixture_sequence`, for cost
    `empirical_bernstein_sequence`, each from one side.
    """
    watched = [rule for rule in rules if isinstance(rule, Comparison) and _is_limit(rule)]
    at_risk = [rule for rule in watched if not _unwatched(rule, caps) and metric_of(rule).kind != "live count"]
    return tuple(_trigger(rule, canary, caps, alpha / len(at_risk) if rule in at_risk else None) for rule in watched)


def _is_limit(rule: Comparison) -> bool:
    statistics = {"count"} if rule.scope == "canary" and metric_of(rule).kind == "live count" else {"point", "upper_ci"}
    return rule.scope == "canary" and rule.statistic.text in statistics and rule.comparator.text[0] != ">"


def _unwatched(rule: Comparison, caps: Caps | None) -> str:
    if metric_of(rule).kind == "live ratio" and caps is None:
        return "It is not known what a request can cost at most."
    return ""


def _trigger(rule: Comparison, canary: Canary, caps: Caps | None, risk: Fraction | None) -> Trigger:  # noqa: PLR0917 - one rule beside its canary
    found = Trigger(rule.text, risk, unwatched=_unwatched(rule, caps))
    if found.unwatched:
        return found
    known = [at for at, lost in enumerate(canary.lost) if not lost]
    first = _first_incident(rule, canary) if risk is None else _first_proof(rule, canary, known, caps, risk)
    return found if first is None else replace(found, request=first + 1, at_ms=canary.at_ms[first])


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
            q = metric_of(rule).quantile or P95
            taken = (canary.latency_ms[at] for at in known)
            first = first_excess([ms is None or ms > rule.threshold for ms in taken], 1 - q, risk)
        case _:
            assert caps is not None
            first = _first_dear(rule.threshold, canary, known, caps, risk)
    return None if first is None else known[first]


def first_excess(hits: Sequence[int], rate: Fraction, risk: Fraction) -> int | None:
    """The place at which it is proven that hits come more often than `rate`; wrongly with chance `risk` at most."""
    bar, seen = log(1 / risk), 0
    for at, hit in enumerate(hits):
        seen += hit
        # why: above the rate, what the bettor has falls with every miss, so that only a hit can prove anything.
        if hit and seen > rate * (at + 1) and beta_mixture((seen, at + 1), float(rate), (0.5, 0.5)) >= bar:
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
    if costs.max() > caps.cost_usd or tokens.max() > caps.tokens:
        raise BeyondCap(
            "a request is beyond the caps of this canary",
            why=f"up to {costs.max():g} dollars and {tokens.max():,} tokens were seen",
            mend="give the limits of the server, which no request can pass",
        )
    allowed = float(limit) / 1000
    floor, width = allowed * caps.tokens, float(caps.cost_usd) + allowed * caps.tokens
    path = bernstein_path((costs - allowed * tokens + floor) / width, float(risk))
    above = np.flatnonzero(path > floor / width)
    return int(above[0]) if above.size else None
