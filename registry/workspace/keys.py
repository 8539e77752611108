"""Whose key signs, and what they are called."""

import getpass
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.adapters.keys import FileSigner, KeyFiles


def open_key(files: "KeyFiles", ask: Callable[[str], str] | None) -> "FileSigner":
    """Open a key with the passphrase beside it, or with the one that a person types."""
    from registry.adapters.keys import load_key

    typed = ask(f"Passphrase of {files.private}") if files.passphrase is None and ask is not None else None
    return load_key(files, passphrase=typed)


def who(environment: Mapping[str, str]) -> str:
    """What the person at work is called: as the environment tells git, or as the system knows them."""
    try:
        return environment.get("GIT_AUTHOR_NAME") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # why: in a container, a user need not have a name
