"""A project and its registry: one method is one verb, with its doors already open."""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from registry.core.digest import Digest, digest_of
from registry.errors import Refused
from registry.workspace.keys import open_key, who
from registry.workspace.settings import SETTINGS, Settings, inside, read_file, read_settings

if TYPE_CHECKING:
    from registry.adapters.keys import FileSigner
    from registry.adapters.sources.workspace import WorkspaceSources
    from registry.adapters.stores.directory import DirectoryStore
    from registry.core.gate.verdict import Verdict
    from registry.core.ledger.views import State
    from registry.core.pin import Pin
    from registry.ports import Clock, LedgerFile, Signer
    from registry.verbs.add import Addable
    from registry.verbs.bundle import Bundled
    from registry.verbs.gate import Judgement
    from registry.verbs.log import Line
    from registry.verbs.pin import Pinned
    from registry.verbs.promote import Promoted
    from registry.verbs.pull import Pulled
    from registry.verbs.rollback import RolledBack
    from registry.verbs.show import Shown
    from registry.verbs.status import Status
    from registry.verbs.verify import Report

    class Doors(TypedDict):
        """The doors that every deciding verb takes by keyword."""

        ledger: LedgerFile
        genesis: Digest
        signer: Signer
        clock: Clock
        actor: str


class UncommittedRules(Refused):
    """A gate file is not what is committed."""


@dataclass(frozen=True)
class Registry:
    """A project and its registry. Open it with `registry.open`.

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
    def ledger(self) -> "LedgerFile":
        """Where the entries are, and what this user remembers of them."""
        from registry.adapters.ledgers.directory import DirectoryLedger
        from registry.adapters.ledgers.watched import WatchedLedger, memory_of

        genesis, place = self.settings.genesis, self.root / self.settings.place / "ledger"
        return WatchedLedger(DirectoryLedger(place), genesis, memory_of(genesis, place, self.environment))

    @property
    def state(self) -> "State":
        """What the ledger says now; read and verified anew each time."""
        from registry.verbs.append import read

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

        return WorkspaceSources(
            self.root, self.root / self.settings.place / "cache", mlflow_uri=self.environment.get("MLFLOW_TRACKING_URI")
        )

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

    def status(self) -> "Status":
        """What each stage serves now."""
        from registry.verbs.status import status

        return status(ledger=self.ledger, genesis=self.settings.genesis)

    def log(self, stage: str | None = None) -> "tuple[Line, ...]":
        """Every decision, or those about `stage`, oldest first."""
        from registry.verbs.log import log

        return log(stage, ledger=self.ledger, genesis=self.settings.genesis)

    def pin(self, config: str | Path) -> "Pinned":
        """Read every part that the config file names, keep and register it, and write `manifests/NAME.lock.json`."""
        from registry.adapters import durable
        from registry.adapters.environment import read_environment
        from registry.core.config import parse_config
        from registry.verbs.pin import check_committed, check_place, pin
        from registry.verbs.register import Model, register

        path = self.root / config
        written, place = read_file(path), inside(self.root, path)
        check_place(place)
        durable.sweep(path.parent)  # why: what a killed pin left of the lock file would make the git tree dirty
        parsed = parse_config(written, str(config))
        with closing(self.sources) as sources:
            check_committed(place, written, sources.codebase)
            pinned = pin(
                parsed,
                sources=sources,
                codebase=sources.codebase,
                store=self.store,
                state=self.state,
                environment=read_environment,
                suite=self.settings.suite,
            )
        model = Model(pinned.manifest.name, pinned.manifest.digest, pinned.evidence)
        register(model, pinned.pins, **self.doors)
        durable.replace(path.parent / f"{pinned.manifest.name}.lock.json", pinned.lock)
        return pinned

    def add(self, role: "Addable | Literal['repo']", text: str) -> "Pin":
        """Keep one artefact and register it, so that configs can name it: `text` is `[NAME[@LABEL]=]LOCATION`.

        With the role `repo`, `text` is `LABEL=REVISION` of this repository.
        """
        from registry.verbs.add import add, add_commit
        from registry.verbs.register import register

        with closing(self.sources) as sources:
            if role == "repo":
                label, _, revision = text.rpartition("=")
                pin = add_commit(
                    label or revision, revision, codebase=sources.codebase, store=self.store, state=self.state
                )
            else:
                pin = add(role, text, sources=sources, store=self.store, state=self.state)
        register(None, (pin,), **self.doors)
        return pin

    def show(self, ref: str) -> "Shown":
        """A manifest, a ledger entry (`#N`) or any record of the store, by what people call it."""
        from registry.verbs.show import show

        return show(ref, state=self.state, store=self.store)

    def card(self, ref: str) -> dict[str, Any]:
        """The model `ref` in the short form that people write."""
        from registry.verbs.show import card

        return card(ref, state=self.state, store=self.store)

    def gate(self, ref: str, stage: str) -> "Judgement":
        """Judge the model `ref` by the rules of `stage` as they stand in the working tree, and decide nothing."""
        from registry.verbs.gate import gate

        state = self.state
        state.generations(stage)  # why first: a stage that does not exist has no gate file to miss
        rules = read_file(self.root / self.settings.gates / f"{stage}.yaml")
        return gate(state.resolve(ref), stage, store=self.store, state=state, gate_file=rules)

    def promote(self, ref: str, stage: str, *, reason: str | None = None) -> "Promoted":
        """Let `stage` serve the model `ref` if its committed gate says GO; write the refusal down and raise it if not.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import promote

        verdict = self._verdict(ref, stage)
        return promote(verdict.candidate, stage, verdict=verdict, store=self.store, reason=reason, **self.doors)

    def bootstrap(self, ref: str, stage: str, *, reason: str) -> "Promoted":
        """Let `stage` serve the model `ref` as its very first release, whatever the gate says of it.

        Raises:
            UncommittedRules: The gate file is not what is committed.
        """
        from registry.verbs.promote import bootstrap

        verdict = self._verdict(ref, stage)
        return bootstrap(verdict.candidate, stage, verdict=verdict, store=self.store, reason=reason, **self.doors)

    def _verdict(self, ref: str, stage: str) -> "Verdict":
        """The verdict of committed rules: what only lies in a working tree was agreed on by nobody."""
        judged = self.gate(ref, stage).verdict
        path = f"{self.settings.gates}/{stage}.yaml"
        with closing(self.sources) as sources:
            committed = sources.codebase.committed(path)
        if committed is None or digest_of(committed) != judged.gate_file:
            why = "it is in no commit" if committed is None else "it was changed since the last commit"
            raise UncommittedRules(
                f"the rules in {path} decide nothing yet", why=why, mend="have it reviewed, commit it"
            )
        return judged

    def verify(self, *, quick: bool = False) -> "Report":
        """Check the ledger and every blob; with `quick`, only that each blob is there and has its size."""
        from registry.verbs.verify import glance, verify

        check = glance if quick else verify
        strays = self.store.strays()
        return check(store=self.store, ledger=self.ledger, genesis=self.settings.genesis, strays=strays)

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

        return pull(stage, read=lambda: self.state, store=self.store, host=HostDirectory(Path(directory)))
