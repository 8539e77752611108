"""The reference engine: transformers and peft, in float64 on the CPU unless told otherwise, without padding.

A reply cannot depend on what it is asked together with: turns are grouped by adapter and by prompt length, so that no
row is ever padded; each row draws from its own seed (see `sampling`); and in float64 the rounding that a kernel's
choice of blocks or threads leaves is some 1e-15, far below any gap between two tokens that matters.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from registry.adapters.engines.sampling import Sampling, choose, parse_sampling
from registry.errors import UsageError
from registry.ports import Message, Reply, Turn

T = TypeVar("T")


class UnknownAdapter(UsageError):
    """A turn asks for an adapter that this engine was not given."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a model are. `adapters` maps a name to a PEFT directory; `template` is Jinja text."""

    base: Path
    tokenizer: Path
    template: str
    adapters: Mapping[str, Path]
    reward_model: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`dtype` names a torch float type; `batch_size` is the most rows at once; neither may change an answer."""

    dtype: str = "float64"
    batch_size: int = 64
    threads: int = 2


@dataclass(slots=True)
class _Row:
    """A reply under way; `turn` is its place in the question."""

    turn: int
    seed: bytes
    prompt: list[int]
    limit: int
    tokens: list[int] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0


class TransformersEngine:
    """Answers turns with a base model and its LoRA adapters, and scores answers with the reward model."""

    def __init__(self, layout: Layout, settings: Settings | None = None) -> None:
        """Load nothing yet: each adapter is merged into a copy of the base when it is first asked for."""
        self._layout, self._settings = layout, settings or Settings()
        self._models: dict[str | None, Any] = {}

    @cached_property
    def device(self) -> str:
        """Where the work is done: CUDA where there is one, else the CPU."""
        import torch

        torch.set_num_threads(self._settings.threads)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def reply(self, turns: Sequence[Turn], sampling: Mapping[str, str]) -> Sequence[Reply]:
        """Answer each turn; see `registry.ports.Engine`.

        Raises:
            UsageError: A sampling setting is wrong, or an adapter unknown.
        """
        how = parse_sampling(sampling)
        rows = [self._row(place, turn) for place, turn in enumerate(turns)]
        for (adapter, _), group in _groups(rows, turns).items():
            for batch in _split(group, self._settings.batch_size):
                self._answer(self._model(adapter), batch, how)
        return [self._told(row) for row in rows]

    def score(self, pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
        """The reward model's logit for each (prompt, answer), as decimal strings with four places.

        Raises:
            UsageError: The engine was made without a reward model.
        """
        import torch

        rows = [self._encode(Message("user", prompt), Message("assistant", answer)) for prompt, answer in pairs]
        scores: dict[int, str] = {}
        for length in sorted({len(row) for row in rows}):
            group = [place for place, row in enumerate(rows) if len(row) == length]
            for batch in _split(group, self._settings.batch_size):
                with torch.inference_mode():
                    logits = self._judge(input_ids=self._tensor([rows[place] for place in batch])).logits[:, 0]
                scores |= {place: f"{float(logit):.4f}" for place, logit in zip(batch, logits, strict=True)}
        return [scores[place] for place in range(len(rows))]

    def _row(self, place: int, turn: Turn) -> _Row:
        text = self._render([_plain(message) for message in turn.messages], add_generation_prompt=True)
        return _Row(place, turn.seed, self._tokenizer(text, add_special_tokens=False)["input_ids"], turn.max_new_tokens)

    def _encode(self, *messages: Message) -> list[int]:
        text = self._render([_plain(message) for message in messages], add_generation_prompt=False)
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _told(self, row: _Row) -> Reply:
        spoken = row.tokens[:-1] if row.finished else row.tokens
        text = self._tokenizer.decode(spoken, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Reply(text, len(row.prompt), len(row.tokens), row.seconds, row.finished)

    def _answer(self, model: Any, rows: Sequence[_Row], how: Sampling) -> None:
        """Let all `rows`, which have prompts of one length, speak until each has ended or reached its limit."""
        import torch

        begun = time.perf_counter()
        live, past, fed = list(rows), None, self._tensor([row.prompt for row in rows])
        with torch.inference_mode():
            while live:
                seen = model(input_ids=fed, past_key_values=past, use_cache=True)
                past = seen.past_key_values
                seeds = [row.seed for row in live]
                chosen = choose(seen.logits[:, -1], seeds, position=len(live[0].tokens), sampling=how).tolist()
                kept = [place for place, row in enumerate(live) if self._goes_on(row, chosen[place], begun)]
                if len(kept) < len(live):
                    past.batch_select_indices(torch.tensor(kept, dtype=torch.long, device=self.device))
                live = [live[place] for place in kept]
                fed = self._tensor([[chosen[place]] for place in kept])

    def _goes_on(self, row: _Row, token: int, begun: float) -> bool:
        row.tokens.append(token)
        row.finished = token in self._ends
        row.seconds = time.perf_counter() - begun
        return not row.finished and len(row.tokens) < row.limit

    def _tensor(self, rows: Sequence[Sequence[int]]) -> Any:
        import torch

        return torch.tensor(rows, dtype=torch.long, device=self.device)

    def _render(self, messages: list[dict[str, str]], *, add_generation_prompt: bool) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages,
                chat_template=self._layout.template,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
            )
        )

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(str(self._layout.tokenizer))

    @cached_property
    def _ends(self) -> frozenset[int]:
        ends = self._model(None).generation_config.eos_token_id
        return frozenset(ends if isinstance(ends, list) else [ends])

    @cached_property
    def _judge(self) -> Any:
        from transformers import AutoModelForSequenceClassification

        if self._layout.reward_model is None:
            raise UsageError("this engine has no reward model", mend="name reward_model_sha in the config")
        return self._loaded(AutoModelForSequenceClassification, self._layout.reward_model)

    def _model(self, adapter: str | None) -> Any:
        """The base, or a copy of it with `adapter` merged in; loaded at the first call."""
        if adapter not in self._models:
            self._models[adapter] = self._with_adapter(adapter)
        return self._models[adapter]

    def _with_adapter(self, adapter: str | None) -> Any:
        from transformers import AutoModelForCausalLM

        model = self._loaded(AutoModelForCausalLM, self._layout.base)
        if adapter is None:
            return model
        if adapter not in self._layout.adapters:
            names = ", ".join(sorted(self._layout.adapters)) or "none"
            raise UnknownAdapter(f"the adapter {adapter!r} is not loaded", why=f"there are: {names}")
        from peft import PeftModel

        tuned = PeftModel.from_pretrained(model, str(self._layout.adapters[adapter]), autocast_adapter_dtype=False)
        return tuned.to(model.dtype).merge_and_unload().eval()

    def _loaded(self, family: Any, place: Path) -> Any:
        import torch

        model = family.from_pretrained(str(place), dtype=getattr(torch, self._settings.dtype), local_files_only=True)
        return model.to(self.device).eval()


def _plain(message: Message) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _groups(rows: Sequence[_Row], turns: Sequence[Turn]) -> dict[tuple[str | None, int], list[_Row]]:
    """Rows by adapter and prompt length, in the order in which they were asked."""
    groups: dict[tuple[str | None, int], list[_Row]] = {}
    for row in rows:
        groups.setdefault((turns[row.turn].adapter, len(row.prompt)), []).append(row)
    return groups


def _split(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]
