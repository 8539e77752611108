"""A team at work: a store, a started ledger, three models, and the verbs with their doors open."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from registry.adapters.keys import FileSigner
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest
from registry.core.gate.verdict import Answer
from registry.core.ledger.policy import Policy, one_key_policy
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import RegistryError
from registry.verbs.append import Decided
from registry.verbs.approve import approve
from registry.verbs.hold import hold, resume
from registry.verbs.init import init
from registry.verbs.promote import (
    Promoted,
    bootstrap,
    promote,
)
from registry.verbs.reading import read
from registry.verbs.register import Model, register
from registry.verbs.revoke import Withdrawn, revoke
from registry.verbs.rollback import RolledBack, rollback
from registry.verbs.waive import waive
from tests.ledger.desk import ALICE, TickingClock
from tests.ledger.models import model_of, verdict_of

FAR = datetime(2027, 1, 1, tzinfo=UTC)
RULE = "delta.success@1{division_hard}.point >= 0.07"
"""The rule that decides in the verdicts of `tests.ledger.models`."""


@dataclass(slots=True)
class Team:
    """A store, a ledger that was started, and three models that are registered in it."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    store: MemoryStore = field(default_factory=MemoryStore)
    signer: FileSigner = ALICE
    genesis: Digest = field(init=False)
    policy: Policy = field(default_factory=lambda: one_key_policy(ALICE.public_pem))
    clock: TickingClock = field(default_factory=TickingClock)
    models: list[Manifest] = field(default_factory=list)

    def __post_init__(self) -> None:
        started = init(self.policy, ledger=self.ledger, signer=self.signer, clock=self.clock, actor="alice")
        self.genesis = started.genesis
        for number in range(3):
            manifest = model_of("assistant", self.store, weights=b"weights %d" % number)
            register(Model("assistant", manifest.digest), manifest.pins, **self.doors())
            self.models.append(manifest)

    def doors(self) -> dict[str, Any]:
        return {
            "ledger": self.ledger,
            "genesis": self.genesis,
            "signer": self.signer,
            "clock": self.clock,
            "actor": "alice",
        }

    @property
    def state(self) -> State:
        return read(self.ledger, self.genesis)

    def serving(self, stage: str) -> Digest | None:
        now = self.state.serving(stage)
        return now.manifest if now else None

    def digest(self, number: int) -> Digest:
        return self.models[number].digest

    def promote(self, number: int, stage: str = "staging", answer: Answer = "GO", **parts: Any) -> Promoted:
        baseline = parts.pop("baseline", self.serving(stage))
        verdict = verdict_of(self.digest(number), stage, answer, baseline=baseline)
        return promote(self.digest(number), stage, **{"verdict": verdict, "store": self.store, **self.doors(), **parts})

    def bootstrap(
        self, number: int, stage: str = "staging", answer: Answer = "HOLD", reason: str = "first"
    ) -> Promoted:
        verdict = verdict_of(self.digest(number), stage, answer)
        return bootstrap(
            self.digest(number), stage, verdict=verdict, reason=reason, store=self.store, **self.doors()
        )  # fmt: skip

    def approve(self, number: int, signer: FileSigner, stage: str = "staging") -> Decided:
        return approve(self.digest(number), stage, **{**self.doors(), "signer": signer})

    def waive(self, number: int, *, until: datetime = FAR, answer: Answer = "NO-GO", **parts: Any) -> Decided:
        verdict = verdict_of(self.digest(number), "staging", answer, baseline=self.serving("staging"))
        rules = parts.pop("rules", [RULE])
        fields = {"rules": rules, "until": until, "reason": "it is urgent", "store": self.store}
        return waive(verdict, **{**fields, **self.doors(), **parts})

    def hold(self, stage: str = "staging") -> Decided:
        return hold(stage, reason="a night of trouble", **self.doors())

    def resume(self, stage: str = "staging") -> Decided:
        return resume(stage, reason="all is well", **self.doors())

    def revoke(self, number: int) -> Withdrawn:
        return revoke(self.digest(number), reason="it lies", **self.doors())

    def rollback(self, stage: str = "staging", reason: str = "it failed", **parts: Any) -> RolledBack:
        return rollback(stage, **{"reason": reason, "store": self.store, **self.doors(), **parts})


def refuses(kind: type[RegistryError], team: Team, act: Callable[[], object]) -> RegistryError:
    """`act` raises exactly `kind`, with advice or a reason, and writes nothing."""
    before = team.ledger.read()
    with pytest.raises(RegistryError) as caught:
        act()

    assert type(caught.value) is kind
    assert caught.value.why or caught.value.mend
    assert team.ledger.read() == before
    return caught.value
