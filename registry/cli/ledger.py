"""`registry prove`, `registry verify-proof` and `registry ledger`: what strangers and hosts believe the ledger by."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, talk
from registry.cli.project import below, project, start

if TYPE_CHECKING:
    from registry.verbs.audit import Audited

Ref = Annotated[str, typer.Argument(metavar="ENTRY", help="N, #N, an entry's digest, a stage, or STAGE@N.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write the proof to this file instead of stdout.")]
ProofFile = Annotated[Path, typer.Argument(metavar="FILE", help="A proof that `registry prove` wrote.")]
Genesis = Annotated[str | None, typer.Option(help="The ledger to believe, by the digest of its first entry.")]

Source = Annotated[
    str, typer.Option("--from", metavar="PLACE", help="A remote, a URL, another registry, or a host's directory.")
]

ledger_app = typer.Typer(no_args_is_help=True, help="Sign how far the ledger goes, and put lost entries back.")


def prove_command(context: typer.Context, ref: Ref, out: Out = None) -> None:
    """Write a proof of one decision, for a stranger.

    It can be checked offline, by itself, with `registry verify-proof`.
    """
    proof = project(context).prove_entry(ref, below(context, out) if out else None)
    if out is None:
        data(proof.canonical().decode())
    else:
        talk(f"proved    entry {proof.leaf.index}, in {out}")


def verify_proof_command(
    context: typer.Context, file: ProofFile, genesis: Genesis = None, as_json: Json = False
) -> None:
    """Check a proof, without a project and without a network.

    Exits with 0 if it holds, 3 if what it proves no longer counts, and 5 if it does not hold.
    """
    from registry.core.digest import parse_digest
    from registry.core.ledger.proof import check_proof
    from registry.workspace.settings import read_file

    found = check_proof(read_file(below(context, file)), parse_digest(genesis) if genesis else None)
    entry = found.link.entry
    if as_json:
        told = {"genesis": found.genesis, "entry": entry.index, "digest": found.link.digest, "action": entry.action}
        keys, signed = sorted(found.link.key_ids), found.signed
        told |= {"key_ids": keys, "size": signed.checkpoint.size, "signed_at": signed.at, "decision": entry}
        data(document("registry.proven/1", told))
        return
    data(f"holds     entry {entry.index} of {found.genesis}")
    data(f"says      {entry.at}  {entry.actor}  {entry.action}  {_what(entry)}")
    data(f"signed    by {', '.join(key_id[:12] for key_id in sorted(found.link.key_ids))}")
    data(f"in        a ledger of {found.signed.checkpoint.size} entries, as of {found.signed.at}")
    if genesis is None:
        talk(f"the proof itself says which ledger it is of; believe one: --genesis {found.genesis}")


def _what(entry: object) -> str:
    parts = (getattr(entry, name, None) for name in ("stage", "model", "manifest", "reason"))
    return "  ".join(str(part) for part in parts if part)


@ledger_app.command("checkpoint")
def checkpoint_command(context: typer.Context, as_json: Json = False) -> None:
    """Verify the ledger, and sign how far it goes as of now.

    Writers do it after each entry. Where the policy says how old a checkpoint may be, a timer does it in between.
    """
    done = project(context).checkpoint()
    data(document("registry.checkpoint/1", done) if as_json else done.text.rstrip("\n"))


@ledger_app.command("binding")
def binding_command(context: typer.Context) -> None:
    """Print what a new host is given as DIR/seen.json, so that it trusts this ledger and none that is older."""
    data(project(context).binding().canonical().decode())


@ledger_app.command("recover")
def recover_command(context: typer.Context, source: Source, as_json: Json = False) -> None:
    """Put back entries that were lost here, from a copy that has them.

    They are verified first, and nothing that is here is changed. No key is needed, as nothing is decided.
    """
    done = project(context).recover(source, start=start(context))
    if as_json:
        data(document("registry.recovered/1", done))
        return
    data(f"recovered {done.entries} entries; the ledger has {done.length}")


def audited(found: "Audited") -> str:
    """A ledger that holds, for people."""
    void = f", {found.void} of them void" if found.void else ""
    signed = f"of {found.signed} entries, signed at {found.signed_at or 'a time that it does not say'}"
    checkpoint = {"signed": signed, "lags": f"{signed}; the next writer with a head key goes on", "none": "none"}
    lines = (
        f"ledger      {found.entries} entries{void}, each signature and link checked",
        f"policies    {found.policies}, each signed under the one before it and under itself",
        f"head        {found.head}",
        f"root        {found.root}",
        f"checkpoint  {checkpoint[found.checkpoint]}",
        "clean",
    )
    return "\n".join(lines)
