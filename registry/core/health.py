"""The health of a store: what can be wrong with a blob, how bad that is, and what is said of the whole."""

from dataclasses import dataclass
from typing import Literal

from registry.core.digest import Digest

Kind = Literal["missing", "damaged", "unreadable", "unsteady", "exposed", "trashed"]
"""What is wrong with a blob.

- `missing`: it is needed, and not here.
- `damaged`: it has other bytes than its name says, twice.
- `unreadable`: the system would not let us read it.
- `unsteady`: it was damaged when it was read first and sound when it was read again. Suspect memory, cable or disk.
- `exposed`: its mode lets somebody write to it.
- `trashed`: it is needed, and lies in the trash.
"""

Health = Literal["clean", "repairable", "could-not-check", "data-loss", "tampering"]
"""What is said of a store, from the best to the worst. `repairable` is what is put right without any other copy."""

Level = Literal["quick", "subset", "read-data"]
"""How much was read of the blobs: their sizes alone, some of them, or all."""

WORST: tuple[Health, ...] = ("tampering", "data-loss", "could-not-check", "repairable", "clean")
"""The worst first: the first of them that was found is said of the whole."""

_WEIGHT: dict[Kind, Health] = {
    "missing": "data-loss",
    "damaged": "data-loss",
    "unreadable": "could-not-check",
    "unsteady": "could-not-check",
    "exposed": "repairable",
    "trashed": "repairable",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A blob that is not what it must be.

    `what` are its names to people, `harms` the models that cannot be brought back or explained without it. A damaged
    blob that nothing needs has neither, and is told all the same: putting the right bytes again would heal it. `size`
    is how many bytes it must have, where that is written down.
    """

    digest: Digest
    kind: Kind
    health: Health
    why: str
    what: tuple[str, ...]
    harms: tuple[str, ...]
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found.

    `blobs`, `size` bytes, were hashed (or only looked at, if the level is `quick`); `unchecked` blobs were not hashed.
    `breach` is how the ledger is broken, if it is, and `unread` what kept its end from being read, if anything did.
    `collected` blobs that an entry names were deleted on purpose; `unlisted` is why that cannot be known, if it cannot.
    `spare` blobs are sound and needed by no entry,
    `strays` are no blobs; both harm nobody.
    """

    health: Health
    level: Level
    entries: int
    blobs: int
    size: int
    unchecked: int
    breach: str | None
    faults: tuple[Fault, ...]
    collected: int
    spare: tuple[Digest, ...]
    strays: tuple[str, ...]
    unread: str | None = None
    unlisted: str | None = None

    @property
    def is_clean(self) -> bool:
        """Whether everything that was checked is as it was written."""
        return self.health == "clean"


def health_of(kind: Kind, *, is_needed: bool) -> Health:
    """How bad a fault is: what nobody needs can be put right by moving it away."""
    return _WEIGHT[kind] if is_needed or kind != "damaged" else "repairable"


def worst(healths: set[Health]) -> Health:
    """What is said of the whole."""
    return next(health for health in WORST if health in healths | {"clean"})
