"""Training data as lines of JSON: documents to learn from, pairs to prefer, prompts to practise on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from registry.core.canonical import canonical, load
from registry.core.record import Record
from registry.ports import Message


class Line(Record):
    """One message."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Document(Record):
    """A conversation to learn from, and the slice that it belongs to."""

    slice: str
    messages: tuple[Line, ...]

    def conversation(self) -> tuple[Message, ...]:
        """The messages as the trainers pass them around."""
        return tuple(Message(line.role, line.content) for line in self.messages)


class Pair(Record):
    """Two final answers to a prompt; `kind` says what is wrong with the poor one."""

    slice: str
    kind: str
    prompt: str
    good: str
    poor: str


class Exercise(Record):
    """A prompt to practise on, and the right answer."""

    slice: str
    prompt: str
    answer: str


def document(slice_name: str, prompt: str, rest: Sequence[Message]) -> Document:
    """A document from a prompt and the conversation after it."""
    lines = [Line(role="user", content=prompt), *(Line(role=each.role, content=each.content) for each in rest)]
    return Document(slice=slice_name, messages=tuple(lines))


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Write one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(canonical(record.model_dump(mode="json")) + b"\n" for record in records))


def read_lines(path: Path) -> list[Any]:
    """Read what `write_lines` wrote, as plain values: the corpus stage has checked them."""
    return [load(line) for line in path.read_bytes().splitlines()]


def read_conversations(path: Path) -> list[tuple[Message, ...]]:
    """The conversations of a file of documents."""
    rows = read_lines(path)
    return [tuple(Message(line["role"], line["content"]) for line in row["messages"]) for row in rows]
