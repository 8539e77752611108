"""Start a ledger: write its genesis, the policy that says who may do what."""

from contextlib import suppress
from dataclasses import dataclass

from registry.core.digest import Digest, digest_of, short
from registry.core.ledger.chain import Chain, LedgerLost
from registry.core.ledger.entry import PolicyEntry, statement_of
from registry.core.ledger.envelope import pae, seal
from registry.core.ledger.policy import ROOT, Policy
from registry.core.ledger.text import moment_of, time_of
from registry.errors import ConflictError, RegistryError, UsageError
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.append import spelled
from registry.verbs.checkpoint import publish
from registry.verbs.reading import Reading


class AlreadyAnother(ConflictError):
    """There is a ledger here already, and it is not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Started:
    """The ledger: the digest of its genesis, which every reader pins, and whether it was there before."""

    genesis: Digest
    was_there: bool


def init(
    policy: Policy, *, ledger: LedgerFile, signer: Signer, clock: Clock, actor: str, pinned: Digest | None = None
) -> Started:
    """Write `policy` as entry 0 of an empty ledger. Done again with the same policy, it changes nothing.

    Args:
        policy: Who may do what; `registry.core.ledger.policy.one_key_policy` makes one for a single key.
        ledger: Where entries live.
        signer: A root key of `policy`.
        clock: Says when.
        actor: Who does it.
        pinned: The genesis that this project pinned earlier, if it did.

    Returns:
        The digest to pin.

    Raises:
        UsageError: The signer alone is not the policy's root.
        AlreadyAnother: There is a ledger with another policy, or other than `pinned`.
        LedgerLost: One was pinned, and this place is empty.
        Breach: There is one, and its entry 0 does not hold.
    """
    if not policy.may(ROOT, {signer.key_id}):
        why = f"the root role wants {policy.roles[ROOT].threshold} of its own keys; this is {signer.key_id[:12]}"
        raise UsageError("this key cannot start this ledger", why=why)
    with spelled():
        entry = PolicyEntry(index=0, actor=actor, at=moment_of(clock.now()), policy=policy)
    payload = statement_of(entry)
    data = seal(payload, {signer.key_id: signer.sign(pae(payload))})
    chain = Chain(digest_of(data))
    chain.extend(data)  # why: what we would refuse to read must never be written
    found = ledger.read()
    # why pinned too: the ledger that was pinned is gone, and a new one in its place would hide that.
    if not found and pinned is not None:
        raise LedgerLost(short(pinned))
    if not found and ledger.put_if_absent(0, data):
        with suppress(RegistryError):  # why: the ledger is there, and whoever writes next signs how far it goes
            publish(Reading(chain, None), ledger=ledger, signer=signer, time=int(time_of(entry.at).timestamp()))
        return Started(digest_of(data), was_there=False)
    return _accept((found or ledger.read())[0], policy, pinned)


def _accept(data: bytes, policy: Policy, pinned: Digest | None) -> Started:
    """Take the ledger that is here for ours, if it says what we would have said."""
    genesis = digest_of(data)
    link = Chain(genesis).extend(data)
    if pinned is not None and pinned != genesis:
        raise AlreadyAnother("another ledger was pinned", why=f"pinned is {short(pinned)}, here is {short(genesis)}")
    if not isinstance(link.entry, PolicyEntry) or _without_head(link.entry.policy) != _without_head(policy):
        why = f"its genesis {short(genesis)} has another policy (other keys, roles or stages)"
        mend = "to use it, pin that genesis in registry.toml; to start your own, choose another place"
        raise AlreadyAnother("there is a ledger here already", why=why, mend=mend)
    return Started(genesis, was_there=True)


def _without_head(policy: Policy) -> Policy:
    # why: a ledger that was started before there were checkpoints is the one that was asked for all the same.
    return policy.model_copy(update={"head": None})
