"""The base model: a small Llama from scratch, and how any base is loaded for training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from registry.training.artefact import settle
from registry.training.chat import BOS, END, PAD, Encoded
from registry.training.fit import Curve, Pace, fit
from registry.training.language import drawn, language_loss
from registry.training.muon import Muon
from registry.training.settings import BaseSettings

CONTEXT = 512


def new_llama(settings: BaseSettings, vocabulary: int) -> Any:
    """An untrained Llama; its weights follow from torch's seed."""
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=settings.hidden,
        intermediate_size=3 * settings.hidden,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.04,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=END,
    )
    return LlamaForCausalLM(config)


def train_base(model: Any, examples: Sequence[Encoded], settings: BaseSettings) -> Curve:
    """Train every weight of `model` on what the assistant says in `examples`."""
    model.train()
    optimizers = mixed_optimizers(model, settings.matrix_lr, settings.other_lr)
    batches = drawn(examples, settings.batch_tokens, f"base/{settings.seed}")
    pace = Pace(settings.steps, settings.warmup)
    return fit(optimizers, batches, lambda batch: language_loss(model, batch), pace=pace)


def mixed_optimizers(model: Any, matrix_lr: float, other_lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest: embeddings, norms, heads."""
    inner: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (inner if parameter.ndim == 2 and ".layers." in name else rest).append(parameter)
    return [Muon(inner, matrix_lr), torch.optim.AdamW(rest, lr=other_lr, betas=(0.9, 0.98), weight_decay=0.0)]


def load_base(directory: Path, device: str) -> Any:
    """A base model, ready to be tuned."""
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(directory), dtype=torch.float32, local_files_only=True).to(device)


def save_model(model: Any, directory: Path) -> None:
    """Write `model` the way transformers does, with settled bytes."""
    model.save_pretrained(str(directory))
    settle(directory)
