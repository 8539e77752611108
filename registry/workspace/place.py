"""A project's place: its settings, and the doors that they name, opened when they are first asked for."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from registry.core.digest import Digest
from registry.workspace.keys import open_key, who
from registry.workspace.places import Where, find_place, hidden, leased, memorable, open_ledger, open_store, relied_on
from registry.workspace.settings import PLACE, SETTINGS, Settings, read_settings

if TYPE_CHECKING:
    from registry.adapters.keys import FileSigner
    from registry.adapters.sources.workspace import WorkspaceSources
    from registry.adapters.stores.bucket import BucketStore
    from registry.adapters.stores.directory import DirectoryStore
    from registry.core.ledger.views import State
    from registry.ports import Clock, LedgerFile, Replica, Signer

    class Doors(TypedDict):
        """The doors that every deciding verb takes by keyword."""

        ledger: LedgerFile
        genesis: Digest
        signer: Signer
        clock: Clock
        actor: str


@dataclass(frozen=True)
class Place:
    """A project and its registry.

    `environment` says where keys are (see `registry.adapters.keys`); `ask` gets a passphrase from a person, and is
    called only where no file holds it. `tell` says what a person may want to know, though it changes no answer.
    """

    root: Path
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    ask: Callable[[str], str] | None = None
    tell: Callable[[str], None] = logging.getLogger("registry").warning

    @cached_property
    def settings(self) -> Settings:
        """What `registry.toml` says."""
        return read_settings(self.root / SETTINGS)

    @cached_property
    def where(self) -> Where:
        """Where store and ledger are: a directory, or a place in a bucket."""
        return find_place(self.settings.place, self.root, self.environment)

    @cached_property
    def cache(self) -> Path:
        """A directory of this machine's own, which git ignores: beside a store in a directory, else in `.registry`."""
        if isinstance(self.where, Path):
            return self.where / "cache"
        return hidden(self.root / PLACE) / "cache"

    @property
    def files(self) -> "DirectoryStore | BucketStore":
        """Where the blobs are, for who looks after them."""
        return open_store(self.where, self.cache, self.environment)

    @cached_property
    def store(self) -> "Replica":
        """Where the blobs are, for who works with them: what was put or read is not lost meanwhile."""
        return leased(self.files)

    @cached_property
    def grounds(self) -> "Replica":
        """Where the blobs are, for who decides on what is read: that is brought back from the trash, if need be."""
        return relied_on(self.files)

    @cached_property
    def ledger(self) -> "LedgerFile":
        """Where the entries are, and what this user remembers of them."""
        from registry.adapters.ledgers.watched import WatchedLedger, memory_of

        genesis, ledger = self.settings.genesis, open_ledger(self.where, self.environment)
        return WatchedLedger(ledger, genesis, memory_of(genesis, memorable(self.where), self.environment))

    @property
    def state(self) -> "State":
        """What the ledger says now; read and verified anew each time."""
        from registry.verbs.reading import read

        return read(self.ledger, self.settings.genesis)

    @cached_property
    def signer(self) -> "FileSigner":
        """The key to sign with: the one that the environment names, or the default one."""
        from registry.adapters.keys import find_key

        return open_key(find_key(self.environment), self.ask)

    @property
    def sources(self) -> "WorkspaceSources":
        """Where a config's locations are looked up; to be closed after use."""
        from registry.adapters.sources.workspace import WorkspaceSources

        return WorkspaceSources(self.root, self.cache, mlflow_uri=self.environment.get("MLFLOW_TRACKING_URI"))

    @property
    def doors(self) -> "Doors":
        """What every verb that writes down a decision needs."""
        from registry.adapters.clocks import SystemClock

        return {
            "ledger": self.ledger,
            "genesis": self.settings.genesis,
            "signer": self.signer,
            "clock": SystemClock(),
            "actor": who(self.environment),
        }
