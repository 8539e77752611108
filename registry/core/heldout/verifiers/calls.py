"""Tool calls in what the model said: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry.core.canonical import NotCanonical, load

OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `fault` says why it cannot be read, and then there is no name and there are no arguments."""

    name: str
    arguments: dict[str, Any]
    fault: str = ""


def calls_in(text: str) -> tuple[Call, ...]:
    """Every call of one turn, in order; a mark without its partner is a call that cannot be read."""
    return tuple(_read(body) for body in _bodies(text))


def _bodies(text: str) -> Iterator[str | None]:
    """What stands between the marks; None for a mark without its partner."""
    head, *rest = text.split(OPEN)
    yield from [None] * head.count(CLOSE)
    for part in rest:
        body, *strays = part.split(CLOSE)
        yield body if strays else None
        yield from [None] * (len(strays) - 1)


def _read(body: str | None) -> Call:
    if body is None:
        return Call("", {}, "a <tool_call> mark has no partner")
    try:
        value = load(body.encode("utf-8", "surrogatepass"))
    except NotCanonical as error:
        return Call("", {}, f"not strict JSON: {error.why or error.what}")
    match value:
        case {"name": str(name), "arguments": dict(arguments), **rest} if not rest:
            return Call(name, arguments)
        case _:
            return Call("", {}, "not an object of a name and arguments")
