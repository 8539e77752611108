"""Columns of decimal numbers, exactly: whole numbers and one power of ten for all of them.

A column is 64 bits wide as long as its numbers fit; where they do not, it holds Python's own integers, which are slower
and never wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
"""Whole numbers: int64, or Python integers where these are too narrow."""

WIDE = 2**63 - 1


@dataclass(slots=True)
class Amounts:
    """Numbers of one kind: each is a whole number of `units` times ten to the minus `places`."""

    units: Column = field(default_factory=lambda: np.zeros(0, np.int64))
    places: int = 0

    def __len__(self) -> int:
        """How many numbers there are."""
        return len(self.units)

    def put(self, at: Any, found: "Amounts") -> None:
        """Write the numbers `found` at the places `at`, with as many decimals as either needs."""
        places = max(self.places, found.places)
        self.units, self.places = scaled(self, places), places
        units = scaled(found, places)
        if units.dtype == object:
            self.units = self.units.astype(object)
        self.units[at] = units

    def taken(self, keep: NDArray[np.bool_]) -> "Amounts":
        """The numbers where `keep` is true."""
        return Amounts(self.units[keep], self.places)

    def value(self, units: int) -> Fraction:
        """What so many units are worth."""
        return Fraction(int(units), 10**self.places)


def scaled(amounts: Amounts, places: int) -> Column:
    """The units of `amounts` with more `places`; widened where 64 bits would overflow."""
    factor, units = 10 ** (places - amounts.places), amounts.units
    if factor == 1 or not len(units):
        return units
    if units.dtype != object and int(np.abs(units).max()) * factor > WIDE:
        units = units.astype(object)
    wide: Column = units * factor
    return wide


def column_of(numbers: Sequence[int]) -> Column:
    """Whole numbers as a column that holds the largest of them."""
    return np.array(numbers, np.int64 if max(numbers, default=0) <= WIDE else object)


def amounts_of(wholes: Sequence[str], parts: Sequence[str]) -> Amounts:
    """Read decimal numbers from their digits before the point and behind it."""
    places = max(map(len, parts), default=0)
    if places:
        wholes = [whole + part.ljust(places, "0") for whole, part in zip(wholes, parts, strict=True)]
    is_narrow = max(map(len, wholes), default=0) <= 18
    return Amounts(np.array(list(map(int, wholes)), np.int64 if is_narrow else object), places)


def amounts_from(decimals: Sequence[Decimal]) -> Amounts:
    """Decimal numbers that are not negative, as a column."""
    halves = [f"{value:f}".partition(".") for value in decimals]
    return amounts_of([whole for whole, _, _ in halves], [part for _, _, part in halves])


def joined(columns: Sequence[Amounts]) -> Amounts:
    """The numbers of several columns as one."""
    places = max((one.places for one in columns), default=0)
    return Amounts(np.concatenate([scaled(one, places) for one in columns]), places)


def total(column: Column) -> int:
    """The sum, exactly."""
    return dot(column, np.ones_like(column))


def dot(one: Column, other: Column) -> int:
    """The sum of products of as many numbers >= 0, exactly: in 64 bits where they suffice, else in halves."""
    if not len(one):
        return 0
    if one.dtype == object or other.dtype == object:
        return int(np.sum(one.astype(object) * other.astype(object)))
    wide, narrow = sorted((one, other), key=np.max, reverse=True)
    most = int(wide.max())
    if most * int(narrow.max()) * len(one) <= WIDE:
        return int(np.dot(wide, narrow))
    half = max(1, most.bit_length() // 2)
    return (dot(wide >> half, narrow) << half) + dot(wide & ((1 << half) - 1), narrow)


def by_case(column: Column, samples: int) -> Column:
    """The sum over the samples of each case, which stand next to each other."""
    if samples == 1:
        return column
    if column.dtype != object and len(column) and int(column.max()) * samples > WIDE:
        column = column.astype(object)
    sums: Column = column.reshape(-1, samples).sum(axis=1)
    return sums
