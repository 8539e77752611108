"""The sign-flip test as a rational: every pattern counted where they are few, else drawn from a counter.

Patterns come from Philox, a generator whose stream is a pure function of a key and a counter (J. K. Salmon et al.,
Parallel Random Numbers: As Easy as 1, 2, 3, 2011); the key is the SHA-256 of the seed. So a p-value can be computed
again years later, and hangs neither on the order of the cases nor on a global generator.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from math import lcm

from registry.core.gate.estimators.interval import NoSample, whole

_WIDEST, _FINEST = 2**61, 2**24
_WORD = 64
_CHUNK = 2**21


def sign_flip(differences: Sequence[float | Fraction], seed: int | str | bytes, draws: int = 10000) -> Fraction:
    """The p-value of `sign_flip_test`, exactly.

    Raises:
        NoSample: There are no differences, or nothing is drawn.
    """
    if not len(differences) or whole(draws, "number of draws") == 0:
        raise NoSample("a sign-flip test takes at least one difference and one draw")
    steps, slack = _whole_steps(differences)
    sizes = sorted(abs(step) for step in steps if step)
    bar = abs(sum(steps)) - slack
    if bar <= 0:
        return Fraction(1)
    if 2 ** min(len(sizes), 64) <= draws:
        return Fraction(_count_all(sizes, bar), 2 ** len(sizes))
    return Fraction(_count_drawn(sizes, bar, (seed, draws)) + 1, draws + 1)


def _whole_steps(differences: Sequence[float | Fraction]) -> tuple[list[int], int]:
    """The differences in whole steps of one unit, and how many steps apart two sums may lie that should be equal.

    Whole numbers and short fractions are kept exactly. Others are rounded to 2^60 / n steps of the largest one, and
    sums that differ by next to nothing count as equal: 0.1 + 0.2 and 0.3 are not, as floats, but they were meant to be.
    """
    # why: numpy's integers would carry their 64 bits into the fraction.
    meant = [Fraction(one if isinstance(one, int | Fraction) else float(one)) for one in differences]
    unit = lcm(*(one.denominator for one in meant))
    if unit <= _FINEST and sum(abs(one) for one in meant) * unit < _WIDEST:
        return [int(one * unit) for one in meant], 0
    scale = Fraction(_WIDEST // (2 * len(meant))) / max(abs(one) for one in meant)
    # why: each may be off by half a step of this rounding, and by the last bits of the subtraction that made it.
    return [round(one * scale) for one in meant], len(meant) + _WIDEST // 2**46


def _count_all(sizes: Sequence[int], bar: int) -> int:
    """How many of all sign patterns give a sum as far from 0 as `bar`."""
    sums = Counter({0: 1})
    for size in sizes:
        wider: Counter[int] = Counter()
        for total, ways in sums.items():
            wider[total + size] += ways
            wider[total - size] += ways
        sums = wider
    return sum(ways for total, ways in sums.items() if abs(total) >= bar)


def _count_drawn(sizes: Sequence[int], bar: int, drawn: tuple[int | str | bytes, int]) -> int:
    """The same of drawn patterns: one bit for each difference, equal ones together in words of 64 bits.

    `sizes` are sorted, so the order in which the differences came does not matter.
    """
    import numpy as np

    seed, draws = drawn
    words = [(size, min(_WORD, left)) for size, count in Counter(sizes).items() for left in range(count, 0, -_WORD)]
    amounts = np.array([size for size, _ in words], dtype=np.int64)
    masks = np.array([2**used - 1 for _, used in words], dtype=np.uint64)
    key = sha256(seed if isinstance(seed, bytes) else str(seed).encode()).digest()[:16]
    stream, total, hits = np.random.Philox(key=int.from_bytes(key, "big")), sum(sizes), 0
    rows = max(1, _CHUNK // len(words))
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        bits = np.asarray(stream.random_raw(count * len(words))).reshape(count, len(words)) & masks
        positive = np.bitwise_count(bits).astype(np.int64) @ amounts
        hits += int(np.count_nonzero(np.abs(2 * positive - total) >= bar))
    return hits
