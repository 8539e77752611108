"""The document: a YAML or JSON file that a person wrote, as nodes that know their line and column.

Numbers stay the text that was typed (`0.20` is not rounded through a float, `3.10` stays a version), no key may stand
twice, and every fault is gathered, so that a file is mended in one go.
"""

import json
import unicodedata
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

import yaml

from registry.errors import Faults, RegistryError, UsageError, refuse

Read = TypeVar("Read")

MAX_BYTES = 1024 * 1024
SHOWN = 40
"""Of the known words so many are listed; a suite has thousands of cases."""
_TYPED = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "timestamp")}
_NULL = "tag:yaml.org,2002:null"
_PLAIN = {*_TYPED, _NULL, *(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "map", "seq", "merge", "value"))}


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that `word` was probably meant to be, or an empty string."""
    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A mend that names the nearest known word, or lists them, up to `SHOWN`, if none is near."""
    if near := nearest(word, known):
        return f"did you mean {near!r}?"
    shown, rest = sorted(known)[:SHOWN], len(known) - SHOWN
    return f"known: {', '.join(shown)}{f', and {rest:,} more' if rest > 0 else ''}" if known else ""


@dataclass(slots=True)
class Document:
    """One file under reading: what it holds, and the faults found so far."""

    file: str
    root: yaml.Node
    faults: list[tuple[int, int, RegistryError]] = field(default_factory=list)

    def fault(self, node: yaml.Node, what: str, **parts: str) -> None:
        """Note a fault at `node`; `parts` are `why` and `mend`."""
        mark = node.start_mark
        self.faults.append((mark.line, mark.column, UsageError(f"{place(mark)}: {what}", **parts)))

    def finish(self) -> None:
        """Raise every fault, in file order, if there are any."""
        refuse(self.file, [fault for *_, fault in sorted(self.faults, key=lambda found: found[:2])])

    def mapping(self, node: yaml.Node, known: Collection[str] | None = None) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The key and value nodes of a mapping; without `known` any key is taken. Null values count as absent."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value in self._pairs(node):
            key = self.text(key_node)
            if key is None:
                continue
            if key in found:
                self.fault(key_node, f"the key {key!r} stands twice", why=f"first at {place(found[key][0].start_mark)}")
            elif known is not None and key not in known:
                self.fault(key_node, f"there is no key {key!r}", mend=did_you_mean(key, known))
            else:
                found[key] = (key_node, value)
        return {key: pair for key, pair in found.items() if pair[1].tag != _NULL}

    def sequence(self, node: yaml.Node) -> tuple[yaml.Node, ...]:
        """The nodes of a list; anything else is a fault."""
        if isinstance(node, yaml.SequenceNode):
            return tuple(node.value)
        self.fault(node, f"a list is wanted here, not {_called(node)}")
        return ()

    def text(self, node: yaml.Node) -> str | None:
        """The text of a scalar, as typed; None after noting a fault."""
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _TYPED:
            mend = "put it in quotes" if isinstance(node, yaml.ScalarNode) else ""
            self.fault(node, f"text is wanted here, not {_called(node)}", mend=mend)
            return None
        try:
            # why: JSON spells one letter beyond U+FFFF as two escapes, which YAML reads as two halves.
            text = str(node.value).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.fault(node, "a text holds a lone surrogate", why="it has no UTF-8 form")
            return None
        return self._printable(node, text)

    def attempt(self, node: yaml.Node, read: Callable[[str], Read]) -> Read | None:
        """`read` the text of `node`; its complaint becomes a fault at this place."""
        if (text := self.text(node)) is None:
            return None
        try:
            return read(text)
        except UsageError as error:
            self.fault(node, error.what, why=error.why, mend=error.mend)
            return None

    def _printable(self, node: yaml.Node, text: str) -> str | None:
        if text and text.strip() == text and not any(unicodedata.category(letter) == "Cc" for letter in text):
            return text
        self.fault(node, f"{text!r} is not a plain text", why="it is empty, or has a control character or outer spaces")
        return None

    def _pairs(self, node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        if isinstance(node, yaml.MappingNode):
            yield from node.value
        else:
            self.fault(node, f"a mapping is wanted here, not {_called(node)}")


def read_document(data: bytes, file: str) -> Document:
    """Read a YAML file, or a JSON file where `file` ends in `.json`.

    Raises:
        Faults: Not UTF-8, a byte-order mark, too large, not YAML or JSON, NaN, empty, or more than one document.
    """
    text = _text_of(data, file)
    if file.endswith(".json"):
        _check_json(text, file)
        # why: PyYAML takes JSON but for tabs between tokens; one space for one tab keeps each column.
        text = text.replace("\t", " ")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        where = place(error.problem_mark) if error.problem_mark else "somewhere"
        _refuse(file, f"{where}: this is not YAML", why=str(error.problem or error.context))
    except (yaml.YAMLError, RecursionError) as error:
        _refuse(file, "this is not YAML", why=" ".join(str(error).split()) or type(error).__name__)
    if root is None:
        _refuse(file, "the file is empty")
    if (odd := _odd_tag(root)) is not None:
        _refuse(file, f"{place(odd.start_mark)}: the tag {odd.tag} is not taken", why="a config is plain data")
    return Document(file, root)


def place(mark: Any) -> str:
    """`line 3, column 5`, counted from 1, of a mark in a document."""
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _text_of(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        _refuse(file, "the file is too large", why=f"{len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        _refuse(file, "the file is not UTF-8", why=f"byte {error.start} is {data[error.start]:#04x}")
    if text.startswith("\ufeff"):
        _refuse(file, "the file starts with a byte-order mark", mend="save it as UTF-8 without one")
    return text


def _check_json(text: str, file: str) -> None:
    def no_number(spelling: str) -> NoReturn:
        _refuse(file, f"the number {spelling} is not allowed", why="JSON has no such number")

    try:
        json.loads(text, parse_constant=no_number, parse_float=str, parse_int=str)
    except json.JSONDecodeError as error:
        _refuse(file, f"line {error.lineno}, column {error.colno}: this is not JSON", why=error.msg)
    except RecursionError:
        _refuse(file, "the file is nested too deep")


def _odd_tag(root: yaml.Node) -> yaml.Node | None:
    """The first node with a tag that plain data does not have."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node.tag not in _PLAIN:
            return node
        # why: an anchor may hold itself; each node is looked at once.
        if id(node) not in seen and not isinstance(node, yaml.ScalarNode):
            seen.add(id(node))
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            waiting.extend(parts)
    return None


def _called(node: yaml.Node) -> str:
    match node:
        case yaml.MappingNode():
            return "a mapping"
        case yaml.SequenceNode():
            return "a list"
        case _:
            return "nothing" if node.tag == _NULL else f"{node.value!r}"


def _refuse(file: str, what: str, **parts: str) -> NoReturn:
    raise Faults(file, [UsageError(what, **parts)])
