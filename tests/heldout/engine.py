"""An engine without a model: what it says depends on the turn alone, or breaks on purpose."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from registry.errors import RegistryError
from registry.ports import Reply, Turn

Speak = Callable[[Turn, str], str]


class OutOfMemory(RegistryError):
    """What a real engine says of a turn that it cannot take."""


@dataclass
class HashEngine:
    """Says what `speak` makes of a turn and of the hash of all that the turn holds.

    A prompt with `poison` breaks every batch that it is in. `batches` remembers the size of each.
    """

    speak: Speak
    score_of: Callable[[str, str], str] = lambda prompt, answer: "1.0000"
    batches: list[int] = field(default_factory=list)
    scored: list[tuple[str, str]] = field(default_factory=list)
    seeds: list[bytes] = field(default_factory=list)

    def reply(self, turns: Sequence[Turn], sampling: Mapping[str, str]) -> Sequence[Reply]:
        """One reply for each turn."""
        if any("poison" in turn.messages[0].content for turn in turns):
            raise OutOfMemory("there is no room for this batch")
        self.batches.append(len(turns))
        self.seeds += [turn.seed for turn in turns]
        return [self._reply(turn, sampling) for turn in turns]

    def _reply(self, turn: Turn, sampling: Mapping[str, str]) -> Reply:
        held = repr((turn.messages, turn.adapter, turn.seed, turn.max_new_tokens, sorted(sampling.items())))
        text = self.speak(turn, hashlib.sha256(held.encode("utf-8", "surrogatepass")).hexdigest())
        words = sum(len(message.content.split()) for message in turn.messages)
        return Reply(text, words, len(text.split()), 0.5, finished=True)

    def score(self, pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
        """The score of each pair."""
        self.scored += pairs
        return [self.score_of(prompt, answer) for prompt, answer in pairs]


class Ticking:
    """A clock that is one step further each time somebody looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        """The time, in seconds."""
        self.now += self.step
        return self.now
