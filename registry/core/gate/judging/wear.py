"""Wear: how often a frozen slice has judged candidates for a stage, and what choosing the best of so many is worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from registry.core.digest import Digest
from registry.core.gate import exact
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.verdict import Attempts


@dataclass(frozen=True, slots=True)
class Use:
    """One time that a suite was used to judge.

    `subject` is the model's behaviour: the same parts are one candidate, whoever commits them. `rows` are its answers;
    `slices` has the digest of each slice's files.
    """

    subject: Digest
    rows: Digest
    suite: Digest
    slices: Mapping[str, Digest]


Shares = Callable[[str, Digest], bool]
"""Whether a slice of another suite has a case in common with the one of that name that is judged on now."""


def wear_of(own: Use, before: Sequence[Use], gate: Gate, *, shares: Shares) -> tuple[Attempts, ...]:
    """How often each slice of `own` has been used, `own` included.

    A candidate that was judged already keeps its place, so judging it again gives the same verdict.

    Args:
        own: The use that is at hand.
        before: Every use for the same stage that was written down, the oldest first, `own` perhaps among them.
        gate: How many attempts and looks it declares.
        shares: Asked of the same model's earlier suites only: more cases of a slice are a second look at it.
    """
    return tuple(_wear_on(name, own, [*before, own], gate=gate, shares=shares) for name in sorted(own.slices))


def _wear_on(name: str, own: Use, uses: Sequence[Use], *, gate: Gate, shares: Shares) -> Attempts:
    digest = own.slices[name]
    subjects = dict.fromkeys(use.subject for use in uses if use.slices.get(name) == digest)
    looks = dict.fromkeys(
        use.rows for use in uses if use.subject == own.subject and _is_look(name, use, own, shares=shares)
    )
    attempt = list(subjects).index(own.subject) + 1
    return Attempts(
        slice=name,
        attempt=attempt,
        allowed=gate.attempts_on(name),
        risk=exact.spelled(best_of(attempt, gate.level * gate.looks)),
        look=list(looks).index(own.rows) + 1,
        looks=gate.looks,
    )


def _is_look(name: str, use: Use, own: Use, *, shares: Shares) -> bool:
    return use.slices.get(name) == own.slices[name] or (use.suite != own.suite and shares(name, use.suite))


def best_of(attempts: int, level: Fraction) -> Fraction:
    """The chance that at least one of so many candidates, all exactly at a threshold, passes a bound of this risk.

    Independent ones: it is the most that such a choice can cost. Rounded up to nine decimals.
    """
    with localcontext(prec=40):
        none = (Decimal(1) - Decimal(level.numerator) / Decimal(level.denominator)) ** attempts
        return exact.up(1 - Fraction(none))


def worn(used: Attempts, stage: str) -> str:
    """Why a slice decides nothing any more for this candidate; nothing while it does."""
    if used.attempt > used.allowed:
        told = f"{used.slice} has judged {used.attempt:,} candidates for {stage}, and {used.allowed:,} are declared"
        return f"{told}: the best of so many passes by luck too easily. Freeze fresh cases."
    if used.look > used.looks:
        told = f"This is look {used.look:,} at this model on {used.slice}, and {used.looks:,} declared"
        return f"{told}: asking until it passes is no proof. Declare `looks` beforehand, or freeze fresh cases."
    return ""
