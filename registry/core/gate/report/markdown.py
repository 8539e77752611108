"""A verdict as GitHub Markdown, for a pull request."""

import re

from registry.core.digest import digest_of
from registry.core.gate.report.lines import Line, flip_lines, headline, lines_of, notes, origin
from registry.core.gate.verdict import Verdict
from registry.core.visible import visible

_SIGNS = re.compile(r"[\\`*~\[\]|#]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_MENTION = re.compile(r"(?<![0-9A-Za-z_/])@")


def markdown(verdict: Verdict) -> str:
    """The whole verdict, ending in a line break."""
    parts = [
        [f"**{_text(headline(verdict))}**"],
        _rules(verdict),
        [f"- {_text(note)}" for note in notes(verdict)],
        _flips(verdict),
        _strength(verdict),
        [f"{origin(verdict)} ({_text(verdict.tool)}). Verdict {_code(digest_of(verdict.canonical()))}."],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _rules(verdict: Verdict) -> list[str]:
    rows = [_row((line.mark, _code(line.rule), line.value, line.interval, line.n, _text(line.sentence)))
            for line in lines_of(verdict)]  # fmt: skip
    return ["| | rule | seen | interval | n | |", "|---|---|---|---|---|---|", *rows]


def _flips(verdict: Verdict) -> list[str]:
    flips = flip_lines(verdict)
    if not flips:
        return []
    return [f"Passed before, not now ({verdict.flip_count:,}):", "", *(f"- {_code(line)}" for line in flips)]


def _strength(verdict: Verdict) -> list[str]:
    """How much each pass is worth, folded away."""
    told = [line for line in lines_of(verdict) if line.strength]
    if not told:
        return []
    head = ["<details><summary>How strong these rules are</summary>", ""]
    return [*head, *(_strong(line) for line in told), "", "</details>"]


def _strong(line: Line) -> str:
    return f"- {_code(line.rule)}: {_text(line.strength)}"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _code(text: str) -> str:
    """Text as code, in a fence that is longer than any of its own; a bar is escaped, as a table takes it."""
    plain = visible(text)
    longest = max((len(run) for run in re.findall("`+", plain)), default=0)
    fence = "`" * (longest + 1)
    space = " " if plain.startswith("`") or plain.endswith("`") else ""
    return f"{fence}{space}{plain}{space}{fence}".replace("|", "\\|")


def _text(text: str) -> str:
    """Text that is nothing but text: no markup, no HTML, nobody is called."""
    plain = _SIGNS.sub(r"\\\g<0>", visible(text)).replace("&", "&amp;").replace("<", "&lt;")
    return _MENTION.sub("@<!-- -->", plain)
