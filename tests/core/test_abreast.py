"""Many at a time: every result, in order, and never more under way than there should be."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.abreast import abreast


@given(st.lists(st.integers()), st.integers(1, 4))
def test_results_come_in_the_order_of_the_items(items: list[int], at_once: int) -> None:
    """However many there are at a time."""
    assert [item + 1 for item in items] == list(abreast(lambda item: item + 1, items, at_once=at_once))


def test_no_more_are_taken_than_are_under_way() -> None:
    """A hundred thousand items are not handed out at once."""
    taken, done = [0], [0]

    def items() -> Iterator[int]:
        for item in range(10_000):
            taken[0] += 1
            assert taken[0] - done[0] <= 64
            yield item

    for _ in abreast(lambda item: item, items(), at_once=2):
        done[0] += 1

    assert 10_000 == done[0]


def test_after_a_fault_no_more_is_begun() -> None:
    """The first fault is raised, and what waits is not done."""
    begun: list[int] = []
    gate = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("the first")
        gate.wait(0.05)

    with pytest.raises(ValueError, match="the first"):
        list(abreast(work, range(1000), at_once=2))
    assert len(begun) < 64
