"""How the next token is chosen, so that a stranger can choose it again.

For the token at position p (0 is the first token of the reply) of a reply with seed s (32 bytes):

1. z is the row of logits, rounded to float32 (as `generate` of transformers does), then held as float64.
2. If the temperature is 0, the token is the argmax of z; the lowest id wins a tie.
3. Otherwise y = z / temperature; tokens are ranked by y, highest first, the lower id first in a tie; a token is kept
   while the softmax probabilities ranked before it sum to less than top_p (the first is always kept).
4. Each kept token v gets noise g(v) = -ln(-ln(u)), u = (floor(x / 2^11) + 0.5) / 2^53, where x is the big-endian number
   in bytes 8v to 8v+7 of SHAKE-256(s ‖ p as 8 bytes, big-endian).
5. The token is the argmax of y + g over the kept tokens; the lowest id wins a tie.

That is sampling from the kept tokens with their softmax probabilities (the Gumbel-max trick), but the die of a reply is
its own: neither its neighbours in a batch, nor their order, nor another random generator can change it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from registry.errors import UsageError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Sampling:
    """`temperature` is 0 (greedy) or more; `top_p` is in (0, 1]."""

    temperature: float
    top_p: float


def parse_sampling(sampling: Mapping[str, str]) -> Sampling:
    """Read the sampling settings of a manifest.

    Raises:
        UsageError: A setting is missing, unknown, not a decimal, or out of its range.
    """
    if unknown := sorted(set(sampling) - {"temperature", "top_p"}):
        raise UsageError(f"the sampling setting {unknown[0]!r} is unknown", why="this engine has temperature and top_p")
    try:
        temperature, top_p = Decimal(sampling["temperature"]), Decimal(sampling["top_p"])
        is_in_range = 0 <= temperature <= 100 and 0 < top_p <= 1  # why here: comparing NaN is an invalid operation too
    except (KeyError, InvalidOperation):
        raise UsageError("sampling needs temperature and top_p", why="both are decimal numbers, as strings") from None
    if not is_in_range:
        raise UsageError("a sampling setting is out of range", why="temperature is 0 to 100, top_p above 0 to 1")
    return Sampling(float(temperature), float(top_p))


def choose(logits: "torch.Tensor", seeds: Sequence[bytes], *, position: int, sampling: Sampling) -> "torch.Tensor":
    """Choose the next token of each row.

    Args:
        logits: Shape (rows, vocabulary), any float type.
        seeds: 32 bytes for each row.
        position: Tokens already in the reply, from 0.
        sampling: Temperature and top-p.

    Returns:
        Token ids, shape (rows,).
    """
    import torch

    logits = logits.to("cpu", torch.float32).double()
    if sampling.temperature == 0:
        return logits.argmax(-1)
    scaled = logits / sampling.temperature
    ranked, order = scaled.sort(dim=-1, descending=True, stable=True)
    share = torch.softmax(ranked, dim=-1)
    before = share.cumsum(-1) - share
    dropped = torch.zeros_like(scaled, dtype=torch.bool).scatter(-1, order, before >= sampling.top_p)
    noise = torch.stack([_gumbel(seed, position, logits.shape[-1]) for seed in seeds])
    return (scaled + noise).masked_fill(dropped, -torch.inf).argmax(-1)


def _gumbel(seed: bytes, position: int, vocabulary: int) -> "torch.Tensor":
    """One row of noise, shape (vocabulary,), float64."""
    import numpy as np
    import torch

    stream = hashlib.shake_256(seed + position.to_bytes(8)).digest(8 * vocabulary)
    uniform = ((np.frombuffer(stream, ">u8") >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    return torch.from_numpy(-np.log(-np.log(uniform)))


class SeededTopP:
    """The same choice as a logits processor for `generate(do_sample=False, logits_processor=[…])` of transformers.

    `seeds` has one entry for each row of the batch; `prompt_tokens` is the length of the (unpadded) prompt.
    """

    def __init__(self, seeds: Sequence[bytes], prompt_tokens: int, sampling: Mapping[str, str]) -> None:
        self._seeds, self._prompt_tokens, self._sampling = tuple(seeds), prompt_tokens, parse_sampling(sampling)

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> Any:
        """Scores in which only the chosen token of each row is possible."""
        import torch

        position = input_ids.shape[1] - self._prompt_tokens
        chosen = choose(scores, self._seeds, position=position, sampling=self._sampling)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter(-1, chosen.to(scores.device).unsqueeze(-1), 0.0)
