"""A person's YAML file, read strictly: plain values only, every fault with its line, column and caret."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from registry.errors import Faults, RegistryError, UsageError

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

MAX_BYTES = 1024 * 1024
_SURROGATE = re.compile("[\ud800-\udfff]")


class GateFault(UsageError):
    """One fault of a gate file; `line` and `column` are counted from 1."""

    def __init__(self, what: str, *, line: int, column: int, source: str, mend: str = "") -> None:
        """Show the place: the line as it stands in the file, and a caret under the column."""
        caret = f"{source}\n{' ' * (column - 1)}^" if source else ""
        super().__init__(f"line {line}, column {column}: {what}", why=caret, mend=mend)
        self.line, self.column = line, column

    def __str__(self) -> str:
        """What, then the line with its caret, then the mend."""
        shown = "".join(f"\n    {line}" for line in self.why.splitlines())
        return f"{self.what}{shown}" + (f"\n  mend: {self.mend}" if self.mend else "")


class Mark(Protocol):
    """A place in a file, counted from 0, as YAML tells it."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """The lines of one file, and the faults found in it so far."""

    name: str
    lines: tuple[str, ...]
    faults: list[GateFault] = field(default_factory=list)

    def fault(self, line: int, column: int, what: str, *, mend: str = "") -> None:
        """Note a fault; `line` and `column` are counted from 0, as YAML marks are."""
        source = self.lines[line] if line < len(self.lines) else ""
        self.faults.append(GateFault(what, line=line + 1, column=column + 1, source=source, mend=mend))

    def fault_near(self, mark: Mark | None, what: str, *, mend: str = "") -> None:
        """Note a fault at a mark; without one, at the beginning of the file."""
        self.fault(*((mark.line, mark.column) if mark else (0, 0)), what, mend=mend)

    def fault_at(self, node: "Node", what: str, *, mend: str = "") -> None:
        """Note a fault at the beginning of `node`."""
        self.fault_near(node.start_mark, what, mend=mend)

    def refuse(self) -> None:
        """Raise all faults together, in file order, if there are any.

        Raises:
            Faults: There is at least one.
        """
        if self.faults:
            raise self.refusal()

    def refusal(self) -> Faults:
        """All faults together, in file order; there is at least one."""
        ordered = sorted(self.faults, key=lambda fault: (fault.line, fault.column))
        return Faults(self.name, tuple[RegistryError, ...](ordered))


def open_document(data: bytes, name: str) -> "tuple[Document, MappingNode]":
    """Read the file's nodes; nothing is resolved, so `0.95` stays the text that was written.

    Raises:
        Faults: Not UTF-8, not YAML, too large, an alias, a tag, more than one document, or not a mapping.
    """
    import yaml
    from yaml.nodes import MappingNode

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Faults(name, [UsageError("it is not UTF-8", why=str(error))]) from None
    if len(data) > MAX_BYTES:
        raise Faults(name, [UsageError(f"it has {len(data)} bytes", why=f"at most {MAX_BYTES} are read")])
    document = Document(name, tuple(text.splitlines()))
    try:
        _refuse_tricks(document, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        document.fault_near(
            getattr(error, "problem_mark", None), f"not YAML: {getattr(error, 'problem', None) or error}"
        )
        node = None
    except RecursionError:
        document.fault(0, 0, "the file is nested too deep")
        node = None
    document.refuse()
    if isinstance(node, MappingNode):
        return document, node
    document.fault(0, 0, "a gate file is a mapping", mend="begin with `form: registry.gate/1`")
    raise document.refusal()


def _refuse_tricks(document: Document, text: str) -> None:
    """Aliases and tags can make a file mean something else than it shows."""
    import yaml

    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            document.fault_near(event.start_mark, "anchors and aliases are not read here")
        elif getattr(event, "tag", None):
            document.fault_near(event.start_mark, "tags are not read here")


def entries(document: Document, node: "MappingNode") -> "dict[str, tuple[Node, Node]]":
    """A mapping's values with their keys, by name; a key twice is a fault."""
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        name = text_of(document, key)
        if name is None:
            continue
        if name in found:
            document.fault_at(key, f"the key {name!r} stands twice")
        elif not name.isascii() or not name.isprintable() or len(name) > 256:
            document.fault_at(key, "a key is up to 256 printable ASCII characters")
        else:
            found[name] = (key, value)
    return found


def text_of(document: Document, node: "Node") -> str | None:
    """A scalar as it was written, or None with a fault."""
    from yaml.nodes import ScalarNode

    is_empty = isinstance(node, ScalarNode) and node.style is None and node.value in {"", "~", "null"}
    if isinstance(node, ScalarNode) and not is_empty and not _SURROGATE.search(node.value):
        return str(node.value)
    document.fault_at(node, "a single value is wanted here")
    return None


def items_of(document: Document, node: "Node") -> "list[Node]":
    """A list's items, or none with a fault."""
    from yaml.nodes import SequenceNode

    if isinstance(node, SequenceNode):
        return list(node.value)
    document.fault_at(node, "a list is wanted here")
    return []


def mapping_of(document: Document, node: "Node") -> "dict[str, tuple[Node, Node]]":
    """A mapping's entries, or none with a fault."""
    from yaml.nodes import MappingNode

    if isinstance(node, MappingNode):
        return entries(document, node)
    document.fault_at(node, "a mapping is wanted here")
    return {}
