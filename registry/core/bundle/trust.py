"""What a host remembers of the ledger, so that nobody can show it an old one, another one, or one that stands still.

What it remembers only ever grows, and is written down before anything is fetched. A rollback that somebody decided is a
new entry, so it passes. Whatever is refused here, the host goes on showing what it showed.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256
from registry.core.ledger.chain import REPLAYED, Forked, Head, Replayed, check_extends
from registry.core.ledger.head import FastForwarded
from registry.core.ledger.policy import Stage
from registry.core.ledger.text import Moment, moment_of, time_of
from registry.core.ledger.views import State
from registry.core.record import Record
from registry.errors import IntegrityError, Undecided, UsageError

MOST_SKEW = timedelta(minutes=5)
"""How far two honest clocks may be apart."""

_NEWS = timedelta(minutes=1)


class AnotherLedger(IntegrityError):
    """The ledger does not start with the entry that this host trusts."""


class Frozen(Undecided):
    """Nobody has signed the ledger for longer than its policy allows: what is shown may be what was true long ago."""


class ClockSetBack(Undecided):
    """This host's clock shows an earlier time than it did before, so nothing can be said of the ledger's age."""


class NotBound(UsageError):
    """This host has seen no ledger yet, and was not told which one to trust."""


class SeenLedger(Record):
    """How far a host has seen the ledger: its first entry, and the last one seen with its index.

    A host that has seen nothing trusts the first ledger that starts with the genesis it was told. To tell it how far
    that ledger went, too, write this record for it beforehand: `registry ledger binding` prints it.

    Attributes:
        genesis: The digest of entry 0.
        index: Of the last entry seen.
        entry: The digest of the last entry seen.
        root: The root of the tree up to that entry, 64 hex digits.
        policy: The policy that was in force after it.
        stages: The last generation of each stage.
        time: The latest time that this host's clock showed.
        checkpoint: The last checkpoint that held, verbatim.
        rival: A checkpoint that a head key signed and that contradicts what was seen, verbatim: evidence.
    """

    form: Literal["registry.seen/1"] = "registry.seen/1"
    genesis: Sha256
    index: Annotated[int, Field(ge=0)]
    entry: Sha256
    root: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    policy: Sha256 | None = None
    stages: dict[Stage, Annotated[int, Field(ge=0)]] | None = None
    time: Moment | None = None
    checkpoint: str | None = None
    rival: str | None = None


def follow(seen: SeenLedger | None, state: State, now: datetime | None = None) -> SeenLedger:
    """Accept a verified ledger that goes on from what was seen, and say how far it was seen now.

    Args:
        seen: What this host remembers; None on its first pull.
        state: What the whole verified ledger says, and its checkpoint.
        now: The time by this host's clock; None leaves out what depends on it.

    Raises:
        AnotherLedger: It starts with another entry.
        Replayed: It is shorter than what was seen.
        Forked: It has another entry at the place that was remembered.
        FastForwarded: Its checkpoint is of a time to come.
        Frozen: Its checkpoint is older than the policy allows, or there is none.
        ClockSetBack: The host's clock is behind where it was.
    """
    if seen is not None:
        _check_goes_on(seen, state)
    latest = _check_time(seen, state, now) if now is not None else seen.time if seen is not None else None
    return SeenLedger(
        genesis=state.genesis,
        index=state.head.index,
        entry=state.head.digest,
        root=state.tree.root.hex() if state.tree.size else None,
        policy=state.policy.digest,
        stages=_generations(state),
        time=latest,
        checkpoint=state.signed.note if state.signed else seen.checkpoint if seen else None,
        rival=seen.rival if seen else None,
    )


def binding_of(state: State) -> SeenLedger:
    """What a new host is given, so that it trusts this ledger as far as it goes now, and none that ends before."""
    return follow(None, state).model_copy(update={"checkpoint": None, "stages": None})


def is_aging(state: State, now: datetime) -> bool:
    """Whether more than half of the time has passed after which the ledger counts as frozen."""
    head, signed = state.policy.head, state.signed
    if head is None or head.max_age_hours is None or signed is None or signed.time is None:
        return False
    return now - datetime.fromtimestamp(signed.time, UTC) > timedelta(hours=head.max_age_hours) / 2


def _check_goes_on(seen: SeenLedger, state: State) -> None:
    if seen.genesis != state.genesis:
        why = f"this host trusts {seen.genesis}, the ledger starts with {state.genesis}"
        mend = "if the ledger was replaced on purpose, remove seen.json of this host and pull again"
        raise AnotherLedger("this is not the ledger that this host follows", why=why, mend=mend)
    try:
        check_extends(state.entries, Head(index=seen.index, digest=seen.entry))
    except Forked as error:
        error.rival = state.signed.note if state.signed else None
        raise
    # why only then: the root of an earlier size is not at hand, and the entry there says as much.
    if seen.index == state.head.index and seen.root not in (None, state.tree.root.hex()):
        raise Forked("the tree over the entries is not the one that was seen before", why=f"its root was {seen.root}")
    now = _generations(state)
    for stage, count in (seen.stages or {}).items():
        if now.get(stage, 0) < count:
            why = f"generation {count} was seen here"
            raise Replayed(f"{stage} has fewer generations than before", why=why, mend=REPLAYED)


def _check_time(seen: SeenLedger | None, state: State, now: datetime) -> str:
    """The latest time that this host's clock ever showed, if the clock and the checkpoint can be believed."""
    latest = max(now, time_of(seen.time)) if seen is not None and seen.time is not None else now
    if latest - now > MOST_SKEW:
        why = f"it is {moment_of(now)} here, and it was {moment_of(latest)} before"
        raise ClockSetBack("the clock of this host was set back", why=why, mend="set it right, then pull again")
    head = state.policy.head
    if head is not None and head.max_age_hours is not None:
        _check_age(state, latest, timedelta(hours=head.max_age_hours))
    # why not each time: a pull that finds nothing new writes nothing, unless a minute has passed.
    is_new = seen is None or seen.time is None or latest - time_of(seen.time) >= _NEWS
    return moment_of(latest) if is_new else str(seen and seen.time)


def _check_age(state: State, now: datetime, most: timedelta) -> None:
    signed = state.signed
    mend = "have somebody who holds a head key run `registry ledger checkpoint`; what is shown here stays"
    if signed is None or signed.time is None:
        raise Frozen("nobody says how fresh the ledger is", why="it has no checkpoint by a head key", mend=mend)
    time = datetime.fromtimestamp(signed.time, UTC)
    if time - now > MOST_SKEW:
        why = f"it was signed at {signed.at}, and it is {moment_of(now)} here"
        mend = (
            "set this host's clock right; if it is right, somebody signs the future, and the head key must be changed"
        )
        raise FastForwarded("the checkpoint is of a time to come", why=why, mend=mend)
    if now - time > most:
        why = f"it was signed at {signed.at}, and the policy allows {most.total_seconds() / 3600:.0f} hours"
        raise Frozen("nobody has signed the ledger for too long", why=why, mend=mend)


def _generations(state: State) -> dict[str, int]:
    return {stage: len(found) for stage, found in state.stages.items() if found}
