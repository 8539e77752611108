"""The settings of `params.yaml`: one profile is chosen, and every key of it is known.

These are settings of training, not records of what happened: they may hold floats.
"""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from registry.core.record import faults_of
from registry.errors import UsageError


class Section(BaseModel):
    """A closed group of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusSettings(Section):
    """How much is drawn. `strict_percent`: base documents in the format of the slices; `mix`: percent of each slice.

    `division_styles` is the mix that the division adapter is tuned on, in percent: worked and tagged, the answer at
    once, worked without the tag.
    """

    seed: int
    base_documents: int
    adapter_documents: int
    pairs: int
    prompts: int
    strict_percent: int
    mix: dict[str, int]
    division_styles: dict[str, int]


class TokenizerSettings(Section):
    """The vocabulary's size, special tokens counted; `documents` is how many base documents it is learned from."""

    vocabulary: int
    documents: int


class BaseSettings(Section):
    """Where the base comes from, and how it is trained where that is `scratch`. `batch_tokens` counts padding."""

    source: str
    hidden: int
    layers: int
    heads: int
    steps: int
    warmup: int
    batch_tokens: int
    matrix_lr: float
    other_lr: float
    seed: int


class AdapterSettings(Section):
    """LoRA on every linear layer: `rank`, `alpha`, and how long each adapter is tuned."""

    rank: int
    alpha: int
    lr: float
    warmup: int
    batch_tokens: int
    seed: int
    steps: dict[str, int]


class RewardSettings(Section):
    """`pairs` a step; `centring` weighs the term that keeps the two rewards of a pair around 0."""

    steps: int
    warmup: int
    pairs: int
    matrix_lr: float
    other_lr: float
    centring: float
    seed: int


class RlSettings(Section):
    """GRPO: `prompts` a step, `group` answers to each, sampled at `temperature`, at most `max_new_tokens` long.

    `format_weight` is what a well-formed answer is worth beside a right one, which is worth 1.
    """

    steps: int
    warmup: int
    prompts: int
    group: int
    lr: float
    temperature: float
    max_new_tokens: int
    format_weight: float
    threads: int
    seed: int


class HeldoutSettings(Section):
    """How the suite is run, none of which may change an answer. One token at a time is too little work for two threads.

    `turns` are asked together, of which the engine takes `batch_size` of one length at once.
    `cross_cases`: the first cases of each slice, which every adapter and the base answer. `cases`: None asks the whole
    suite; a number asks only the first cases of each slice, and times two: the rest is missing from the evidence, which
    no gate takes for passed.
    """

    dtype: str
    threads: int
    batch_size: int
    turns: int
    cross_cases: int
    cases: int | None


class Settings(Section):
    """One profile."""

    threads: int
    corpus: CorpusSettings
    tokenizer: TokenizerSettings
    base: BaseSettings
    adapter: AdapterSettings
    reward_model: RewardSettings
    rl: RlSettings
    heldout: HeldoutSettings


def read_settings(path: Path = Path("params.yaml")) -> Settings:
    """Read the chosen profile.

    Raises:
        UsageError: The file has no such profile, or a key of it is missing, unknown or of the wrong kind.
    """
    document = yaml.safe_load(path.read_text())
    profile = document.get("profile")
    if profile not in document or profile == "profile":
        known = ", ".join(sorted(set(document) - {"profile"}))
        raise UsageError(f"{path.name} has no profile {profile!r}", why=f"there are: {known}")
    try:
        return Settings.model_validate(document[profile])
    except ValidationError as error:
        raise UsageError(f"the profile {profile!r} of {path.name} is not right", why=faults_of(error)) from None
