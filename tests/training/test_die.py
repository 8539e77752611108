"""The die: throws that follow from the seed alone."""

from hypothesis import given
from hypothesis import strategies as st

from registry.training.die import Die, shuffled


def test_the_first_throws_of_a_seed_never_change() -> None:
    """The frozen suite was thrown with this die; another order of throws would be another suite."""
    die = Die("lockstep")

    assert [die.below(100) for _ in range(6)] == [6, 51, 86, 96, 15, 76]


@given(st.text(max_size=8), st.integers(1, 10**6))
def test_a_throw_is_within_its_bound(seed: str, bound: int) -> None:
    """Zero is possible, the bound is not."""
    assert 0 <= Die(seed).below(bound) < bound


@given(st.lists(st.integers(), max_size=30), st.text(max_size=8))
def test_a_shuffle_loses_nothing(things: list[int], seed: str) -> None:
    """The same things, in an order that the seed chooses."""
    assert sorted(shuffled(things, seed)) == sorted(things)
    assert shuffled(things, seed) == shuffled(things, seed)
