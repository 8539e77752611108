"""`registry pin`, `add` and `show`: from what a person writes to what is exactly meant, and back."""

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from registry.cli.output import Json, columns, data, document, size
from registry.cli.project import below, project
from registry.cli.report import Html, write_page

if TYPE_CHECKING:
    from registry.verbs.add import Addable

ROLES = ("llm", "adapter", "tokenizer", "input", "reward_model", "fixture", "dataset", "repo")
Config = Annotated[str, typer.Argument(help="The config, such as manifests/assistant.yaml.")]
Role = Annotated[str, typer.Argument(help=f"What it is for: {', '.join(ROLES)}.")]
Artefact = Annotated[str, typer.Argument(help="[NAME[@LABEL]=]LOCATION, as in a config; for a repo LABEL=REVISION.")]
Ref = Annotated[str, typer.Argument(help="A model, model@hex, a stage, stage@N, #ENTRY or a digest.")]
Card = Annotated[bool, typer.Option("--card", help="The short form that people write, as JSON.")]


def pin_command(context: typer.Context, config: Config, as_json: Json = False) -> None:
    """Pin every part that CONFIG names, by content.

    All bytes are kept and registered, and the manifest is written beside the config.
    """
    pinned = project(context).pin(below(context, config))
    manifest = pinned.manifest
    if as_json:
        data(
            document(
                "registry.pinned/1", {"digest": manifest.digest, "evidence": pinned.evidence, "manifest": manifest}
            )
        )
        return
    rows = ((pin.role, pin.card, size(pin.size), pin.digest) for pin in manifest.pins)
    data(columns(("ROLE", "NAME", "SIZE", "DIGEST"), rows))
    data(f"{manifest.name}  {manifest.digest}")


def add_command(context: typer.Context, role: Role, artefact: Artefact, as_json: Json = False) -> None:
    """Keep one artefact, so that configs can name it."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is none of {', '.join(ROLES)}")
    pin = project(context).add(cast("Addable", role), artefact)
    data(document("registry.added/1", pin) if as_json else f"{pin.role}  {pin.card}  {size(pin.size)}  {pin.digest}")


def show_command(
    context: typer.Context, ref: Ref, card: Card = False, html: Html = None, as_json: Json = False
) -> None:
    """Show a manifest, a decision or any record; of a verdict also as a page of HTML."""
    registry = project(context)
    if card:
        found = registry.card(ref)
        data(document("registry.card/1", found) if as_json else json.dumps(found, indent=2, ensure_ascii=False))
        return
    if html is not None:
        write_page(context, registry.verdict(ref), html)
        return
    shown = registry.show(ref)
    if as_json:
        data(document("registry.shown/1", shown))
        return
    data(f"{shown.kind}  {shown.digest}")
    data(json.dumps(shown.document, indent=2, ensure_ascii=False))
