"""A verdict on the terminal, as Markdown, as JSON, as a page of HTML."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import data, document, talk
from registry.cli.project import below
from registry.core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

    from registry.core.gate.report import Line
    from registry.core.gate.verdict import Verdict
    from registry.verbs.gate import Judgement

WIDTH, WIDE = 130, 100
COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}
ANSWER_COLOURS = {"GO": "green", "NO-GO": "red", "HOLD": "yellow"}

Explain = Annotated[bool, typer.Option("--explain", help="Say each rule's verdict in a sentence, and its strength.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]
Html = Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write a page of HTML; - prints it.")]


@dataclass(frozen=True, slots=True)
class Form:
    """How a verdict is wanted: one form on stdout, and perhaps a page beside it."""

    explain: bool = False
    markdown: bool = False
    json: bool = False
    html: str | None = None


def tell(context: typer.Context, judged: "Judgement", form: Form) -> None:
    """Print a verdict in the form that was asked for, and write its page where one was asked for."""
    from registry.core.gate.report import markdown

    if form.html is not None:
        write_page(context, judged.verdict, form.html)
    if form.html == "-":
        return
    if form.json:
        data(document("registry.judged/1", {"digest": judged.digest, "verdict": judged.verdict}))
    elif form.markdown:
        data(markdown(judged.verdict).removesuffix("\n"))
    else:
        _show(judged.verdict, explain=form.explain)


def write_page(context: typer.Context, verdict: "Verdict", target: str) -> None:
    """Write a verdict's page to a file, whole or not at all; `-` prints it.

    Raises:
        DiskFull, WriteFailed: The file could not be written.
    """
    from registry.core.gate.report import page

    text = page(verdict)
    if target == "-":
        data(text.removesuffix("\n"))
        return
    from registry.adapters import durable

    path: Path = below(context, target)
    durable.replace(path, text.encode())
    talk(f"the report is in {path}")


def _show(verdict: "Verdict", *, explain: bool) -> None:
    """The rules, then what is worth knowing beside them, then the answer."""
    from rich.console import Console
    from rich.markup import escape

    from registry.core.gate.report import flip_lines, headline, lines_of, notes

    # why: a log has no width of its own, and the longest rule should stand on one line there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    lay_out = _table if console.width >= WIDE else _list
    with console.capture() as capture:
        lay_out(console, lines_of(verdict), explain=explain)
        if flips := flip_lines(verdict):
            console.print(f"\nPassed before, not now ({verdict.flip_count:,}): {escape(visible(', '.join(flips)))}")
        for note in notes(verdict):
            console.print(f"\n{escape(visible(note))}")
        console.print(f"\n[bold {ANSWER_COLOURS[verdict.answer]}]{escape(headline(verdict))}[/]")
    text = "\n".join(line.rstrip() for line in capture.get().splitlines())
    typer.echo(text, color=True)  # why color: rich has decided already, by the terminal and NO_COLOR


def _table(console: "Console", lines: "Sequence[Line]", *, explain: bool) -> None:
    """Rules as rows, where there is room for columns."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for head in ("", "RULE", "SEEN", "INTERVAL", "N"):
        table.add_column(head, justify="right" if head == "N" else "left", overflow="fold")
    for line in lines:
        table.add_row(_mark(line), escape(line.rule), line.value, line.interval, line.n)
        for sentence in _sentences(line, explain=explain):
            table.add_row("", f"[dim]{escape(sentence)}[/]")
    console.print(table)


def _list(console: "Console", lines: "Sequence[Line]", *, explain: bool) -> None:
    """Rules one below the other, where columns would be too narrow to read."""
    from rich.markup import escape
    from rich.padding import Padding

    for line in lines:
        console.print(f"{_mark(line)} {escape(line.rule)}")
        numbers = f"{line.value} ({line.interval}) on {line.n}" if line.interval else line.value
        for sentence in filter(None, [numbers, *_sentences(line, explain=explain)]):
            console.print(Padding(f"[dim]{escape(sentence)}[/]", (0, 0, 0, 2)))


def _mark(line: "Line") -> str:
    return f"[{COLOURS[line.mark]}]{line.mark}[/]"


def _sentences(line: "Line", *, explain: bool) -> list[str]:
    """What stands below a rule: why it did not pass; with `--explain` of every rule, and how strong it is."""
    told = [line.sentence] if explain or line.mark != "PASS" else []
    return [*told, *([line.strength] if explain and line.strength else [])]
