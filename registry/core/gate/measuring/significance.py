"""Is a difference on the same cases more than chance? McNemar's exact test, or sign flips where cases have repeats."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from registry.core.digest import digest_of
from registry.core.gate import exact
from registry.core.gate.estimators.flips import sign_flip
from registry.core.gate.measuring import power
from registry.core.gate.measuring.measure import differences, two_by_two

_DRAWS, _MOST_DRAWS = 10_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Significance:
    """A p-value as a rational, how many cases got better and worse of how many, and what the test could have seen."""

    p_value: Fraction
    better: int
    worse: int
    cases: int
    could_have_shown: bool


def significance_of(
    arms: tuple[bytes, bytes], samples: int, *, asked: Fraction, level: Fraction, key: str, is_midp: bool = False
) -> Significance:
    """Test that two arms are equally good on the same cases.

    Args:
        arms: Which samples are good in the first and in the second arm, case by case.
        samples: Of each case. One gives McNemar's exact test; several are not independent, so the signs of the cases'
            mean differences are flipped.
        asked: The true difference that the test should have had an 80 % chance to show.
        level: The p-value asked for.
        key: Chooses the flips that are drawn, together with the digest of both arms.
        is_midp: Whether McNemar's test counts what was seen only by half.
    """
    if samples == 1:
        _, better, worse, _ = two_by_two(*arms)
        could = power.could_have_shown((better + worse, len(arms[0])), asked, level)
        return Significance(exact.sign_test(better, worse, is_midp=is_midp), better, worse, len(arms[0]), could)
    found = differences(arms, samples)
    # why: the least p-value is 1 / (draws + 1); a hundred draws should lie below the level that is asked.
    draws = min(_MOST_DRAWS, max(_DRAWS, ceil(100 / level))) if level else _MOST_DRAWS
    p_value = sign_flip(found, f"{digest_of(b''.join(arms))} {key}", draws)
    better, worse = sum(one > 0 for one in found), sum(one < 0 for one in found)
    could = power.flips_could_have_shown(found, asked * samples, level)
    return Significance(p_value, better, worse, len(found), could)
