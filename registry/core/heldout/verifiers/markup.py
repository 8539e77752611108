"""Marks in an answer: tags such as `<answer>…</answer>`, and fenced blocks of code. Every scan is linear."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^`]*)\Z")
_PYTHON = frozenset({"", "python", "py", "python3"})


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the first word behind the opening fence, in lower case, and the lines inside."""

    language: str
    text: str


def inside(text: str, tag: str) -> str | None:
    """What stands inside the one well-formed `<tag>…</tag>` of `text`, without outer white space.

    Well-formed means: exactly one `<tag>` and one `</tag>`, in this order, with something between that is not white
    space, and nowhere else anything like either of them (`<TAG>`, `< tag>`, `<tag x="1">`, `</tag >`).
    """
    # why: bounded white space; an unbounded run before an optional slash would backtrack quadratically.
    marks = re.findall(rf"<\s{{0,8}}/?\s{{0,8}}{re.escape(tag)}(?![A-Za-z0-9_-])", text, re.IGNORECASE | re.ASCII)
    start, end = text.find(f"<{tag}>"), text.find(f"</{tag}>")
    if len(marks) != 2 or not 0 <= start < end:
        return None
    return text[start + len(tag) + 2 : end].strip() or None


def blocks(text: str) -> tuple[Block, ...]:
    """The fenced blocks of `text`, as CommonMark reads them; one that is never closed runs to the end."""
    found: list[Block] = []
    fence, language, lines = "", "", list[str]()
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, language, lines = mark[1], (mark[2].split() or [""])[0].lower(), []
        elif fence and mark and not mark[2].strip() and mark[1][0] == fence[0] and len(mark[1]) >= len(fence):
            found.append(Block(language, "\n".join(lines)))
            fence = ""
        elif fence:
            lines.append(line)
    return (*found, Block(language, "\n".join(lines))) if fence else tuple(found)


def python_blocks(text: str) -> tuple[str, ...]:
    """The code of the blocks that are marked as Python, or not marked at all."""
    return tuple(block.text for block in blocks(text) if block.language in _PYTHON)
