"""Retention: how much a collector must leave alone."""

from dataclasses import dataclass
from datetime import timedelta

from registry.errors import UsageError

KEEP = 5
"""How many releases of a stage stay by default: what it serves, and what four rollbacks in a row would bring back."""

LEAST_KEEP = 2
LEAST_GRACE = timedelta(days=1)
"""Nothing younger is ever set aside or deleted, whatever is asked for: a writer whom no lock reaches may be at work."""

GRACE = timedelta(days=14)
MOST_GRACE = timedelta(days=36_500)
"""What is older than this is older than any ledger; and a calendar ends somewhere."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much stays: `keep` releases of each stage, and everything that is younger than `grace`.

    Raises:
        UsageError: That is less than is safe, or more than a calendar has.
    """

    keep: int = KEEP
    grace: timedelta = GRACE

    def __post_init__(self) -> None:
        if self.keep < LEAST_KEEP:
            why = "a stage could not be rolled back any more"
            raise UsageError(f"{self.keep} releases of a stage are too few", why=why, mend=f"keep {LEAST_KEEP} or more")
        if self.grace < LEAST_GRACE:
            why = "somebody may be writing what no entry names yet"
            mend = f"let it be {LEAST_GRACE.days} day or more"
            raise UsageError(f"a grace of {self.grace / timedelta(days=1):g} days is too short", why=why, mend=mend)
        if self.grace > MOST_GRACE:
            most = MOST_GRACE.days
            raise UsageError(f"a grace of more than {most} days is too long", mend=f"let it be {most} days or fewer")

    @classmethod
    def of(cls, keep: int, grace_days: int) -> "Retention":
        """As a person writes it: any number of days, also one that no calendar has; raises as the class does."""
        return cls(keep, timedelta(days=max(-1, min(grace_days, MOST_GRACE.days + 1))))
