"""`registry gate` and `registry promote`: may this model enter that stage?"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import project
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.core.gate.verdict import Verdict

EXIT = {"GO": 0, "NO-GO": 3, "HOLD": 4}
WIDTH = 130
COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}

Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
Stage = Annotated[str, typer.Option("--to", help="The stage whose rules decide.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say each rule's verdict in a sentence.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]
Reason = Annotated[str | None, typer.Option(help="Why; one line, written into the ledger.")]
Bootstrap = Annotated[
    bool, typer.Option("--bootstrap", help="The very first release of a stage, which has nothing to be compared with.")
]


def gate_command(
    context: typer.Context,
    ref: Model,
    to: Stage,
    explain: Explain = False,
    as_markdown: Markdown = False,
    as_json: Json = False,
) -> None:
    """Judge model REF by the rules of a stage.

    It is compared with what the stage serves now. Exit codes: GO 0, NO-GO 3, HOLD 4.
    """
    from registry.core.gate.report import markdown

    judged = project(context).gate(ref, to)
    if as_json:
        data(document("registry.judged/1", {"digest": judged.digest, "verdict": judged.verdict}))
    elif as_markdown:
        data(markdown(judged.verdict))
    else:
        _show(judged.verdict, explain=explain)
    raise typer.Exit(EXIT[judged.verdict.answer])


def promote_command(
    context: typer.Context,
    ref: Model,
    to: Stage,
    reason: Reason = None,
    bootstrap: Bootstrap = False,
    as_json: Json = False,
) -> None:
    """Let a stage serve model REF if its gate says GO.

    A refusal is written down too; NO-GO exits with 3, HOLD with 4.
    """
    registry = project(context)
    if bootstrap and reason is None:
        raise UsageError("a bootstrap gives its reason", mend="say it with `--reason TEXT`")
    if bootstrap and reason is not None:
        done = registry.bootstrap(ref, to, reason=reason)
    else:
        done = registry.promote(ref, to, reason=reason)
    if as_json:
        data(document("registry.promoted/1", done))
        return
    word = "serves already" if done.was_there else "now serves"
    data(f"{to} {word} {done.now.manifest} as generation {done.now.number} ({done.now.basis}: {done.now.answer})")


def _show(verdict: "Verdict", *, explain: bool) -> None:
    """The rules as a table, then the cases that were lost, then the answer."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from registry.core.gate.report import flip_lines, headline, lines_of

    table = Table(box=None, pad_edge=False)
    for head in ("", "RULE", "SEEN", "INTERVAL", "N"):
        table.add_column(head, justify="right" if head == "N" else "left", overflow="fold")
    for line in lines_of(verdict):
        mark = f"[{COLOURS[line.mark]}]{line.mark}[/]"
        table.add_row(mark, escape(line.rule), line.value, line.interval, line.n)
        if explain or line.mark != "PASS":
            table.add_row("", f"[dim]{escape(line.sentence)}[/]")
    # why: a log has no width of its own, and the longest rule should stand on one line there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    if flips := flip_lines(verdict):
        console.print(f"\nPassed before, not now ({verdict.flip_count:,}): {escape(', '.join(flips))}")
    console.print(f"\n[bold]{headline(verdict)}[/]")
