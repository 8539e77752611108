"""Make a key, and found a registry with it."""

import base64
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import UsageError
from registry.workspace.keys import open_key, who
from registry.workspace.places import find_place, hidden, open_ledger
from registry.workspace.settings import FOUNDED, PLACE, SETTINGS, read_settings

if TYPE_CHECKING:
    from registry.adapters.keys import FileSigner, KeyFiles
    from registry.verbs.init import Started


class RegistryAbove(UsageError):
    """A directory above has a registry already."""


@dataclass(frozen=True, slots=True)
class KeyTold:
    """A key, as others are told of it: its id (64 hex digits), its head key as a policy names it, where it lies."""

    key_id: str
    head: str
    files: "KeyFiles"


def new_key(name: str, passphrase: str | None = None) -> KeyTold:
    """Make the key `name` in the user's key directory; `key_path` and `make_key` of the keys' adapter may refuse."""
    from registry.adapters.keys import key_path, load_key, make_key

    files = make_key(key_path(os.environ, name), passphrase=passphrase)
    return _told(load_key(files, passphrase=passphrase), files)


def show_key(name: str, ask: Callable[[str], str] | None = None) -> KeyTold:
    """Open the key that the environment names, or the one called `name`, and tell its public parts."""
    from registry.adapters.keys import find_key

    files = find_key(os.environ, name)
    return _told(open_key(files, ask), files)


def _told(signer: "FileSigner", files: "KeyFiles") -> KeyTold:
    return KeyTold(signer.key_id, base64.b64encode(signer.head.public).decode(), files)


def found(root: Path, ask: Callable[[str], str] | None = None, *, place: str | None = None) -> "Started":
    """Found a registry in `root` with the user's key and pin it in `registry.toml`; done again, change nothing.

    Args:
        root: The project.
        ask: Gets a passphrase from a person.
        place: Where store and ledger are to be, a directory or the URL of a place in a bucket; `.registry` if None.

    Raises:
        UsageError: `place` is not understood, or the project has another one.
        RegistryAbove: The project that `root` is in has a registry already.
        NoKey: There is no key to sign with.
        AlreadyAnother: There is a ledger with another policy, or other than the pinned one.
    """
    from registry.adapters import durable
    from registry.adapters.clocks import SystemClock
    from registry.adapters.keys import confirm_key, find_key
    from registry.core.ledger.policy import one_key_policy
    from registry.verbs.init import init

    _check_place(root)
    path = root / SETTINGS
    pinned = read_settings(path) if path.exists() else None
    if pinned and place not in (None, pinned.place):
        mend = f"to move it, push there, and change `place` in {SETTINGS}"
        raise UsageError("this registry has another place", why=f"it is in {pinned.place}", mend=mend)
    place = pinned.place if pinned else place or PLACE
    where = find_place(place, root, os.environ)
    signer = open_key(files := find_key(os.environ), ask)
    # why: a ledger whose only key a power cut has taken can never be changed again. Keys may lie where nobody writes.
    with suppress(OSError, durable.WriteFailed):
        confirm_key(files)
    started = init(
        one_key_policy(signer.public_pem, head=signer.head.public),
        ledger=open_ledger(where, os.environ),
        signer=signer,
        clock=SystemClock(),
        actor=who(os.environ),
        pinned=pinned.genesis if pinned else None,
    )
    hidden(where if isinstance(where, Path) else root / PLACE)
    if pinned is None:
        elsewhere = "" if place == PLACE else f"place = {json.dumps(place)}\n"
        durable.replace(path, (FOUNDED.format(genesis=started.genesis) + elsewhere).encode())
    return started


def _check_place(root: Path) -> None:
    """Refuse to found a registry inside a project that has one: it would hide the other from everybody below."""
    for place in (root, *root.parents):
        if place != root and (place / SETTINGS).is_file():
            mend = f"work in {place}, or found the registry of another repository"
            raise RegistryAbove(f"there is a registry in {place} already", mend=mend)
        if (place / ".git").exists():
            return
