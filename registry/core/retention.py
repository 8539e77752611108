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


@dataclass(frozen=True, slots=True)
class Retention:
    """How much stays: `keep` releases of each stage, and everything that is younger than `grace`.

    Raises:
        UsageError: That is less than is safe.
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
