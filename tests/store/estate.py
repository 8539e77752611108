"""A store on a real disk and a ledger about it, to be collected at any time that a test wants."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest
from registry.core.health import Report
from registry.core.ledger.entry import Promote, Register, Rollback
from registry.core.manifest import Manifest
from registry.core.retention import Retention
from registry.ports import Attic, Store
from registry.testing.models import Parts, adapter_files, base_files
from registry.verbs.gc import Collected, Why, gc, survey, why
from registry.verbs.verify import glance, verify
from tests.ledger.desk import Desk
from tests.ledger.models import verdict_of

SMALL = {"tokenizer.json": b"{}"}


@dataclass(slots=True)
class Estate:
    """`root` has the store. `days` says how many have passed since everything was written."""

    root: Path
    desk: Desk = field(default_factory=Desk)
    days: float = 0.0
    models: list[Manifest] = field(default_factory=list)
    attic: Attic | None = None

    @property
    def store(self) -> DirectoryStore:
        """The store itself, without a lease."""
        return DirectoryStore(self.root)

    def now(self) -> datetime:
        """The clock of the collector."""
        return datetime.now(UTC) + timedelta(days=self.days)

    def make(self, base: str = "base", adapter: str = "one", *, name: str = "assistant", store: Any = None) -> Manifest:
        """Put a model into the store, without registering it."""
        parts = Parts(base=base_files(salt=base), tokenizer=SMALL, name=name)
        return parts.with_adapter("math", adapter_files(salt=adapter)).keep(store or self.store)

    def register(self, manifest: Manifest, *, at: str | None = None) -> Manifest:
        """Make a model known, long ago unless it is said when."""
        common = self.desk.common() | ({"at": at} if at else {})
        entry = Register(**common, model=manifest.name, manifest=manifest.digest, pins=manifest.pins)
        self.desk.write(entry)
        self.models.append(manifest)
        return manifest

    def add(self, base: str = "base", adapter: str = "one", *, name: str = "assistant") -> Manifest:
        """Put a model into the store and register it."""
        return self.register(self.make(base, adapter, name=name))

    def promote(self, manifest: Manifest, stage: str = "dev") -> None:
        """Let `stage` serve a model, by a verdict that is in the store with its gate."""
        for data in (b"gate file", b"gate"):
            self.store.put(data)
        serving = self.desk.state.serving(stage)
        served = serving.manifest if serving else None
        verdict = self.store.put(verdict_of(manifest.digest, stage, baseline=served).canonical())
        self.desk.write(
            Promote(**self._on(stage, manifest.digest), replaces=served, verdict=verdict, answer="GO", basis="gate")
        )

    def rollback(self, target: int, stage: str = "dev") -> None:
        """Let `stage` serve again what it served as generation `target`."""
        state = self.desk.state
        serving = state.serving(stage)
        assert serving
        manifest = state.generations(stage)[target - 1].manifest
        fields = {**self._on(stage, manifest), "replaces": serving.manifest, "target": target, "reason": "better"}
        self.desk.write(Rollback(**fields))

    def gc(self, *, keep: int = 2, grace: float = 14) -> Collected:
        """Collect."""
        return gc(**self.doors(keep, grace))

    def survey(self, *, keep: int = 2, grace: float = 14) -> Collected:
        """Only look."""
        return survey(**self.doors(keep, grace))

    def why(self, digest: Digest, *, keep: int = 2, grace: float = 14) -> Why:
        """What keeps a blob."""
        return why(digest, **self.doors(keep, grace))

    def verify(self) -> Report:
        """Read everything."""
        store = self.store
        return verify(store=store, ledger=self.desk.ledger, genesis=self.desk.genesis, premises=store.premises())

    def glance(self) -> Report:
        """Look at everything."""
        store = self.store
        return glance(store=store, ledger=self.desk.ledger, genesis=self.desk.genesis, premises=store.premises())

    def doors(self, keep: int, grace: float) -> dict[str, Any]:
        """What a collector works with."""
        store: Store = self.store
        return {
            "store": store,
            "attic": self.attic or self.store.attic,
            "ledger": self.desk.ledger,
            "genesis": self.desk.genesis,
            "clock": self,
            "retention": Retention(keep, timedelta(days=grace)),
        }

    def blobs(self) -> set[Digest]:
        """What lies in its place."""
        return set(self.store.digests())

    def alone(self) -> AbstractContextManager[Any]:
        """Keep everybody else out."""
        return self.store.attic.stocktaking()

    def _on(self, stage: str, manifest: Digest) -> dict[str, Any]:
        number = len(self.desk.state.generations(stage)) + 1
        return {**self.desk.on(stage, 0), "manifest": manifest, "generation": number}


def own(manifest: Manifest, store: Store) -> set[Digest]:
    """The blobs of a model's adapter, which no other model here shares."""
    from registry.core.tree import Tree

    tree = manifest.adapters[0].digest
    return {tree, *(entry.digest for entry in Tree.parse(store.get(tree)).entries if "safetensors" in entry.path)}


def names_of(paths: Iterable[Path]) -> list[str]:
    """Sorted names."""
    return sorted(path.name for path in paths)
