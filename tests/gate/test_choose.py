"""Large numbers are as exact as small ones, and a guess only says where to look."""

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import comb

import pytest

from registry.core.gate import choose, exact

LEVEL = Fraction(1, 40)


@pytest.mark.parametrize(("n", "k"), [(2100, 1050), (5000, 1001), (5000, 3999), (20_000, 2_000), (30_000, 15_000)])
def test_a_large_binomial_coefficient_is_right_to_fifty_digits(n: int, k: int) -> None:
    """Stirling's series against whole numbers."""
    with localcontext(Context(prec=60, Emin=-(10**12), Emax=10**12)):
        found, true = choose.choose(n, k), Decimal(comb(n, k))

        assert abs(found / true - 1) < Decimal("1e-50")


@pytest.mark.parametrize("guess", [0.0, 0.3, 0.5, 1.0])
def test_a_bad_guess_changes_no_bound(guess: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact search finds the same grid point from wherever it starts."""
    wanted = [exact.clopper_pearson(x, 40, LEVEL) for x in (0, 1, 17, 39, 40)]
    monkeypatch.setattr(exact, "near_least_rate", lambda *_: guess)
    exact._least_rate.cache_clear()

    assert wanted == [exact.clopper_pearson(x, 40, LEVEL) for x in (0, 1, 17, 39, 40)]


@pytest.mark.parametrize("successes", [1, 100, 123_456, 500_000, 999_000, 1_000_000])
def test_a_million_samples_have_an_exact_bound(successes: int) -> None:
    """The bound is the last grid point at which the test still refuses, and is found in a moment."""
    lower, upper = exact.clopper_pearson(successes, 10**6, LEVEL)
    step = Fraction(1, exact.GRID)

    assert (
        exact.tail_against(successes, 10**6, lower, LEVEL)
        <= 0
        < exact.tail_against(successes, 10**6, lower + step, LEVEL)
    )
    assert lower < Fraction(successes, 10**6) <= upper
