"""Finds the project, opens the adapters that it names, and joins them to the verbs; nothing else chooses.

`Registry` is the Python API: one method is one verb with its doors already open. The command line calls the same
methods, so what works in a terminal works in a program.
"""

import getpass
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from pydantic import ValidationError

from registry.core.digest import Digest, Sha256
from registry.core.record import Record, faults_of
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.adapters.keys import FileSigner, KeyFiles
    from registry.adapters.ledgers.directory import DirectoryLedger
    from registry.adapters.stores.directory import DirectoryStore
    from registry.core.ledger.views import State
    from registry.ports import Clock, LedgerFile, Signer
    from registry.verbs.bundle import Bundled
    from registry.verbs.init import Started
    from registry.verbs.log import Line
    from registry.verbs.pull import Pulled
    from registry.verbs.rollback import RolledBack
    from registry.verbs.status import Status

    class Doors(TypedDict):
        """The doors that every deciding verb takes by keyword."""

        ledger: LedgerFile
        genesis: Digest
        signer: Signer
        clock: Clock
        actor: str


SETTINGS = "registry.toml"
"""The file that marks a project's root and names its registry."""


PLACE = ".registry"
"""Where store and ledger are, unless the settings say otherwise."""

FOUNDED = """\
# The registry of this project. Commit this file: `genesis` is the ledger's first entry, the anchor of all trust.
genesis = "{genesis}"
"""


class NoProject(UsageError):
    """There is no registry here, nor in any directory above."""


class Settings(Record):
    """What `registry.toml` says: which ledger is ours, where it lives, and where the suite and the gates are.

    `place` is the directory of store and ledger, `suite` and `gates` are directories of the project; all are relative
    to the project's root. `genesis` is the digest of the ledger's first entry, the anchor of all trust.
    """

    genesis: Sha256
    place: str = PLACE
    suite: str = "manifests/heldout"
    gates: str = "manifests/gates"


@dataclass(frozen=True)
class Registry:
    """A project and its registry.

    `environment` says where keys are (see `registry.adapters.keys`); `ask` gets a passphrase from a person, and is
    called only where no file holds it.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    ask: Callable[[str], str] | None = None

    @cached_property
    def settings(self) -> Settings:
        """What `registry.toml` says."""
        return read_settings(self.root / SETTINGS)

    @cached_property
    def store(self) -> "DirectoryStore":
        """Where the blobs are."""
        from registry.adapters.stores.directory import DirectoryStore

        return DirectoryStore(self.root / self.settings.place)

    @cached_property
    def ledger(self) -> "DirectoryLedger":
        """Where the entries are."""
        from registry.adapters.ledgers.directory import DirectoryLedger

        return DirectoryLedger(self.root / self.settings.place / "ledger")

    @property
    def state(self) -> "State":
        """What the ledger says now; read and verified anew each time."""
        from registry.verbs.append import read

        return read(self.ledger, self.settings.genesis)

    @property
    def actor(self) -> str:
        """Who says that they do it: the name that git or the system has for this person."""
        return self.environment.get("GIT_AUTHOR_NAME") or getpass.getuser()

    @cached_property
    def signer(self) -> "FileSigner":
        """The key to sign with: the one that the environment names, or the default one."""
        from registry.adapters.keys import find_key

        return open_key(find_key(self.environment), self.ask)

    @property
    def doors(self) -> "Doors":
        """What every verb that writes down a decision needs."""
        from registry.adapters.clocks import SystemClock

        return {
            "ledger": self.ledger,
            "genesis": self.settings.genesis,
            "signer": self.signer,
            "clock": SystemClock(),
            "actor": self.actor,
        }

    def status(self) -> "Status":
        """What each stage serves now."""
        from registry.verbs.status import status

        return status(ledger=self.ledger, genesis=self.settings.genesis)

    def log(self, stage: str | None = None) -> "tuple[Line, ...]":
        """Every decision, or those about `stage`, oldest first."""
        from registry.verbs.log import log

        return log(stage, ledger=self.ledger, genesis=self.settings.genesis)

    def rollback(self, stage: str, *, reason: str, to: int | None = None) -> "RolledBack":
        """Let `stage` serve an earlier manifest again, proven byte by byte before the switch."""
        from registry.verbs.rollback import rollback

        return rollback(stage, reason=reason, to=to, store=self.store, **self.doors)

    def bundle(self, ref: str, directory: str | Path) -> "Bundled":
        """Lay the model `ref` out in the new directory `directory`, as a server loads it."""
        from registry.adapters.hosts.folder import Folder
        from registry.core.manifest import Manifest
        from registry.verbs.bundle import bundle

        manifest = Manifest.parse(self.store.get(self.state.resolve(ref)))
        return bundle(manifest, store=self.store, destination=Folder(Path(directory)))

    def pull(self, stage: str, directory: str | Path) -> "Pulled":
        """Make `directory/current` what `stage` serves."""
        from registry.adapters.hosts.directory import HostDirectory
        from registry.verbs.pull import pull

        return pull(stage, state=self.state, store=self.store, host=HostDirectory(Path(directory)))


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made: its id (64 hex digits) and where it lies."""

    key_id: str
    files: "KeyFiles"


