"""Append one decision to the ledger: the only step that commits, shared by every verb that decides."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from registry.core.digest import Digest
from registry.core.ledger.entry import MAX_BYTES, Entry, Link, PolicyEntry, statement_of
from registry.core.ledger.envelope import pae, seal
from registry.core.ledger.text import moment_of, time_of
from registry.core.ledger.views import State, state_after
from registry.core.record import faults_of
from registry.errors import ConflictError, Refused, RegistryError, UsageError
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.checkpoint import publish
from registry.verbs.reading import read_to_decide

ATTEMPTS = 32
"""How often an entry is decided on anew because another writer was faster, before we give up."""


class NotYours(Refused):
    """The policy does not let this key do that."""


class TooBusy(ConflictError):
    """Other writers were faster, time after time."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a decision: the entry, or None where there was nothing to write, and the state after it."""

    link: Link | None
    state: State


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that stands, and whether it did before we came: then nothing was written."""

    entry: Entry
    was_there: bool


def append(decide: Callable[[State], Entry | None], *, ledger: LedgerFile, genesis: Digest, signer: Signer) -> Appended:
    """Write down what `decide` says of the ledger as it is, or nothing if it says None.

    A lost race is no fault: the ledger is read again and `decide` is asked again. So it must look at everything that it
    rests on each time, and raise where that is no longer true.

    Args:
        decide: Changes nothing; gets the verified state, gives the next entry, or None if nothing is left to do.
        ledger: Where entries live.
        genesis: The pinned digest of entry 0.
        signer: Whose key signs.

    Raises:
        LedgerLost, Breach: The ledger cannot be read or believed.
        Forked, FastForwarded: A head key signed other entries than these, or more.
        UsageError: The entry would be too long, or has text that is not one printable line.
        NotYours: The policy does not let the signer write this.
        TooBusy: Another writer was faster 32 times.
    """
    for _ in range(ATTEMPTS):
        reading, _ = read_to_decide(ledger, genesis)
        chain = reading.chain
        state = state_after(chain.past, chain.tree)
        with spelled():
            entry = decide(state)
        if entry is None:
            return Appended(None, state)
        data = _seal(entry, state, signer)
        # why: what we would refuse to read must never be written; a slip here would break the ledger for everybody.
        link = reading.take(data)
        if ledger.put_if_absent(entry.index, data):
            # why: the entry is written, and a checkpoint that lags behind is no fault; the next writer mends it.
            with suppress(RegistryError):
                publish(reading, ledger=ledger, signer=signer, time=int(time_of(entry.at).timestamp()))
            reading.retain()
            return Appended(link, state_after(chain.past, chain.tree))
    raise TooBusy("the ledger was never free", why=f"other writers were faster {ATTEMPTS} times", mend="try again")


def stamp(state: State, *, clock: Clock, actor: str, reason: str | None, stage: str | None = None) -> dict[str, Any]:
    """The fields that every next entry has, and those that one about `stage` has too."""
    place = {"index": state.next_index, "previous": state.head.digest}
    chain = {"stage": stage, "stage_previous": state.tips.get(stage)} if stage is not None else {}
    return {**place, **chain, "actor": actor, "at": moment_of(clock.now()), "reason": reason}


@contextmanager
def spelled() -> Iterator[None]:
    """Tell what cannot be written into an entry as a fault of the call.

    Raises:
        UsageError: For one, a reason of two lines.
    """
    try:
        yield
    except ValidationError as error:
        raise UsageError("this cannot be written into the ledger", why=faults_of(error)) from None


def check_role(role: str, act: str, *, state: State, signer: Signer) -> None:
    """Refuse before any work is done what the policy does not let the signer do alone.

    Raises:
        NotYours: It does not; `act` tells what.
    """
    if not state.policy.may(role, {signer.key_id}):
        raise _not_yours(role, act, state=state, signer=signer)


def _seal(entry: Entry, state: State, signer: Signer) -> bytes:
    if not isinstance(entry, PolicyEntry):  # why: root keys sign that elsewhere; who writes it down need not be one
        check_role(entry.role, entry.action, state=state, signer=signer)
    payload = statement_of(entry)
    data = seal(payload, {signer.key_id: signer.sign(pae(payload))})
    if len(data) > MAX_BYTES:
        raise UsageError(f"this {entry.action} entry is too long", why=f"{len(data)} bytes; at most {MAX_BYTES} fit")
    return data


def _not_yours(role: str, act: str, *, state: State, signer: Signer) -> NotYours:
    found = state.policy.role(role)
    if signer.key_id in state.policy.revocations:
        why = f"it is revoked from entry {state.policy.revocations[signer.key_id]} on"
    elif found is not None and signer.key_id in found.keys:
        why = f"{found.threshold} keys of the role {role} must sign, and this is one"
    elif found is None:
        why = f"nobody has the role {role}"
    else:
        why = f"it has not the role {role}"
    mend = "sign with another key (REGISTRY_KEY), or have a root key change the policy"
    return NotYours(f"the key {signer.key_id[:12]} may not {act}", why=why, mend=mend)
