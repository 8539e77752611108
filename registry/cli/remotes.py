"""`registry push` and `registry fetch`: keep copies of the registry at other places."""

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.meter import Bar
from registry.cli.output import Json, data, document, size, talk
from registry.cli.project import project, start

if TYPE_CHECKING:
    from registry.verbs.carry import Carried

Remote = Annotated[
    str, typer.Argument(help="A remote of registry.toml, s3://BUCKET/PREFIX, gs://…, az://…, or a directory.")
]
Refs = Annotated[
    list[str] | None, typer.Argument(help="Models, as `registry show` takes them; without any, everything.")
]


def push_command(context: typer.Context, remote: Remote, refs: Refs = None, as_json: Json = False) -> None:
    """Bring blobs and ledger entries to REMOTE.

    Only what is missing or damaged there is sent; a push that was interrupted goes on.
    """
    with Bar() as bar:
        done = project(context).push(remote, refs or (), start=start(context), meter=bar)
    _show("pushed", done, bar, as_json)


def fetch_command(context: typer.Context, remote: Remote, refs: Refs = None, as_json: Json = False) -> None:
    """Bring blobs and ledger entries from REMOTE.

    Everything is verified on arrival; what is here and sound is not fetched again.
    """
    with Bar() as bar:
        done = project(context).fetch(remote, refs or (), start=start(context), meter=bar)
    _show("fetched", done, bar, as_json)


def _show(what: str, done: "Carried", bar: Bar, as_json: bool) -> None:
    if as_json:
        data(document(f"registry.{what}/1", done))
        return
    data(f"{what:<9} {done.copied} blobs, {size(done.size_bytes)}; {done.blobs - done.copied} were there already")
    data(f"ledger    {done.entries} entries added, {done.length} in all")
    if done.lacking:
        talk(f"{done.lacking} blobs of old models were not there; nothing has to keep them")
    if done.size_bytes and bar.seconds > 1:
        talk(f"took {bar.seconds:.1f} s, {size(round(done.size_bytes / bar.seconds))}/s")
