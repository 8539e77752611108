"""Answers sampled from a model in training: plain sampling with one seeded generator, in the model's own precision."""

from collections.abc import Sequence
from typing import Any

import torch

from registry.training.chat import END, PAD


@torch.no_grad()
def sample(model: Any, prompts: Sequence[Sequence[int]], limit: int, *, temperature: float, seed: int) -> torch.Tensor:
    """Let the model answer each prompt once.

    Args:
        model: A causal language model.
        prompts: Token ids, all of one length, so that nothing is padded on the left.
        limit: The most tokens of an answer.
        temperature: Above 0; the logits are divided by it.
        seed: Seeds the throws of this call.

    Returns:
        Token ids of the answers, shape (prompts, at most `limit`); after `<|end|>` comes padding.
    """
    generator = torch.Generator().manual_seed(seed)
    fed, past = torch.tensor(prompts, device=model.device), None
    ended = torch.zeros(len(prompts), dtype=torch.bool)
    spoken = []
    for _ in range(limit):
        seen = model(input_ids=fed, past_key_values=past, use_cache=True)
        past = seen.past_key_values
        chances = torch.softmax(seen.logits[:, -1].float().cpu() / temperature, dim=-1)
        token = torch.multinomial(chances, 1, generator=generator)[:, 0].masked_fill(ended, PAD)
        spoken.append(token)
        ended |= token == END
        if bool(ended.all()):
            break
        fed = token.unsqueeze(-1).to(model.device)
    return torch.stack(spoken, dim=1)
