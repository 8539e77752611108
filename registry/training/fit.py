"""The training loop that base, adapters and reward model share: warm up, cosine down, clip, and keep the curve."""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Loss = Callable[[Any], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Pace:
    """`steps` optimizer steps, of which `warmup` climb to the full learning rate; a cosine takes it to a twentieth."""

    steps: int
    warmup: int

    def at(self, step: int) -> float:
        """The share of the full learning rate at `step`, counted from 0."""
        climbed = min(1.0, (step + 1) / max(1, self.warmup))
        return climbed * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / max(1, self.steps))))


@dataclass(slots=True)
class Curve:
    """The loss of each step, in nats."""

    losses: list[float] = field(default_factory=list)

    @property
    def final(self) -> float:
        """The mean loss of the last tenth of the steps."""
        tail = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(tail) / len(tail)

    def rows(self, points: int = 100) -> list[dict[str, float]]:
        """At most `points` rows of step and mean loss since the row before, for a plot."""
        width = max(1, math.ceil(len(self.losses) / points))
        starts = range(0, len(self.losses), width)
        means = (self.losses[start : start + width] for start in starts)
        return [{"step": start, "loss": sum(part) / len(part)} for start, part in zip(starts, means, strict=True)]


def fit(optimizers: Sequence[torch.optim.Optimizer], batches: Iterator[Any], loss_of: Loss, *, pace: Pace) -> Curve:
    """Take `pace.steps` steps, each on the next of `batches`.

    Args:
        optimizers: Each moves its own parameters; their learning rates are the full ones.
        batches: Whatever `loss_of` understands.
        loss_of: The mean loss of one batch.
        pace: How many steps, and how fast.

    Returns:
        The loss of each step.
    """
    groups = [(group, group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    parameters = [parameter for group, _ in groups for parameter in group["params"]]
    curve = Curve()
    for step in range(pace.steps):
        for group, full in groups:
            group["lr"] = full * pace.at(step)
        loss = loss_of(next(batches))
        loss.backward()  # type: ignore[no-untyped-call]  # why: torch does not annotate it
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        curve.losses.append(loss.item())
        _tell(step, pace.steps, curve)
    return curve


def _tell(step: int, steps: int, curve: Curve) -> None:
    every = max(1, steps // 10)
    if (step + 1) % every == 0 or step + 1 == steps:
        recent = curve.losses[-every:]
        print(f"step {step + 1} of {steps}: loss {sum(recent) / len(recent):.4f}", file=sys.stderr, flush=True)  # noqa: T201
