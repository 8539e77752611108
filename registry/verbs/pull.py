"""pull: bring what a stage serves to this host, and show it in one step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from registry.core.bundle.report import Report
from registry.core.bundle.trust import follow, is_aging
from registry.core.digest import Digest
from registry.core.ledger.chain import Forked
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import Refused
from registry.ports import Clock, Delivered, Host, Store
from registry.verbs.admit import check_unrevoked
from registry.verbs.bundle import opener, plan_of


class NothingServed(Refused):
    """The stage has never served anything."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a host shows now: the stage's generation, the model, the release, and what it took.

    `is_aging` where more than half of the time has passed after which the ledger will count as frozen.
    """

    stage: str
    generation: int
    name: str
    manifest: Digest
    delivered: Delivered
    report: Report
    is_aging: bool = False

    @property
    def release(self) -> Digest:
        """The release's identity: the digest of its whole tree."""
        return self.delivered.release

    @property
    def previous(self) -> Digest | None:
        """What the host showed before; None if nothing."""
        return self.delivered.previous


def pull(
    stage: str,
    *,
    read: Callable[[], State],
    store: Store,
    host: Host,
    clock: Clock | None = None,
    entries: Callable[[int], Sequence[bytes]] | None = None,
) -> Pulled:
    """Make `host` show what `stage` serves. Whatever fails, the host goes on showing what it showed.

    `read` reads and verifies the ledger anew; it is asked while the host is held. Had it been asked before, another
    pull could come between and see more of the ledger, and this one would take its own old answer for a replay.

    How far the ledger was seen is remembered before anything is fetched: a pull that is cut off cannot be answered
    with an older ledger the next time. So is a checkpoint that contradicts what was seen, as evidence.

    Args:
        stage: Which.
        read: Gives what the ledger says, with its checkpoint.
        store: Where the blobs are.
        host: What shows the release.
        clock: The host's; None believes a ledger however old it is.
        entries: Gives the ledger's entries from an index on; the host keeps a copy of them.

    Raises:
        AnotherLedger: The ledger is not the one that this host follows.
        Replayed: It is older than what this host has seen.
        Forked: It says otherwise about what this host has seen.
        FastForwarded: Its checkpoint says more entries than there are, or a time to come.
        Frozen: Nobody has signed it for longer than the policy allows.
        ClockSetBack: The host's clock is behind where it was.
        NothingServed: The stage has never served anything.
        ModelRevoked: What the stage serves was revoked; the host goes on showing what it showed.
        UnknownReference: There is no such stage.
        LayoutConflict: The parts cannot stand in one directory.
        PreflightRefused: A server would refuse the parts, or load them silently wrong.
        Missing: A blob is not in the store.
        DigestMismatch: A blob holds other bytes.
        ConflictError: Another pull into this host is under way.
    """
    with host.hold():
        state = _follow(host, read, clock.now() if clock else None)
        if entries is not None:
            host.copy_ledger(lambda start: entries(start)[: max(0, state.next_index - start)])
        generation = state.serving(stage)
        if generation is None:
            mend = f"promote a model to {stage} first; `registry status` shows every stage"
            raise NothingServed(f"{stage} has never served anything", mend=mend)
        check_unrevoked(state, generation.manifest)
        manifest = Manifest.parse(store.get(generation.manifest))
        plan, report = plan_of(manifest, store=store, formats=state.policy.formats)
        delivered = host.deliver(plan.tree, opener(plan, store=store))
    aging = clock is not None and is_aging(state, clock.now())
    return Pulled(stage, generation.number, manifest.name, generation.manifest, delivered, report, aging)


def _follow(host: Host, read: Callable[[], State], now: datetime | None) -> State:
    """Read the ledger and accept it, or keep the evidence that it is not the one that was seen."""
    seen = host.seen()
    try:
        state = read()
        host.remember(follow(seen, state, now))
    except Forked as error:
        if seen is not None and error.rival is not None:
            host.remember(seen.model_copy(update={"rival": error.rival}))
        raise
    return state
