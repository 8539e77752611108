"""A registry with a real ledger, and hosts that pull from it; whoever wants can show them another ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.keys import FileSigner
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest
from registry.core.ledger.entry import Promote, Register, Rollback
from registry.testing.models import Parts, adapter_files
from registry.verbs.checkpoint import checkpoint
from registry.verbs.pull import Pulled, pull
from registry.verbs.reading import read_signed
from tests.ledger.desk import ALICE, VERDICT, Desk
from tests.ledger.heads import policy_with_head

MORNING = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)
MODELS = [Parts().with_adapter("math", adapter_files(salt=f"math {number}")) for number in range(3)]


@dataclass(slots=True)
class HandClock:
    """A clock that stands until somebody moves it."""

    time: datetime = MORNING

    def now(self) -> datetime:
        """What it shows."""
        return self.time

    def move(self, **by: float) -> None:
        """Move it on, or back."""
        self.time += timedelta(**by)


@dataclass(slots=True)
class Yard:
    """A ledger in which models are promoted to `staging`, its store, and a host with its clock."""

    path: Path
    max_age_hours: int | None = 24
    signers: tuple[FileSigner, ...] = (ALICE,)
    clock: HandClock = field(default_factory=HandClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    desk: Desk = field(init=False)
    models: list[Digest] = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(policy=policy_with_head(*self.signers, max_age_hours=self.max_age_hours))
        self.models = [parts.keep(self.store).digest for parts in MODELS]
        for digest in self.models:
            self.desk.write(Register(**self.desk.common(), model="assistant", manifest=digest))

    @property
    def host(self) -> HostDirectory:
        """The host, opened anew."""
        return HostDirectory(self.path)

    def promote(self, number: int) -> None:
        """Let staging serve model `number`, and sign."""
        served = self.desk.state.generations("staging")
        self.desk.write(
            Promote(
                **{**self.desk.on("staging", 0), "manifest": self.models[number]},
                generation=len(served) + 1,
                replaces=served[-1].manifest if served else None,
                verdict=VERDICT,
                answer="GO",
                basis="gate",
            )
        )
        self.sign()

    def roll_back(self) -> None:
        """Let staging serve generation 1 again, and sign."""
        first, *_, last = self.desk.state.generations("staging")
        self.desk.write(
            Rollback(
                **{**self.desk.on("staging", 0), "manifest": first.manifest, "reason": "it was better"},
                generation=last.number + 1,
                replaces=last.manifest,
                target=1,
            )
        )
        self.sign()

    def sign(self, signer: FileSigner = ALICE) -> None:
        """Sign how far the ledger goes, at the time of the host's clock."""
        checkpoint(ledger=self.desk.ledger, genesis=self.desk.genesis, signer=signer, clock=self.clock)

    def copy(self) -> MemoryLedger:
        """The ledger as it is now, as a backup has it."""
        return MemoryLedger(list(self.desk.entries), self.desk.ledger.checkpoint())

    def pull(self, ledger: MemoryLedger | None = None, *, host: HostDirectory | None = None) -> Pulled:
        """Pull from the ledger, or from what somebody shows instead."""
        shown = ledger or self.desk.ledger
        return pull(
            "staging",
            read=lambda: read_signed(shown, self.desk.genesis),
            store=self.store,
            host=host or self.host,
            clock=self.clock,
            entries=shown.read,
        )

    @property
    def shown(self) -> int | None:
        """The number of the model that the host shows; None if it shows none."""
        if not (self.path / "current").exists():
            return None
        data = (self.path / "current/.bundle/manifest.json").read_bytes()
        return next(number for number, digest in enumerate(self.models) if self.store.get(digest) == data)

    def forged(self, entries: Sequence[bytes], note: bytes | None = None) -> MemoryLedger:
        """A ledger with these entries."""
        return MemoryLedger(list(entries), note)
