"""The scales of the forest plot: what is larger stands further right, and the ticks can be read."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.gate.report.scale import Scale, changes, plain, rates, shares

SCALES = [(rates, 0.0, 1.0), (changes, -1.0, 1.0), (shares, 0.0, 40.0), (plain, -9.0, 1e6)]


@pytest.mark.parametrize(("scale", "least", "most"), SCALES)
@given(data=st.data())
def test_every_value_has_a_place_of_its_own(
    scale: Callable[[Sequence[float]], Scale], least: float, most: float, data: st.DataObject
) -> None:
    """Inside the picture, in order, and never all in one place."""
    values = sorted(data.draw(st.lists(st.floats(least, most), min_size=1, max_size=8)))
    found = scale(values)
    places = [found.place(value) for value in values]

    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert found.low < found.high


@pytest.mark.parametrize(("scale", "least", "most"), SCALES)
@given(data=st.data())
def test_ticks_stand_apart_and_inside(
    scale: Callable[[Sequence[float]], Scale], least: float, most: float, data: st.DataObject
) -> None:
    """A label is at most an eighth of a phone's width."""
    found = scale(data.draw(st.lists(st.floats(least, most), min_size=1, max_size=8)))
    places = [found.place(value) for value, _ in found.ticks]

    assert 2 <= len(places) <= 9
    assert all(right - left > 0.12 for left, right in pairwise(places))
    assert (0, 1) == (places[0], places[-1])


def test_rates_near_one_stand_apart() -> None:
    """0.98, 0.99 and 0.999 are not one point."""
    found = rates([0.3, 0.999])
    gaps = [found.place(high) - found.place(low) for low, high in ((0.98, 0.99), (0.99, 0.999))]

    assert all(gap > 0.06 for gap in gaps)
    assert ["0.3", "0.6", "0.9", "0.99", "0.998"] == [text for _, text in rates([0.31, 0.997]).ticks]


def test_a_mark_is_not_at_the_edge_unless_it_is_the_end() -> None:
    """There is room on the wrong side of a threshold."""
    assert 0.05 < rates([0.98, 0.99]).place(0.98)
    assert 1.0 == rates([0.98, 1.0]).place(1.0)
    assert 0.95 > shares([0.2, 0.4]).place(1.0)


def test_changes_always_show_zero() -> None:
    """Better and worse are seen at once."""
    assert {"0"} <= {text for _, text in changes([0.3, 0.5]).ticks}
    assert ["−0.2", "0", "+0.2", "+0.4", "+0.6", "+0.8"] == [text for _, text in changes([-0.05, 0.7]).ticks]


def test_counts_have_no_plus() -> None:
    """Three incidents are not three more, and there are never fewer than none."""
    assert ["0", "1", "2", "3", "4"] == [text for _, text in plain([0, 3.69]).ticks]


def test_what_is_beyond_an_end_stands_there() -> None:
    """Infinity is at the right."""
    assert [1.0, 0.0, 1.0, 0.0] == [shares([0.5]).place(value) for value in (inf, -inf, 99.0, -1.0)]
