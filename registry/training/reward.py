"""The reward model: the base with a scalar head, trained on pairs to prefer the good answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from registry.training.batches import padded
from registry.training.chat import Encoded
from registry.training.die import shuffled
from registry.training.fit import Curve, Pace, fit
from registry.training.llama import mixed_optimizers
from registry.training.settings import RewardSettings


@dataclass(frozen=True, slots=True)
class Preference:
    """The two conversations of a pair, and what is wrong with the poor one."""

    kind: str
    good: Encoded
    poor: Encoded


def new_reward_model(base: Path, device: str) -> Any:
    """The base's body under a new head that gives one number, 0 for everything at first.

    The number is read at the last token: `<|end|>` of the answer.
    """
    from transformers.models.auto.modeling_auto import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(
        str(base), num_labels=1, dtype=torch.float32, local_files_only=True
    )
    torch.nn.init.zeros_(model.score.weight)
    return model.to(device)


def train_reward(model: Any, preferences: Sequence[Preference], settings: RewardSettings) -> Curve:
    """Train every weight to give the good answer the larger number, and the two of a pair numbers around 0."""
    model.train()
    batches = _drawn(preferences, settings)
    optimizers = mixed_optimizers(model, settings.matrix_lr, settings.other_lr)
    pace = Pace(settings.steps, settings.warmup)
    return fit(optimizers, batches, lambda batch: _loss(model, batch, settings.centring), pace=pace)


def _loss(model: Any, batch: Sequence[Preference], centring: float) -> torch.Tensor:
    """Bradley-Terry: -ln sigmoid(good - poor), plus `centring` times (good + poor) squared, so that 0 parts the two."""
    rewards = rewards_of(model, [pair.good for pair in batch] + [pair.poor for pair in batch])
    good, poor = rewards[: len(batch)], rewards[len(batch) :]
    return (-torch.nn.functional.logsigmoid(good - poor) + centring * (good + poor) ** 2).mean()


def rewards_of(model: Any, answers: Sequence[Encoded]) -> torch.Tensor:
    """The number that the model gives each answer, shape (answers,)."""
    ids, _ = padded(answers)
    return model(input_ids=torch.tensor(ids, device=model.device), use_cache=False).logits[:, 0]  # type: ignore[no-any-return]


def _drawn(preferences: Sequence[Preference], settings: RewardSettings) -> Any:
    epoch = 0
    while True:
        order = shuffled(preferences, f"reward/{settings.seed}/{epoch}")
        for start in range(0, len(order) - settings.pairs + 1, settings.pairs):
            yield order[start : start + settings.pairs]
        epoch += 1


def accuracy(model: Any, preferences: Sequence[Preference]) -> dict[str, float]:
    """How often the good answer wins, how often 0 parts the two, and how often the good one wins by kind of fault."""
    model.eval()
    with torch.inference_mode():
        rewards = [rewards_of(model, [pair.good, pair.poor]).tolist() for pair in preferences]
    wins: dict[str, list[bool]] = {}
    for pair, (good, poor) in zip(preferences, rewards, strict=True):
        wins.setdefault(pair.kind, []).append(good > poor)
    count = len(preferences)
    return {
        "pair_accuracy": sum(good > poor for good, poor in rewards) / count,
        "parted_by_zero": sum(good >= 0 > poor for good, poor in rewards) / count,
        **{f"pair_accuracy_{kind.replace(' ', '_')}": sum(won) / len(won) for kind, won in sorted(wins.items())},
    }
