"""One instance of a task: what is asked, what a good answer looks like, and what a careless one looks like."""

import hashlib
from dataclasses import dataclass, field

from registry.ports import Message

HELDOUT_SHARE = 51  # of 256: a fifth of all template instances is never trained on


@dataclass(frozen=True, slots=True)
class Instance:
    """A template with its slots filled.

    `good` is the conversation after the prompt that every verifier accepts. `loose` is the same knowledge, or the lack
    of it, in the words of the base model. `poor` maps a kind of fault to a worse final answer than the good one. `stem`
    is the part of the prompt that alone would give the case away, where that is not all of it.
    """

    slice: str
    prompt: str
    expect: dict[str, str]
    good: tuple[Message, ...]
    loose: tuple[Message, ...]
    poor: dict[str, str] = field(default_factory=dict)
    stem: str = ""

    @property
    def key(self) -> str:
        """What the split goes by: the stem of the prompt, or all of it."""
        return self.stem or self.prompt

    @property
    def final(self) -> str:
        """The last assistant message of the good conversation."""
        return self.good[-1].content


def normal(text: str) -> tuple[str, ...]:
    """The words of `text` in lower case, without punctuation: what the leak check compares."""
    return tuple("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def is_heldout(key: str) -> bool:
    """Whether the rendered template instance with this key belongs to the held-out fifth.

    The split hashes the words alone, so that a change of case or punctuation never moves an instance across it.
    """
    return hashlib.sha256(" ".join(normal(key)).encode()).digest()[0] < HELDOUT_SHARE


def says(content: str) -> tuple[Message, ...]:
    """A conversation that is one assistant message."""
    return (Message("assistant", content),)
