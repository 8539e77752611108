"""The loss of a language model on what the assistant says."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from registry.training.batches import batches, padded
from registry.training.chat import Encoded


def language_loss(model: Any, examples: Sequence[Encoded]) -> torch.Tensor:
    """Mean cross-entropy, in nats, over the learned tokens of `examples`.

    why not `model(labels=…)`: that computes logits of every position; here only those of learned tokens are.
    """
    device = model.device
    ids, learned = (torch.tensor(rows, device=device) for rows in padded(examples))
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    chosen = learned[:, 1:]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[chosen]), ids[:, 1:][chosen])


def drawn(examples: Sequence[Encoded], tokens: int, seed: str) -> Iterator[list[Encoded]]:
    """Batches of at most `tokens` tokens of `examples`, without end, in an order that follows from `seed`."""
    for places in batches([len(example.ids) for example in examples], tokens, seed):
        yield [examples[place] for place in places]
