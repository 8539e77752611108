"""Batches: every example once an epoch, never more tokens than allowed."""

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from registry.training.batches import batches, padded
from registry.training.chat import Encoded


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(50, 200), st.text(max_size=5))
def test_an_epoch_has_every_example_once(lengths: list[int], tokens: int, seed: str) -> None:
    """No example is dropped or favoured, and no batch is over its bound."""
    seen: list[int] = []
    for batch in batches(lengths, tokens, seed):
        seen += batch
        assert max(lengths[place] for place in batch) * len(batch) <= tokens
        if len(seen) >= len(lengths):
            break

    assert sorted(seen) == list(range(len(lengths)))


def test_the_order_follows_from_the_seed() -> None:
    """The same seed, the same batches; another epoch, another order."""
    lengths = [1 + place % 7 for place in range(100)]

    assert list(islice(batches(lengths, 30, "a"), 50)) == list(islice(batches(lengths, 30, "a"), 50))
    assert list(islice(batches(lengths, 30, "a"), 50)) != list(islice(batches(lengths, 30, "b"), 50))


def test_padding_is_on_the_right_and_is_never_learned() -> None:
    """Shorter examples are filled up with id 0, which no loss sees."""
    ids, learned = padded([Encoded((1, 2, 3), (False, True, True)), Encoded((4,), (True,))])

    assert ids == [[1, 2, 3], [4, 0, 0]]
    assert learned == [[False, True, True], [True, False, False]]
