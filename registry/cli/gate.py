"""`registry gate` and `registry promote`: may this model enter that stage?"""

from typing import Annotated, Any

import typer

from registry.cli.output import Json, data, document, talk
from registry.cli.plan import plan_command, selftest_command
from registry.cli.project import project
from registry.cli.report import Explain, Form, Html, Markdown, tell
from registry.cli.watch import watch_command
from registry.errors import UsageError

EXIT = {"GO": 0, "NO-GO": 3, "HOLD": 4}

REF = "A model, model@hex, a stage, stage@N or a digest."
TO = "The stage whose rules decide."
Model = Annotated[str | None, typer.Argument(help=REF)]
Stage = Annotated[str | None, typer.Option("--to", help=TO)]
Replay = Annotated[str | None, typer.Option(metavar="DIGEST", help="Judge this verdict of the store again.")]
Chosen = Annotated[str, typer.Argument(help=REF)]
Target = Annotated[str, typer.Option("--to", help=TO)]
Reason = Annotated[str | None, typer.Option(help="Why; one line, written into the ledger.")]
Bootstrap = Annotated[
    bool, typer.Option("--bootstrap", help="The very first release of a stage, which has nothing to be compared with.")
]


class Gate(typer.core.TyperGroup):
    """`registry gate REF --to STAGE` judges; the word `judge` may be left out, and `--replay` is judging again."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the word in where it was left out.

        A model may be called `plan`, `selftest` or `watch`: with `--to` it is meant.
        """
        first = next(iter(args), "")
        is_judged = any(word.partition("=")[0] == "--to" for word in args)
        is_word = first in self.commands and (first == "judge" or not is_judged)
        if args and not is_word and first not in ctx.help_option_names:
            args = ["judge", *args]
        return super().parse_args(ctx, args)


gate_app = typer.Typer(
    cls=Gate,
    no_args_is_help=True,
    help="Judge a model by the rules of a stage: `registry gate REF --to STAGE`, or `registry gate --replay DIGEST`. "
    "Their options are told by `registry gate judge --help`.",
)
gate_app.command("plan")(plan_command)
gate_app.command("selftest")(selftest_command)
gate_app.command("watch")(watch_command)


@gate_app.command("judge")
def gate_command(
    context: typer.Context,
    ref: Model = None,
    to: Stage = None,
    replay: Replay = None,
    explain: Explain = False,
    as_markdown: Markdown = False,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Judge model REF by the rules of a stage, compared with what the stage serves now.

    With `--replay DIGEST` a verdict of the store is judged again, offline, and compared byte for byte.
    Exit codes: GO 0, NO-GO 3, HOLD 4; a replay exits with 0 if it comes out the same, and else with 5.
    """
    registry, form = project(context), Form(explain, as_markdown, as_json, html)
    if replay is not None:
        if ref is not None or to is not None:
            raise UsageError("--replay judges what the verdict names", mend="leave REF and --to out")
        judged = registry.replay(replay)
        tell(context, judged, form)
        talk(f"the same, byte for byte: {judged.digest} says {judged.verdict.answer}")
        return
    if ref is None or to is None:
        raise UsageError("a judgement takes a model and a stage", mend="run `registry gate REF --to STAGE`")
    judged = registry.gate(ref, to)
    if unwritten := registry.remember(judged):
        talk(f"this look is not written into the ledger: {unwritten}")
    tell(context, judged, form)
    raise typer.Exit(EXIT[judged.verdict.answer])


def promote_command(
    context: typer.Context,
    ref: Chosen,
    to: Target,
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
    word = "already serves" if done.was_there else "now serves"
    data(f"{to} {word} {done.now.manifest} as generation {done.now.number} ({done.now.basis}: {done.now.answer})")
    if done.now.waiver:
        data(f"! its gate said {done.now.answer}: it was let in by the waiver {done.now.waiver}; see `registry status`")