def new_key(name: str, passphrase: str | None = None) -> NewKey:
    """Make the key `name` in the user's key directory; see `registry.adapters.keys.make_key` for the refusals."""
    from registry.adapters.keys import key_directory, load_key, make_key

    files = make_key(key_directory(os.environ) / f"{name}.pem", passphrase=passphrase)
    return NewKey(load_key(files, passphrase=passphrase).key_id, files)


def found(root: Path, ask: Callable[[str], str] | None = None) -> "Started":
    """Found a registry in `root` with the user's key and pin it in `registry.toml`; done again, change nothing.

    Raises:
        NoKey: There is no key to sign with.
        AlreadyAnother: There is a ledger with another policy, or other than the pinned one.
    """
    from registry.adapters import durable
    from registry.adapters.clocks import SystemClock
    from registry.adapters.keys import find_key
    from registry.adapters.ledgers.directory import DirectoryLedger
    from registry.core.ledger.policy import one_key_policy
    from registry.verbs.init import init

    path = root / SETTINGS
    pinned = read_settings(path) if path.exists() else None
    place = pinned.place if pinned else PLACE
    signer = open_key(find_key(os.environ), ask)
    started = init(
        one_key_policy(signer.public_pem),
        ledger=DirectoryLedger(root / place / "ledger"),
        signer=signer,
        clock=SystemClock(),
        actor=Registry(root).actor,
        pinned=pinned.genesis if pinned else None,
    )
    if not (root / place / ".gitignore").exists():
        durable.replace(root / place / ".gitignore", b"*\n")
    if pinned is None:
        durable.replace(path, FOUNDED.format(genesis=started.genesis).encode())
    return started


def open_key(files: "KeyFiles", ask: Callable[[str], str] | None) -> "FileSigner":
    """Open a key with the passphrase beside it, or with the one that a person types."""
    from registry.adapters.keys import load_key

    typed = ask(f"Passphrase of {files.private}") if files.passphrase is None and ask is not None else None
    return load_key(files, passphrase=typed)


def find_root(start: Path) -> Path:
    """The nearest directory, from `start` upwards, that holds a `registry.toml`.

    Raises:
        NoProject: There is none.
    """
    for place in (start.resolve(), *start.resolve().parents):
        if (place / SETTINGS).is_file():
            return place
    mend = "run `registry init` at the project's root, or name it with `registry -C DIR`"
    raise NoProject(f"there is no {SETTINGS} in {start.resolve()} or above", mend=mend)


def read_settings(path: Path) -> Settings:
    """Read `registry.toml`.

    Raises:
        UsageError: It is not TOML, or has other keys or values than it should.
    """
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        return Settings.model_validate(found)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML", why=str(error)) from None
    except ValidationError as error:
        raise UsageError(f"{path} is not a registry's settings", why=faults_of(error)) from None
