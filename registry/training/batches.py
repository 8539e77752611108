"""Examples in batches of like length: each costs the same, and little of it is padding."""

from collections.abc import Iterator, Sequence
from itertools import count

from registry.training.chat import PAD, Encoded
from registry.training.die import shuffled

WINDOW = 512  # examples that are sorted by length together


def batches(lengths: Sequence[int], tokens: int, seed: str) -> Iterator[list[int]]:
    """Places of examples, batch after batch, epoch after epoch, without end.

    Args:
        lengths: The length of each example, in tokens.
        tokens: The most that a batch holds, padding counted; one example is always let through.
        seed: Chooses the order.
    """
    for epoch in count():
        yield from shuffled(list(_one_epoch(lengths, tokens, f"{seed}/{epoch}")), f"{seed}/{epoch}/batches")


def _one_epoch(lengths: Sequence[int], tokens: int, seed: str) -> Iterator[list[int]]:
    order = shuffled(range(len(lengths)), seed)
    for start in range(0, len(order), WINDOW):
        batch: list[int] = []
        for place in sorted(order[start : start + WINDOW], key=lambda place: lengths[place]):
            if batch and lengths[place] * (len(batch) + 1) > tokens:
                yield batch
                batch = []
            batch.append(place)
        yield batch


def padded(examples: Sequence[Encoded]) -> tuple[list[list[int]], list[list[bool]]]:
    """Ids and learned marks of `examples`, filled up on the right to one length."""
    longest = max(len(example.ids) for example in examples)
    ids = [[*example.ids, *[PAD] * (longest - len(example.ids))] for example in examples]
    learned = [[*example.learned, *[False] * (longest - len(example.ids))] for example in examples]
    return ids, learned
