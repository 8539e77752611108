"""Muon: momentum whose steps are made orthogonal, for the weight matrices inside a transformer.

why it is here: at equal CPU time it reaches half the loss of AdamW on the reference base (docs/pipeline.md has the
figures), and torch's own works in bfloat16, which is slow on a CPU, one matrix at a time; this one is float32 and
stacks all matrices of a shape.

Source: K. Jordan, Muon: an optimizer for hidden layers in neural networks (2024); the scale of a step is Moonlight's
(arXiv 2502.16982): 0.2 sqrt(max(rows, columns)), which gives it the size of an AdamW step.
"""

from collections.abc import Iterable
from typing import Any

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Steps matrices of shape (rows, columns); biases, norms and embeddings belong to AdamW."""

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # why: no closure is ever given
        """Move every matrix by one step."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                shapes.setdefault(tuple(matrix.shape), []).append(matrix)
            for shape, matrices in shapes.items():
                self._step(matrices, group["momentum"], 0.2 * max(shape) ** 0.5 * group["lr"])

    def _step(self, matrices: list[torch.nn.Parameter], momentum: float, scale: float) -> None:
        gradient = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
        state = self.state[matrices[0]]
        past = state.setdefault("momentum", torch.zeros_like(gradient))
        past.lerp_(gradient, 1 - momentum)
        for matrix, update in zip(matrices, orthogonal(gradient.lerp(past, momentum)), strict=True):
            matrix.add_(update, alpha=-scale)


def orthogonal(stack: torch.Tensor) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrix to each of `stack`, roughly, by a Newton-Schulz iteration.

    Args:
        stack: Shape (matrices, rows, columns).
    """
    is_tall = stack.shape[1] > stack.shape[2]
    found: torch.Tensor = stack.transpose(1, 2) if is_tall else stack
    found = found / (found.norm(dim=(1, 2), keepdim=True) + 1e-7)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ROUNDS):
        square = found @ found.transpose(1, 2)
        found = linear * found + (cubic * square + quintic * square @ square) @ found
    return found.transpose(1, 2) if is_tall else found
