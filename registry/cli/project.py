"""Where a command works: the project at or above the directory that `-C` names."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from registry.cli.output import talk

if TYPE_CHECKING:
    from registry.workspace.project import Registry


def start(context: typer.Context) -> Path:
    """The directory that `-C` names, else the present one."""
    return context.obj if isinstance(context.obj, Path) else Path.cwd()


def project(context: typer.Context) -> "Registry":
    """The registry of the project that the command works in.

    Raises:
        NoProject: There is none.
    """
    from registry.workspace.project import Registry
    from registry.workspace.settings import find_root

    return Registry(find_root(start(context)), ask=ask, tell=talk)


def below(context: typer.Context, path: str | Path) -> Path:
    """A path that a person typed, seen from the directory that `-C` names."""
    return start(context) / path


def ask(question: str) -> str:
    """A passphrase, typed by a person and not shown.

    Raises:
        NoKey: Nobody is there to type it.
    """
    from registry.adapters.keys import PASSPHRASE_VARIABLE, NoKey

    if not sys.stdin.isatty():
        mend = f"set {PASSPHRASE_VARIABLE} to a file that holds it"
        raise NoKey("the passphrase cannot be asked for", why="this is no terminal", mend=mend)
    return str(typer.prompt(question, hide_input=True, err=True))
