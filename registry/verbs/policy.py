"""Change the policy: propose it, let root keys sign it on machines of their own, and write it down."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.digest import Digest, short
from registry.core.ledger.change import Change, change_in, change_statement, signed_by
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.envelope import Signature, pae, seal_signed, sign_into
from registry.core.ledger.policy import ROOT, Policy
from registry.core.ledger.policyfile import policy_changes
from registry.core.ledger.views import State
from registry.errors import ConflictError, IntegrityError, Refused, UsageError
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.append import Decided, NotYours, append, stamp


class NoChange(UsageError):
    """The policy in force says that already."""


class NotAChange(UsageError):
    """A file is no proposal for this ledger, or somebody changed it after it was signed."""


class PolicyMoved(ConflictError):
    """Another policy came into force since a change was proposed."""


class TooFewSigned(Refused):
    """Not enough root keys have signed a change."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change under way: its file's bytes, what it changes, and how many signatures it has and needs.

    `before` and `after` are the root keys that have signed and those that must, of the policy in force and of the new
    one. `signers` are the ids of the keys that have signed.
    """

    data: bytes
    changes: tuple[str, ...]
    before: tuple[int, int]
    after: tuple[int, int]
    signers: tuple[str, ...]

    @property
    def is_signed(self) -> bool:
        """Whether enough keys have signed for it to be applied."""
        return self.before[0] >= self.before[1] and self.after[0] >= self.after[1]


def propose(policy: Policy, *, state: State, signer: Signer) -> Proposal:
    """Make a change of the policy in force, signed by `signer`.

    Raises:
        NoChange: It is the policy in force.
        NotYours: The signer has the role root in neither policy.
    """
    change = Change(genesis=state.genesis, replaces=state.policy.digest, policy=policy)
    if policy.digest == change.replaces:
        raise NoChange("nothing would change", why=f"{short(policy.digest)} is in force", mend="edit the policy first")
    return _signed(change, (), state=state, signer=signer)


def sign(data: bytes, *, state: State, signer: Signer) -> Proposal:
    """Sign a change that somebody proposed; read what it changes before.

    Raises:
        NotAChange, PolicyMoved, NotYours: As `look_at` and `propose`.
    """
    change, signatures = _read(data, state)
    return _signed(change, signatures, state=state, signer=signer)


def look_at(data: bytes, *, state: State) -> Proposal:
    """What a change would change, and who has signed it.

    Raises:
        NotAChange: It is none for this ledger, or a signature does not hold.
        PolicyMoved: The policy that it replaces is not in force any more.
    """
    return _proposal(*_read(data, state), state=state)


def apply(
    data: bytes,
    *,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
    reason: str | None = None,
) -> Decided:
    """Write a change down, once enough root keys of the old policy and of the new one have signed it.

    Whoever applies it needs a key of the policy in force; if that is a root key, it counts as well.

    Raises:
        TooFewSigned: Signatures are missing; how many is told.
        NotAChange, PolicyMoved: As `look_at`; also if the policy changed meanwhile.
        NotYours: The signer's key is not in the policy in force.
        LedgerLost, Breach, TooBusy: As `append`.
    """

    def decide(state: State) -> PolicyEntry | None:
        change, signatures = _read(data, state, may_be_done=True)
        if state.policy.digest == change.policy.digest:
            return None
        if signer.key_id not in state.policy.keys:
            raise NotYours(f"the key {signer.key_id[:12]} may not apply this", why="the policy in force has it not")
        found = _proposal(change, signatures, state=state, also=signer.key_id)
        if not found.is_signed:
            raise TooFewSigned("too few root keys have signed this change", why=_tally(found), mend=_SIGN)
        return PolicyEntry(
            **stamp(state, clock=clock, actor=actor, reason=reason),
            policy=change.policy,
            genesis=change.genesis,
            endorsements=signatures,
        )

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    entries = [link.entry for link in done.state.entries if isinstance(link.entry, PolicyEntry)]
    return Decided(entries[-1], was_there=done.link is None)


_SIGN = "give the file to another root key's owner: `registry policy sign FILE`"


def _tally(found: Proposal) -> str:
    return (
        f"{found.before[0]} of {found.before[1]} that the policy in force wants, "
        f"{found.after[0]} of {found.after[1]} that the new one wants"
    )


def _read(data: bytes, state: State, *, may_be_done: bool = False) -> tuple[Change, tuple[Signature, ...]]:
    """The change in a file, if it is for this ledger as it is."""
    try:
        change, signatures = change_in(data)
    except IntegrityError as error:
        raise NotAChange(
            "this is no change of a policy", why=error.what, mend="make one: `registry policy propose`"
        ) from None
    if change.genesis != state.genesis:
        why = f"it is for the ledger {short(change.genesis)}, and this is {short(state.genesis)}"
        raise NotAChange("this change is for another ledger", why=why)
    is_done = may_be_done and change.policy.digest == state.policy.digest
    if change.replaces != state.policy.digest and not is_done:
        why = f"it replaces {short(change.replaces)}, and {short(state.policy.digest)} is in force"
        raise PolicyMoved("the policy changed since this was proposed", why=why, mend="propose the change again")
    return change, signatures


def _signed(change: Change, signatures: Sequence[Signature], *, state: State, signer: Signer) -> Proposal:
    roots = {*state.policy.roles[ROOT].keys, *change.policy.roles[ROOT].keys}
    if signer.key_id not in roots:
        why = "it has the role root neither in the policy in force nor in the new one"
        mend = "sign with a root key (REGISTRY_KEY)"
        raise NotYours(f"the key {signer.key_id[:12]} may not sign this", why=why, mend=mend)
    added = sign_into(signatures, signer.key_id, signer.sign(pae(change_statement(change))))
    return _proposal(change, added, state=state)


def _proposal(change: Change, signatures: Sequence[Signature], *, state: State, also: str | None = None) -> Proposal:
    try:
        signers = signed_by(change, signatures, before=state.policy)
    except IntegrityError as error:
        raise NotAChange("a signature on this change does not hold", why=error.what, mend="propose it again") from None
    counted = signers | ({also} if also else set())
    old, new = state.policy.roles[ROOT], change.policy.roles[ROOT]
    return Proposal(
        data=seal_signed(change_statement(change), signatures),
        changes=policy_changes(state.policy, change.policy),
        before=(len(counted & set(old.keys)), old.threshold),
        after=(len(counted & set(new.keys)), new.threshold),
        signers=tuple(sorted(signers)),
    )
