"""A gate file under reading: the house's strict YAML, with a caret under each fault."""

import re
from dataclasses import dataclass

import yaml

from registry.core.document import Document, read_document
from registry.errors import Faults, RegistryError, UsageError

Pairs = dict[str, tuple[yaml.Node, yaml.Node]]
"""A mapping's key and value nodes, by key."""
Places = tuple[tuple[int, int], ...]
"""Line and column of each letter of a text, counted from 0, and of its end."""


class GateFault(UsageError):
    """One fault of a gate file; `line` and `column` are counted from 1."""

    def __init__(self, fault: RegistryError, *, line: int, column: int, source: str) -> None:
        """Show the place: the line as it stands in the file, and a caret under the column."""
        named = f"line {line}, column {column}: "
        super().__init__(f"{named}{fault.what.removeprefix(named)}", why=fault.why, mend=fault.mend)
        self.line, self.column, self.source = line, column, source

    def __str__(self) -> str:
        """What, then the line with its caret, then why and the mend."""
        parts = [self.what, f"    {self.source}", f"    {' ' * (self.column - 1)}^"]
        parts += [f"  {name}: {text}" for name, text in (("why", self.why), ("mend", self.mend)) if text]
        return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class Marked:
    """One gate file: its nodes, its lines, and the faults found so far."""

    document: Document
    lines: tuple[str, ...]

    @property
    def has_faults(self) -> bool:
        """Whether anything was found so far."""
        return bool(self.document.faults)

    def fault(self, line: int, column: int, what: str, *, mend: str = "") -> None:
        """Note a fault; `line` and `column` are counted from 0, as YAML marks are."""
        self.document.faults.append((line, column, UsageError(what, mend=mend)))

    def fault_at(self, node: yaml.Node, what: str, *, mend: str = "") -> None:
        """Note a fault at the beginning of `node`."""
        mark = node.start_mark
        self.fault(mark.line, mark.column, what, mend=mend)

    def refuse(self) -> None:
        """Raise all faults together, in file order, if there are any.

        Raises:
            Faults: There is at least one.
        """
        ordered = sorted(self.document.faults, key=lambda found: found[:2])
        if ordered:
            raise Faults(self.document.file, [self._shown(*found) for found in ordered])

    def _shown(self, line: int, column: int, fault: RegistryError) -> GateFault:
        source = self.lines[line] if line < len(self.lines) else ""
        return GateFault(fault, line=line + 1, column=column + 1, source=source)


def read_marked(data: bytes, name: str) -> Marked:
    """Read a gate file's nodes; nothing is resolved, so `0.95` stays the text that was written.

    Raises:
        Faults: Not UTF-8, not YAML, too large, a tag, empty, or more than one document.
    """
    document = read_document(data, name)
    return Marked(document, tuple(data.decode().splitlines()))


_QUOTES = ("'", '"')
_NAMED = re.compile(r"([&!]\S*\s+)+")
_FOLD = re.compile(r"[ \t]*\r?\n\s*")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[^\n])")
_BLOCK = re.compile(r"[|>][^\n]*\n[ \n]*")


def text_places(node: yaml.Node) -> Places:
    """Where each letter of a scalar's text stands in the file, and where it ends.

    Quotes, `''` for one quote, escapes, and lines that YAML folds into one take more room in the file than in the text.
    """
    mark, style = node.start_mark, getattr(node, "style", None)
    raw = str(mark.buffer)[mark.pointer : node.end_mark.pointer]
    at = named.end() if (named := _NAMED.match(raw)) else 0
    at = block.end() if style in ("|", ">") and (block := _BLOCK.match(raw, at)) else at + (style in _QUOTES)
    places = [_moved((mark.line, mark.column), raw[:at])]
    for letter in node.value:
        end = _behind(raw, at, letter, style=style)
        places.append(_moved(places[-1], raw[at:end]))
        at = end
    return tuple(places)


def _moved(place: tuple[int, int], over: str) -> tuple[int, int]:
    """The place behind a piece of the file that begins at `place`."""
    line, column = place
    *lines, last = over.split("\n")
    return line + len(lines), len(last) + (0 if lines else column)


def _behind(raw: str, at: int, letter: str, *, style: str | None) -> int:
    """Where the letter that stands at `at` ends in the file."""
    if letter == " " and (fold := _FOLD.match(raw, at)):
        return fold.end()
    if style == '"' and (escape := _ESCAPE.match(raw, at)):
        return escape.end()
    return at + (2 if style == "'" and letter == "'" else 1)
