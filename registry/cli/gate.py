"""`registry gate` and `registry promote`: may this model enter that stage?"""

from typing import Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import project
from registry.cli.report import Explain, Form, Html, Markdown, tell
from registry.errors import UsageError

EXIT = {"GO": 0, "NO-GO": 3, "HOLD": 4}

Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
Stage = Annotated[str, typer.Option("--to", help="The stage whose rules decide.")]
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
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Judge model REF by the rules of a stage.

    It is compared with what the stage serves now. Exit codes: GO 0, NO-GO 3, HOLD 4.
    """
    judged = project(context).gate(ref, to)
    tell(context, judged, Form(explain, as_markdown, as_json, html))
    raise typer.Exit(EXIT[judged.verdict.answer])


def promote_command(
    context: typer.Context,
    ref: Model,
    to: Stage,
    reason: Reason = None,
    bootstrap: Bootstrap = False,
    as_json: Json = False,
) -> None:
    """Let a stage serve model REF if its gate says GO, or a live waiver excuses every rule that did not pass.

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
    if done.now.waiver:
        data(f"! its gate said {done.now.answer}: it was let in by the waiver {done.now.waiver}; see `registry status`")
