"""A die whose throws follow from its seed alone, on every machine and in every version of Python."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Die:
    """Throws number 0, 1, 2, … of one seed; throw n is SHA-256 of `seed:n`.

    why not `random`: its choice and shuffle have changed between versions of Python, and frozen cases may not.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._thrown = 0

    def below(self, bound: int) -> int:
        """A whole number in [0, `bound`); the bias is below 2^-40 for the bounds used here."""
        data = f"{self._seed}:{self._thrown}".encode()
        self._thrown += 1
        return int.from_bytes(hashlib.sha256(data).digest()[:8]) % bound

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, things: Sequence[T]) -> T:
        """One of `things`, each as likely."""
        return things[self.below(len(things))]

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 throws."""
        return self.below(100) < percent


def shuffled(things: Sequence[T], seed: str) -> list[T]:
    """`things` in an order that follows from `seed` and their places."""

    def rank(place: int) -> bytes:
        return hashlib.sha256(f"{seed}:{place}".encode()).digest()

    return [things[place] for place in sorted(range(len(things)), key=rank)]
