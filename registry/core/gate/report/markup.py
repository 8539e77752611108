"""HTML and SVG made of Python calls, in which text is escaped unless it was made here."""

import re
from collections.abc import Iterable
from html import escape

from registry.core.visible import visible

_JOINT = re.compile(r"(?<=[({])|(?=\.[a-z])")
_EMPTY = frozenset({"meta", "link", "line", "rect", "circle", "path", "wbr"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *inside: str, **attributes: str) -> Markup:
    """One element.

    Args:
        name: The element's name.
        inside: What stands in it; whatever is no `Markup` is escaped.
        attributes: `_` is written as `-`, one at the end is left out (`class_`), and an empty value leaves the
            attribute out.
    """
    head = "".join(f' {_attribute(key)}="{_escaped(value)}"' for key, value in attributes.items() if value)
    if name in _EMPTY:
        return Markup(f"<{name}{head}/>")
    return Markup(f"<{name}{head}>{join(inside)}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Parts one after the other; whatever is no `Markup` is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else _escaped(part) for part in parts))


def breakable(text: str) -> Markup:
    """A long name that may be broken at its joints."""
    pieces = _JOINT.split(text)
    return join([part for piece in pieces for part in (piece, tag("wbr"))][:-1])


def _escaped(text: str) -> str:
    return escape(visible(text))


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
