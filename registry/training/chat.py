"""Conversations as token ids, each marked with whether the model is to learn to say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.ports import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
PAD, BOS, END = 0, 1, 2
ROLE = {"system": 3, "user": 4, "assistant": 5, "tool": 6}
"""Ids of the special tokens: they are the first of the vocabulary, in this order."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and for each whether it is learned: what an assistant says, and that it ends there."""

    ids: tuple[int, ...]
    learned: tuple[bool, ...]


def encode(tokenizer: "Tokenizer", messages: Sequence[Message]) -> Encoded:
    """What the chat template renders, as ids.

    why not through the template: it gives text, and the places where an assistant speaks would be lost. A test holds
    the ids to the rendered text's.
    """
    ids, learned = [BOS], [False]
    for message in messages:
        content = tokenizer.encode(message.content, add_special_tokens=False).ids
        ids += [ROLE[message.role], *content, END]
        learned += [False, *[message.role == "assistant"] * (len(content) + 1)]
    return Encoded(tuple(ids), tuple(learned))


def prompt_ids(tokenizer: "Tokenizer", prompt: str) -> tuple[int, ...]:
    """A user's prompt, up to where the assistant begins to speak."""
    return (*encode(tokenizer, [Message("user", prompt)]).ids, ROLE["assistant"])
