"""Two copies of a small registry, and a meter that only counts."""

from copy import copy
from dataclasses import dataclass, field
from pathlib import Path

from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest
from registry.verbs.carry import Carried, Side
from registry.verbs.fetch import fetch
from registry.verbs.push import push
from tests.ledger.desk import Desk
from tests.ledger.models import model_of


@dataclass
class Count:
    """How much was expected, and how much moved, in bytes."""

    expected: int = 0
    done: int = 0

    def expect(self, size_bytes: int) -> None:
        """Note it."""
        self.expected = size_bytes

    def moved(self, size_bytes: int) -> None:
        """Count it."""
        self.done += size_bytes


@dataclass
class Desks:
    """A registry with models, and what it takes to copy it to another side and back."""

    side: Side
    desk: Desk
    models: list[Digest] = field(default_factory=list)
    meter: Count = field(default_factory=Count)

    def at(self, side: Side) -> "Desks":
        """The same registry, by the same pen, as another side has it."""
        desk = copy(self.desk)
        desk.ledger = side.ledger
        return Desks(side, desk, list(self.models))

    def add(self, weights: bytes) -> Digest:
        """Keep and register one more model."""
        name = f"model-{len(self.models)}"
        model = model_of(name, self.side.store, weights=weights).digest
        self.desk.register(0, name, manifest=model)
        self.models.append(model)
        return model

    def push(self, there: Side, *refs: str) -> Carried:
        """From here to `there`."""
        return push(refs, here=self.side, there=there, genesis=self.desk.genesis, meter=self.meter)

    def fetch_into(self, copy: Side, *refs: str) -> Carried:
        """From here into `copy`, as its owner would."""
        return fetch(refs, here=copy, there=self.side, genesis=self.desk.genesis, meter=self.meter)


def make_desks() -> Desks:
    """A registry in memory with two models, the first of weights `weights 0`."""
    side = in_memory()
    desks = Desks(side, Desk(ledger=side.ledger))
    for number in range(2):
        desks.add(b"weights %d" % number)
    return desks


def in_memory() -> Side:
    """An empty side that lasts as long as the process."""
    return Side(MemoryStore(), MemoryLedger())


def in_directory(root: Path) -> Side:
    """A side in a directory."""
    return Side(DirectoryStore(root), DirectoryLedger(root / "ledger"))


def everything(side: Side) -> tuple[list[Digest], list[bytes]]:
    """All blobs, each of which is read and verified, and all entries."""
    digests = sorted(side.store.digests())
    for digest in digests:
        side.store.get(digest)
    return digests, list(side.ledger.read())
