"""Adapters: LoRA on every linear layer of the base, by peft."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from registry.training.artefact import settle
from registry.training.chat import Encoded
from registry.training.fit import Curve, Pace, fit
from registry.training.language import drawn, language_loss
from registry.training.settings import AdapterSettings

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def new_adapter(base: Any, settings: AdapterSettings) -> Any:
    """`base` with an untrained adapter; only the adapter's weights will move."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"
    )
    return get_peft_model(base, config)


def load_adapter(base: Any, directory: Path) -> Any:
    """`base` with the adapter of `directory`, ready to be trained further."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, str(directory), is_trainable=True)


def tune(model: Any, examples: Sequence[Encoded], settings: AdapterSettings, *, steps: int) -> Curve:
    """Fine-tune the adapter on what the assistant says in `examples`."""
    model.train()
    optimizer = torch.optim.AdamW(trainable(model), lr=settings.lr, betas=(0.9, 0.98), weight_decay=0.0)
    batches = drawn(examples, settings.batch_tokens, f"adapter/{settings.seed}")
    inner = model.get_base_model()
    return fit([optimizer], batches, lambda batch: language_loss(inner, batch), pace=Pace(steps, settings.warmup))


def trainable(model: Any) -> list[torch.nn.Parameter]:
    """The parameters that move."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save_adapter(model: Any, directory: Path) -> None:
    """Write the adapter as peft does, with settled bytes."""
    model.save_pretrained(str(directory))
    settle(directory)
