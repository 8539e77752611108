"""A sample of the blobs: which of them are read this time, told from their digests alone."""

import re
from dataclasses import dataclass
from fractions import Fraction

from registry.core.digest import Digest, hex_of
from registry.errors import UsageError

_PART = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_PERCENT = re.compile(r"(100|[1-9]?[0-9](?:\.[0-9]{1,3})?)%")
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """Blobs whose digest, as a fraction of all digests, lies in [`start`, `end`)."""

    start: Fraction
    end: Fraction

    def has(self, digest: Digest) -> bool:
        """Whether `digest` is of the sample; the same digest always is, or never."""
        return self.start <= Fraction(int(hex_of(digest)[:_DIGITS], 16), 16**_DIGITS) < self.end


def parse_sample(text: str) -> Sample:
    """Read `n/t`, the n-th of t parts that together are everything, or `x%`, the first x hundredths.

    Raises:
        UsageError: It is neither, or there is no n-th part, or it would be empty.
    """
    if (part := _PART.fullmatch(text)) and int(part[1]) <= int(part[2]):
        number, of = int(part[1]), int(part[2])
        return Sample(Fraction(number - 1, of), Fraction(number, of))
    if (percent := _PERCENT.fullmatch(text)) and Fraction(percent[1]):
        return Sample(Fraction(0), Fraction(percent[1]) / 100)
    mend = "write 2/7 for the second of seven parts, or 5% for a twentieth"
    raise UsageError(f"{text!r} is no part of a store", why="a part is N/T with N from 1 to T, or X%", mend=mend)
