"""`registry sign`, `registry export` and `registry verify --oms`: what others can check, and what others signed."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from registry.cli.output import Json, data, document, talk
from registry.cli.project import ask, below, project
from registry.errors import UsageError


class Form(StrEnum):
    """What can be exported."""

    BOM = "bom"
    PROVENANCE = "provenance"
    TEST_RESULT = "test-result"


Target = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest; or a directory.")]
Model = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N or a digest.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="The file to write; `-` is standard output.")]
ModelSignature = Annotated[
    Path | None, typer.Option("--oms", metavar="FILE", help="Check DIRECTORY against this OpenSSF model signature.")
]
Directory = Annotated[Path | None, typer.Argument(help="With --oms: the directory that was signed.")]
Key = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="FILE", help="With --oms: a public key to trust. Default: the policy's keys."),
]
Stage = Annotated[str | None, typer.Option("--to", help="Whose gate a test-result is of; default: the newest verdict.")]
Bare = Annotated[bool, typer.Option("--bare", help="The statement alone, without the signed envelope around it.")]


def sign_command(context: typer.Context, target: Target, out: Out = None, as_json: Json = False) -> None:
    """Sign a model's bundle, or any directory, as an OpenSSF model signature.

    `model_signing verify key` and Sigstore's libraries check it. Written to NAME.sig unless --out says otherwise.
    """
    from registry.adapters.keys import find_key
    from registry.workspace.delivering import sign_directory
    from registry.workspace.keys import open_key

    directory = below(context, target)
    is_directory = directory.is_dir()
    file = below(context, out or f"{directory.resolve().name if is_directory else target.replace(':', '-')}.sig")
    if is_directory:
        made = sign_directory(directory, open_key(find_key(os.environ), ask), file)
    else:
        made = project(context).sign(target)
    write(file, made.data, is_stdout=out == Path("-"))
    if as_json and out != Path("-"):
        data(document("registry.signed/1", {"name": made.name, "files": made.files, "key_id": made.key_id}))
    else:
        talk(f"signed    {made.name}: {made.files} files, by key {made.key_id[:12]}")


def export_command(
    context: typer.Context, form: Form, ref: Model, to: Stage = None, bare: Bare = False, out: Out = None
) -> None:
    """Say what is known of model REF in the form of another tool.

    `bom` is a CycloneDX bill of materials, `provenance` an SLSA statement, `test-result` an in-toto one; statements
    are signed.
    """
    found = project(context).export(ref, form.value, stage=to, signed=not bare)
    write(below(context, out or "-"), found, is_stdout=out in (None, Path("-")))


def check_model(
    context: typer.Context, said: tuple[Path | None, Path | None, list[Path]], *, as_json: bool = False
) -> None:
    """Check a directory against a model signature, by the keys that are named or by the policy's.

    Raises:
        UsageError: One of the two is missing.
    """
    from registry.workspace.delivering import check_signature
    from registry.workspace.settings import read_file

    oms, directory, key = said
    if oms is None or directory is None:
        raise UsageError("a signature and a directory belong together", mend="run `registry verify --oms FILE DIR`")
    if key:
        pems = [read_file(below(context, one)).decode("utf-8", "replace") for one in key]
        found = check_signature(below(context, oms), below(context, directory), pems)
    else:
        found = project(context).check_signature(below(context, oms), below(context, directory))
    if as_json:
        data(document("registry.checked/1", found))
    else:
        data(f"signed    {found.name}: all {found.files} files, and no other, are what was signed")


def write(file: Path, found: bytes, *, is_stdout: bool) -> None:
    """Write a document durably, or print it."""
    from registry.adapters import durable

    if is_stdout:
        typer.echo(found, nl=not found.endswith(b"\n"))
    else:
        durable.replace(file, found)
        talk(f"wrote     {file}")
