"""`registry policy` and `registry doctor`: who may do what, and is the house in order?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document
from registry.cli.project import below, project

if TYPE_CHECKING:
    from registry.verbs.policy import Proposal

NO = 3

policy_app = typer.Typer(no_args_is_help=True, help="Show the policy, and change it with the signatures of root keys.")

File = Annotated[Path, typer.Argument(help="The whole new policy, as `registry policy show` prints it.")]
Change = Annotated[Path, typer.Argument(help="The file that `registry policy propose` wrote.")]
Out = Annotated[Path, typer.Option("--out", help="Where to write the change that others sign.")]
Reason = Annotated[str | None, typer.Option(help="Why; one line, written into the ledger.")]
MaybeChange = Annotated[Path | None, typer.Argument(help="A change under way: what it changes, and who has signed it.")]


@policy_app.command("show")
def policy_show_command(context: typer.Context, change: MaybeChange = None, as_json: Json = False) -> None:
    """Show the policy in force as YAML, or what a CHANGE under way would change."""
    registry = project(context)
    if change is not None:
        _show(registry.look_at_policy(below(context, change)), change, as_json=as_json)
    elif as_json:
        data(document("registry.policy_in_force/1", {"policy": registry.state.policy}))
    else:
        data(registry.policy_text().rstrip())


@policy_app.command("propose")
def policy_propose_command(
    context: typer.Context, file: File, out: Out = Path("policy-change.json"), as_json: Json = False
) -> None:
    """Sign a change of the policy and write it to a file, for other root keys to sign."""
    _show(project(context).propose_policy(below(context, file), below(context, out)), out, as_json=as_json)


@policy_app.command("sign")
def policy_sign_command(context: typer.Context, change: Change, as_json: Json = False) -> None:
    """Add your signature to a CHANGE, after you have read what it changes."""
    _show(project(context).sign_policy(below(context, change)), change, as_json=as_json)


@policy_app.command("apply")
def policy_apply_command(context: typer.Context, change: Change, reason: Reason = None, as_json: Json = False) -> None:
    """Write a CHANGE into the ledger, once enough root keys of the old and of the new policy have signed it."""
    done = project(context).apply_policy(below(context, change), reason=reason)
    if as_json:
        data(document("registry.decided/1", done))
        return
    data(f"entry     {done.entry.index}{'  (it was in force already)' if done.was_there else ''}")
    data("the new policy is in force")


def doctor_command(context: typer.Context, as_json: Json = False) -> None:
    """Look the registry over: weak points of the policy, keys, files and copies.

    Exits with 3 if something should be mended; notes alone are fine.
    """
    found = project(context).doctor()
    if as_json:
        data(document("registry.doctor/1", {"findings": found}))
    for one in () if as_json else found:
        data(f"{one.level:8}  {one.what}")
        if one.mend:
            data(f"          {one.mend}")
    if not found and not as_json:
        data("all is well")
    raise typer.Exit(NO if any(one.level == "warning" for one in found) else 0)


def _show(found: "Proposal", file: Path, *, as_json: bool) -> None:
    if as_json:
        parts = {"changes": found.changes, "before": found.before, "after": found.after, "signers": found.signers}
        data(document("registry.policy_change/1", parts))
        return
    for change in found.changes:
        data(change)
    data(f"signed by {', '.join(key_id[:12] for key_id in found.signers)}")
    data(f"old root  {found.before[0]} of {found.before[1]} signatures")
    data(f"new root  {found.after[0]} of {found.after[1]} signatures")
    done = found.is_signed
    data(f"next      registry policy {'apply' if done else 'sign'} {file}{'' if done else '  (by another root key)'}")
