"""The slice: one set of cases, how they are asked, and the verifiers that judge the answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from registry.core.document import Document, did_you_mean, read_document
from registry.core.heldout.case import Value
from registry.core.heldout.needs import fault_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.pin import Name
from registry.core.record import Record
from registry.errors import UsageError

_COUNTS = ("samples", "max_new_tokens", "max_steps", "timed")
_TEXTS = ("form", "name", "behaviour", "fixtures")
_KEYS = (*_TEXTS, *_COUNTS, "tools", "verifiers")


class VerifierCall(Record):
    """One verifier as a slice uses it; its arguments are data, never code."""

    name: Name
    arguments: dict[str, Value] = {}


class Slice(Record):
    """One `slice.yaml`. A row succeeds when every verifier of its slice passes.

    `samples` is how often each case is asked, `max_new_tokens` bounds one turn of the model, `max_steps` its turns;
    more than one means that the tool loop is on. `timed` is how many cases, from the first, are asked a second time,
    alone, to measure latency and cost; None means all of them.
    """

    form: Literal["registry.slice/1"]
    name: Name
    behaviour: str
    samples: Annotated[int, Field(ge=1)] = 1
    max_new_tokens: Annotated[int, Field(ge=1)]
    max_steps: Annotated[int, Field(ge=1)] = 1
    timed: Annotated[int, Field(ge=1)] | None = None
    tools: tuple[Name, ...] = ()
    fixtures: str | None = None
    verifiers: tuple[VerifierCall, ...]


def slice_of(data: bytes, directory: str, files: Mapping[str, bytes]) -> Slice:
    """Read a `slice.yaml`.

    Args:
        data: Its bytes.
        directory: The name of the directory that it stands in, which must be the slice's.
        files: The files of that directory, by path inside it.

    Raises:
        Faults: Every fault of the file, with its line.
        MalformedRecord: A value has the right kind and is out of its range.
    """
    document = read_document(data, "slice.yaml")
    found = _SliceFile(document, directory, files).read()
    document.finish()
    return Slice.of(found)


@dataclass(frozen=True, slots=True)
class _SliceFile:
    """A slice file under reading; faults are noted in the document."""

    document: Document
    directory: str
    files: Mapping[str, bytes]

    def read(self) -> dict[str, Any]:
        document = self.document
        pairs = document.mapping(document.root, _KEYS)
        found: dict[str, Any] = {key: self.of(pairs, key, document.text) for key in _TEXTS}
        found |= {key: self.of(pairs, key, self.count) for key in _COUNTS}
        found["tools"] = self.of(pairs, "tools", self.texts)
        found["verifiers"] = self.of(pairs, "verifiers", self.calls)
        for key in ("form", "name", "behaviour", "max_new_tokens", "verifiers"):
            if key not in pairs:
                document.fault(document.root, f"the key {key!r} is missing")
        if found["name"] and found["name"] != self.directory:
            document.fault(pairs["name"][1], f"the slice is called {found['name']!r} and stands in {self.directory!r}")
        return {key: value for key, value in found.items() if value is not None}

    def of(self, pairs: Mapping[str, tuple[yaml.Node, yaml.Node]], key: str, read: Callable[[yaml.Node], Any]) -> Any:
        return read(pairs[key][1]) if key in pairs else None

    def count(self, node: yaml.Node) -> int | None:
        return self.document.attempt(node, _count)

    def texts(self, node: yaml.Node) -> tuple[str, ...]:
        return tuple(text for item in self.document.sequence(node) if (text := self.document.text(item)))

    def calls(self, node: yaml.Node) -> list[dict[str, Any]]:
        nodes = self.document.sequence(node)
        if not nodes:
            self.document.fault(node, "a slice without verifiers would pass everything")
        calls = [call for item in nodes if (call := self.call(item))]
        names = [call["name"] for call in calls]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.document.fault(node, f"the verifier {name} stands twice", why="a row has one finding of each")
        return calls

    def call(self, node: yaml.Node) -> dict[str, Any] | None:
        """One verifier with its arguments, each checked for its kind; None after noting a fault."""
        document = self.document
        pairs = document.mapping(node, ("name", "arguments"))
        name = self.of(pairs, "name", document.text)
        if name not in VERIFIERS:
            document.fault(node, f"there is no verifier {name!r}", mend=did_you_mean(str(name), VERIFIERS))
            return None
        needs = {need.key: need for need in VERIFIERS[name].arguments}
        given = document.mapping(pairs["arguments"][1], needs) if "arguments" in pairs else {}
        values = {key: self.value(value) for key, (_, value) in given.items()}
        for need in needs.values():
            fault = fault_of(need, values.get(need.key), self.files)
            if fault and not (need.is_optional and need.key not in values):
                document.fault(node, f"{name} needs the argument {need.key!r}", why=fault)
        return {"name": name, "arguments": values}

    def value(self, node: yaml.Node) -> Value | None:
        return self.texts(node) if isinstance(node, yaml.SequenceNode) else self.document.text(node)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise UsageError(f"{text!r} is not a whole number")
    return int(text)
