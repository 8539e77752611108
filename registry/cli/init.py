"""`registry init` and `registry key`: found a registry, and make the key that signs for you."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.output import Json, data, document, talk
from registry.cli.project import ask, start

if TYPE_CHECKING:
    from registry.workspace.founding import KeyTold

Name = Annotated[str, typer.Argument(help="What the key is called; `default` is found without being named.")]
Place = Annotated[str | None, typer.Option(help="Where store and ledger are: a directory, or s3://BUCKET/PREFIX.")]
Prompt = Annotated[bool, typer.Option("--prompt", help="Ask for a passphrase instead of making one and keeping it.")]

key_app = typer.Typer(no_args_is_help=True, help="Make and show the keys that sign decisions.")


@key_app.command("new")
def key_new_command(name: Name = "default", prompt: Prompt = False, as_json: Json = False) -> None:
    """Make a key pair, outside of any repository.

    The private key is encrypted.
    """
    from registry.workspace.founding import new_key

    made = new_key(name, ask("A passphrase, 12 characters or more") if prompt else None)
    _tell(made, as_json=as_json)
    if not as_json and made.files.passphrase:
        talk("keep the passphrase where your secrets live; whoever has both files can sign as you")


@key_app.command("show")
def key_show_command(name: Name = "default", as_json: Json = False) -> None:
    """Show what others need to know of a key, so as to name it in a policy: its public half and its head key."""
    from registry.workspace.founding import show_key

    _tell(show_key(name, ask), as_json=as_json)


def _tell(key: "KeyTold", *, as_json: bool) -> None:
    if as_json:
        data(document("registry.key/1", key))
        return
    data(f"key       {key.key_id}")
    data(f"head      {key.head}")
    data(f"private   {key.files.private}")
    data(f"public    {key.files.public}")
    if key.files.passphrase:
        data(f"passphrase in {key.files.passphrase}")


def init_command(context: typer.Context, place: Place = None, as_json: Json = False) -> None:
    """Found a registry in this project.

    That is a store, and a ledger whose first entry says that your key decides.
    """
    from registry.workspace.founding import found

    done = found(Path(start(context)), ask, place=place)
    if as_json:
        data(document("registry.init/1", done))
        return
    data(f"ledger    {done.genesis}  {'was here already' if done.was_there else 'is new'}")
    data("settings  registry.toml  (commit it: it pins the ledger)")
