"""GRPO: practise on prompts, and make likelier what the verifiers like better than its siblings.

Each step samples a group of answers to each prompt, gives every answer a reward from two verifiers (the number is
right; the tag is well formed), and moves the adapter along (reward - mean of its group) / deviation of its group. One
update for each sample, so the policy that is moved is the one that spoke: no ratio, no clipping. No KL term: steps are
few and small.

Source: Z. Shao et al., DeepSeekMath (arXiv 2402.03300), section 4.1; the sum over tokens is divided by one length for
all answers, as in Dr. GRPO (arXiv 2503.20783), so that long wrong answers are not favoured.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from registry.training.chat import END, PAD
from registry.training.die import Die
from registry.training.fit import Pace
from registry.training.lora import trainable
from registry.training.rollout import sample
from registry.training.settings import RlSettings

Judge = Callable[[str, str], tuple[bool, bool]]
"""(answer given, answer wanted) -> (is right, is well formed)."""


@dataclass(frozen=True, slots=True)
class Practice:
    """A prompt as token ids, and the right answer."""

    prompt: tuple[int, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one step saw: the share of right and of well-formed answers, and the mean length in tokens."""

    right: float
    formed: float
    length: float


def practise(
    model: Any, exercises: Sequence[Practice], judge: Judge, *, decode: Callable[[list[int]], str], settings: RlSettings
) -> list[Step]:
    """Move the adapter of `model`; returns what each step saw, in order."""
    optimizer = torch.optim.AdamW(trainable(model), lr=settings.lr, weight_decay=0.0)
    pace, steps = Pace(settings.steps, settings.warmup), []
    for number, group in zip(range(settings.steps), _drawn(exercises, settings), strict=False):
        prompts = [practice.prompt for practice in group for _ in range(settings.group)]
        wanted = [practice.answer for practice in group for _ in range(settings.group)]
        model.eval()
        answers = sample(
            model, prompts, settings.max_new_tokens, temperature=settings.temperature, seed=settings.seed + number
        )
        marks = [judge(decode(_spoken(row)), want) for row, want in zip(answers.tolist(), wanted, strict=True)]
        steps.append(_seen(marks, answers))
        optimizer.param_groups[0]["lr"] = settings.lr * pace.at(number)
        _update(model, optimizer, said=(prompts, answers), gain=advantages(marks, settings))
        _tell(number, settings.steps, steps)
    return steps


def advantages(marks: Sequence[tuple[bool, bool]], settings: RlSettings) -> torch.Tensor:
    """How much better each answer is than its group, in deviations of the group; 0 where all of a group are alike."""
    rewards = torch.tensor([float(right) + settings.format_weight * float(formed) for right, formed in marks])
    groups = rewards.view(-1, settings.group)
    spread = groups.std(dim=1, keepdim=True, correction=0)
    return ((groups - groups.mean(dim=1, keepdim=True)) / (spread + 1e-4)).view(-1)


def _update(
    model: Any,
    optimizer: torch.optim.Optimizer,
    *,
    said: tuple[Sequence[Sequence[int]], torch.Tensor],
    gain: torch.Tensor,
) -> None:
    prompts, answers = torch.tensor(said[0], device=model.device), said[1].to(model.device)
    ids = torch.cat([prompts, answers], dim=1)
    logits = model(input_ids=ids, use_cache=False).logits[:, prompts.shape[1] - 1 : -1]
    chosen = torch.log_softmax(logits, dim=-1).gather(-1, answers.unsqueeze(-1))[..., 0]
    weight = gain.to(model.device).unsqueeze(-1) * (answers != PAD)
    loss = -(weight * chosen).sum() / (answers != PAD).sum()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]  # why: torch does not annotate it
    torch.nn.utils.clip_grad_norm_(trainable(model), 1.0)
    optimizer.step()


def _drawn(exercises: Sequence[Practice], settings: RlSettings) -> Iterator[list[Practice]]:
    """Prompts of each step, all of one length; a length is as likely as it has exercises."""
    lengths: dict[int, list[Practice]] = defaultdict(list)
    for practice in exercises:
        lengths[len(practice.prompt)].append(practice)
    die = Die(f"rl/{settings.seed}")
    while True:
        bucket = lengths[len(die.pick(exercises).prompt)]
        yield [die.pick(bucket) for _ in range(settings.prompts)]


def _spoken(row: list[int]) -> list[int]:
    """The answer's tokens before its end."""
    return row[: row.index(END)] if END in row else [token for token in row if token != PAD]


def _seen(marks: Sequence[tuple[bool, bool]], answers: torch.Tensor) -> Step:
    count = len(marks)
    right, formed = sum(mark[0] for mark in marks), sum(mark[1] for mark in marks)
    return Step(right / count, formed / count, float((answers != PAD).sum()) / count)


def _tell(number: int, steps: int, seen: Sequence[Step]) -> None:
    if (number + 1) % max(1, steps // 10) == 0 or number + 1 == steps:
        step = seen[-1]
        told = f"right {step.right:.2f}, formed {step.formed:.2f}, {step.length:.0f} tokens"
        print(f"step {number + 1} of {steps}: {told}", file=sys.stderr, flush=True)  # noqa: T201
