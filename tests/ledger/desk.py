"""What the ledger's tests write with: fixed keys, a clock that ticks, a few small models."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key

from registry.adapters.keys import FileSigner, _public_pem
from registry.adapters.ledgers.memory import MemoryLedger
from registry.core.digest import Digest, digest_of
from registry.core.ledger.chain import check_chain
from registry.core.ledger.entry import (
    Entry,
    Link,
    PolicyEntry,
    Promote,
    Refuse,
    Register,
    Revoke,
    Rollback,
    StageDecision,
    statement_of,
)
from registry.core.ledger.envelope import pae, seal
from registry.core.ledger.policy import Policy, one_key_policy
from registry.core.ledger.views import State, read_state
from registry.ports import LedgerFile


def signer_of(number: int) -> FileSigner:
    """The key whose secret is `number`: known to all, and the same each time."""
    private = derive_private_key(number, SECP256R1())
    return FileSigner(private, _public_pem(private))


ALICE, BOB, MALLORY = signer_of(1), signer_of(2), signer_of(666)


def manifest(number: int) -> Digest:
    """The digest of a manifest that nobody needs to read."""
    return digest_of(b"manifest %d" % number)


VERDICT = digest_of(b"verdict")


@dataclass(slots=True)
class TickingClock:
    """A clock that goes one minute further each time it is looked at."""

    time: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        """One minute after the last time."""
        self.time += timedelta(minutes=1)
        return self.time


def sealed(entry: Entry, *signers: FileSigner) -> bytes:
    """The stored bytes of `entry`, whether it is right or wrong."""
    payload = statement_of(entry)
    return seal(payload, {signer.key_id: signer.sign(pae(payload)) for signer in signers})


@dataclass(slots=True)
class Desk:
    """A ledger under the pen: writes entries without asking whether they are allowed."""

    policy: Policy = field(default_factory=lambda: one_key_policy(ALICE.public_pem))
    ledger: LedgerFile = field(default_factory=MemoryLedger)
    signers: tuple[FileSigner, ...] = (ALICE,)
    tips: dict[str, Digest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write(PolicyEntry(**self.common(), policy=self.policy))

    @property
    def entries(self) -> list[bytes]:
        """The stored bytes so far."""
        return list(self.ledger.read())

    @property
    def genesis(self) -> Digest:
        """The pinned digest."""
        return digest_of(self.entries[0])

    @property
    def state(self) -> State:
        """What the ledger says, verified."""
        return read_state(self.entries, self.genesis)

    def links(self) -> list[Link]:
        """The verified entries."""
        return list(check_chain(self.entries, self.genesis))

    def common(self) -> dict[str, Any]:
        """The fields of the next entry that are the same for all kinds."""
        entries = self.entries
        previous = digest_of(entries[-1]) if entries else None
        at = f"2026-01-02T03:{len(entries) // 60 % 60:02}:{len(entries) % 60:02}Z"
        return {"index": len(entries), "previous": previous, "actor": "alice@example.org", "at": at}

    def write(self, entry: Entry) -> Entry:
        """Sign and put `entry`."""
        data = sealed(entry, *self.signers)
        assert self.ledger.put_if_absent(len(self.entries), data)
        if isinstance(entry, StageDecision):
            self.tips[entry.stage] = digest_of(data)
        return entry

    def register(self, number: int, model: str | None = "assistant", **parts: Any) -> Entry:
        """Register manifest `number`."""
        return self.write(Register(**{**self.common(), "model": model, "manifest": manifest(number), **parts}))

    def on(self, stage: str, number: int) -> dict[str, Any]:
        """The fields of the next entry about a stage."""
        return {**self.common(), "stage": stage, "stage_previous": self.tips.get(stage), "manifest": manifest(number)}

    def promote(self, stage: str, number: int, generation: int, **parts: Any) -> Entry:
        """Promote manifest `number`, over what `parts["replaces"]` says."""
        fields = {"generation": generation, "verdict": VERDICT, "answer": "GO", "basis": "gate"}
        return self.write(Promote(**{**self.on(stage, number), **fields, **parts}))

    def refuse(self, stage: str, number: int, **parts: Any) -> Entry:
        """Refuse manifest `number`."""
        return self.write(Refuse(**{**self.on(stage, number), "verdict": VERDICT, "answer": "HOLD", **parts}))

    def rollback(self, stage: str, number: int, generation: int, **parts: Any) -> Entry:
        """Roll back to manifest `number`."""
        fields = {"generation": generation, "reason": "it was better"}
        return self.write(Rollback(**{**self.on(stage, number), **fields, **parts}))

    def decide(self, kind: type[StageDecision], stage: str, **parts: Any) -> Entry:
        """Write an entry of a kind about a stage, such as a hold."""
        common = {**self.common(), "stage": stage, "stage_previous": self.tips.get(stage), "reason": "so be it"}
        return self.write(kind(**{**common, **parts}))  # type: ignore[arg-type]  # reason: every stage's decision is an entry

    def revoke(self, number: int, **parts: Any) -> Entry:
        """Revoke manifest `number`."""
        return self.write(Revoke(**{**self.common(), "manifest": manifest(number), "reason": "it is bad", **parts}))


def story() -> Desk:
    """A ledger with every kind of entry: two models, one refused at first, one gone back to."""
    desk = Desk()
    desk.register(1, evidence=(digest_of(b"evidence 1"),))
    desk.register(2)
    desk.promote("staging", 1, 1, basis="bootstrap", answer="HOLD", reason="the first one")
    desk.refuse("staging", 2)
    desk.promote("staging", 2, 2, replaces=manifest(1))
    desk.rollback("staging", 1, 3, replaces=manifest(2), target=1)
    desk.promote("production", 1, 1)
    return desk
