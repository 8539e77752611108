"""The policy: as people write it, as it is changed by several of them, and what it lets into a model."""

import pickle
from typing import Any

import pytest

from registry.adapters.keys import FileSigner
from registry.core.digest import digest_of
from registry.core.ledger.breach import Breach, Forged, NotAllowed
from registry.core.ledger.change import Change, change_statement
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.envelope import pae, sign_into
from registry.core.ledger.policy import Formats, Key, Policy, Role, one_key_policy
from registry.core.ledger.policyfile import policy_changes, policy_text, read_policy
from registry.errors import Faults, RegistryError
from registry.verbs.append import NotYours
from registry.verbs.doctor import doctor
from registry.verbs.policy import (
    NoChange,
    NotAChange,
    PolicyMoved,
    Proposal,
    TooFewSigned,
    apply,
    look_at,
    propose,
    sign,
)
from registry.verbs.register import Model, register
from registry.verbs.screen import RunsCode
from tests.ledger.desk import ALICE, BOB, MALLORY, Desk, signer_of
from tests.ledger.models import model_of
from tests.ledger.team import FAR, Team, refuses

CAROL = signer_of(3)
FILES = {"bob.pub": BOB.public_pem, "carol.pub": CAROL.public_pem, "junk.pub": "junk"}


@pytest.fixture
def team() -> Team:
    """Alice alone, to begin with."""
    return Team()


def edited(policy: Policy, *changes: tuple[str, str], next_index: int = 9) -> Policy:
    """The policy as a person would change its text."""
    text = policy_text(policy)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return read_policy(text.encode(), "policy.yaml", current=policy, pem_at=FILES.__getitem__, next_index=next_index)


def pair(team: Team) -> Policy:
    """Alice and Bob are root together, and Bob approves what enters staging."""
    name = f"key-{ALICE.key_id[:12]}"
    return edited(
        team.state.policy,
        (f"{name}: {ALICE.key_id}", f"alice: {ALICE.key_id}\n  bob: bob.pub"),
        (f"[{name}]", "[alice]"),
        ("root: [alice]", "root: {keys: [alice, bob], threshold: 2}\n  approver:staging: [bob]"),
    )


def test_what_is_shown_can_be_read_again() -> None:
    """Every part of a policy, with revoked keys, thresholds and formats."""
    keys = {
        ALICE.key_id: Key(pem=ALICE.public_pem, owner="Alice A."),
        BOB.key_id: Key(pem=BOB.public_pem, revoked_from_index=4, why="laptop stolen"),
        CAROL.key_id: Key(pem=CAROL.public_pem),
    }
    both = Role(keys=tuple(sorted((ALICE.key_id, CAROL.key_id))), threshold=2)
    roles = dict.fromkeys(("root", "registrar", "promoter:dev", "promoter:live", "approver:live", "waiver:dev"), both)
    formats = Formats(allow=("python",), exempt=(digest_of(b"x"),))
    policy = Policy(
        stages=("dev", "live"),
        after={"live": "dev"},
        keys=keys,
        roles=roles,
        formats=formats,
        rollback_targets={"live": "any-approved", "dev": "previously-live"},
    )

    assert policy == edited(policy)


@pytest.mark.parametrize(("old", "new", "told"), [
    ("root: [alice]", "root: {keys: [alice], threshold: 0}", "threshold"),
    ("root: [alice]", "root: {keys: [alice], threshold: 2}", "cannot be met"),
    ("root: [alice]", "root: [alise]", "alice"),
    ("root: [alice]", "roots: [alice]", "root"),
    ("root: [alice]", "root: [alice]\n  root: [alice]", "twice"),
    ("root: [alice]", "root: [alice]\n  approver:moon: [alice]", "approver:moon"),
    ("stages:", "stage:", "stages"),
    ("keys:", "keys:\n  bob: junk.pub", "no public key"),
    ("keys:", "keys:\n  bob: 0123456789ab", "0 keys"),
    ("keys:", f"keys:\n  bob: {ALICE.key_id}", "two names"),
    ("keys:", "keys:\n  bob: {key: bob.pub, revoked_from_index: soon}", "now"),
    ("root: [alice]", "root: []", "keys"),
    ("keys:", "rollback_targets: {moon: any-approved}\nkeys:", "moon, which is no stage"),
    ("keys:", "rollback_targets: {staging: any-approved}\nkeys:", "no role approver:staging"),
    ("keys:", "rollback_targets: {staging: anything}\nkeys:", "any-approved"),
])  # fmt: skip
def test_a_policy_that_cannot_hold_is_told_with_its_place(old: str, new: str, told: str) -> None:
    """Never a threshold of 0, a role that cannot be met, a key that counts twice."""
    policy = edited(one_key_policy(ALICE.public_pem), (f"key-{ALICE.key_id[:12]}", "alice"))
    with pytest.raises(Faults) as caught:
        edited(policy, (old, new))

    assert told in str(caught.value)


def test_a_key_is_revoked_from_now_on() -> None:
    """`now` is the next entry."""
    policy = edited(
        one_key_policy(ALICE.public_pem), ("keys:", "keys:\n  bob: {key: bob.pub, revoked_from_index: now}")
    )

    assert policy.revocations == {BOB.key_id: 9}
    assert policy_changes(one_key_policy(ALICE.public_pem), policy) == (
        f"+ key {BOB.key_id[:12]} bob, revoked from entry 9 on",
    )


def change(team: Team, *signers: FileSigner) -> Proposal:
    """The change to `pair`, signed by some."""
    found = propose(pair(team), state=team.state, signer=signers[0])
    for signer in signers[1:]:
        found = sign(found.data, state=team.state, signer=signer)
    return found


def test_a_change_is_signed_on_two_machines_and_applied(team: Team) -> None:
    """By the old root and by the new one; entries that come in between do no harm."""
    first = change(team, ALICE)
    assert (first.before, first.after, first.is_signed) == ((1, 1), (1, 2), False)
    refuses(TooFewSigned, team, lambda: apply(first.data, **team.doors()))
    team.promote(0)
    second = sign(first.data, state=team.state, signer=BOB)
    assert second.signers == tuple(sorted((ALICE.key_id, BOB.key_id)))
    team.promote(1)
    done = apply(second.data, **{**team.doors(), "reason": "Bob joins"})

    assert team.state.policy == pair_of(done.entry)
    assert (done.was_there, apply(second.data, **team.doors()).was_there) == (False, True)
    assert team.state.policy.roles["root"].threshold == 2


def pair_of(entry: object) -> Policy:
    assert isinstance(entry, PolicyEntry)
    return entry.policy


def test_whoever_applies_counts_if_they_are_root(team: Team) -> None:
    """And need not be, if enough others have signed."""
    only_bob = change(team, BOB)
    refuses(NotYours, team, lambda: apply(only_bob.data, **{**team.doors(), "signer": MALLORY}))

    assert not apply(only_bob.data, **team.doors()).was_there
    assert team.state.entries[-1].key_ids == {ALICE.key_id, BOB.key_id}


def test_a_proposal_is_for_this_ledger_as_it_is(team: Team) -> None:
    """Another ledger, a policy that moved, a change that changes nothing, a key without a say, a changed byte."""
    good = change(team, ALICE, BOB)
    state = team.state
    for act, kind in (
        (lambda: propose(state.policy, state=state, signer=ALICE), NoChange),
        (lambda: propose(pair(team), state=state, signer=MALLORY), NotYours),
        (lambda: sign(good.data, state=state, signer=MALLORY), NotYours),
        (lambda: look_at(good.data[:-1], state=state), NotAChange),
        (lambda: look_at(b"{}", state=state), NotAChange),
        (lambda: look_at(good.data, state=Team(policy=one_key_policy(BOB.public_pem), signer=BOB).state), NotAChange),
    ):
        refuses(kind, team, act)
    apply(good.data, **team.doors())
    stale = {**team.doors(), "signer": BOB}
    other = propose(edited(team.state.policy, ("[bob]", "[alice]")), state=team.state, signer=ALICE)
    last = sign(other.data, state=team.state, signer=BOB)
    apply(last.data, **stale)
    refuses(PolicyMoved, team, lambda: apply(good.data, **stale))


def entry_of(desk: Desk, new: Policy, *signers: FileSigner, **changes: Any) -> PolicyEntry:
    """A policy's entry with endorsements by some, made without asking whether they may."""
    fields = {"genesis": desk.genesis, "replaces": desk.policy.digest, "policy": new, **changes}
    statement = change_statement(Change(**fields))
    made: tuple[Any, ...] = ()
    for signer in signers:
        made = sign_into(made, signer.key_id, signer.sign(pae(statement)))
    return PolicyEntry(**desk.common(), policy=new, genesis=desk.genesis, endorsements=made)


@pytest.mark.parametrize(("signers", "changes", "kind"), [
    ((BOB,), {}, None),
    ((ALICE, BOB), {}, None),
    ((ALICE,), {}, NotAllowed),
    ((MALLORY,), {}, Forged),
    ((BOB, MALLORY), {}, Forged),
    ((BOB,), {"replaces": digest_of(b"another")}, Forged),
    ((BOB,), {"genesis": digest_of(b"another")}, Forged),
    ((BOB,), {"policy": one_key_policy(BOB.public_pem)}, Forged),
])  # fmt: skip
def test_an_endorsement_is_of_this_change_by_a_root_key(
    team: Team, signers: tuple[FileSigner, ...], changes: dict[str, Any], kind: type[Breach] | None
) -> None:
    """Of another policy, for another ledger or by another key it holds for nothing, and the entry is refused."""
    desk = Desk()
    desk.write(entry_of(desk, pair(team), *signers, **changes))
    if kind is None:
        assert desk.state.policy == pair(team)
        return
    with pytest.raises(Breach) as caught:
        desk.links()

    assert type(caught.value) is kind


def test_a_first_policy_has_no_endorsements(team: Team) -> None:
    """There is nothing before it that could have been changed."""
    desk = Desk()
    entry = PolicyEntry(**{**desk.common(), "index": 0, "previous": None}, policy=pair(team))
    with pytest.raises(ValueError, match="together"):
        PolicyEntry(**{**entry.model_dump(), "genesis": desk.genesis})


@pytest.mark.parametrize("weights", [pickle.dumps({"w": [1.0] * 9}), b"PK\x03\x04 broken"])
def test_a_model_that_could_run_code_enters_no_stage(team: Team, weights: bytes) -> None:
    """By its content, whatever its name; the file is told, with the digest that the policy could exempt."""
    model = model_of("assistant", team.store, weights=weights)
    register(Model("assistant", model.digest), model.pins, **team.doors())
    team.models.append(model)
    for act in (lambda: team.promote(3), lambda: team.bootstrap(3)):
        error = refuses(RunsCode, team, act)

        assert digest_of(weights) in error.why
    for formats in (Formats(exempt=(digest_of(weights),)), Formats(allow=("pickle",))):
        policy = team.state.policy.model_copy(update={"formats": formats})
        apply(propose(policy, state=team.state, signer=ALICE).data, **team.doors())

        assert team.promote(3, "dev" if formats.allow else "staging").now.manifest == model.digest


def told(team: Team, level: str) -> str:
    return "\n".join(one.what for one in doctor(team.state, clock=team.clock) if one.level == level)


def test_the_doctor_says_that_one_person_decides_everything(team: Team) -> None:
    """It is legal, so it is a note; with a second root key it is gone."""
    assert "one key decides everything" in told(team, "note")
    assert "names no head key" in told(team, "note")
    assert told(team, "warning") == ""
    apply(change(team, ALICE, BOB).data, **team.doors())

    assert "one key decides everything" not in told(team, "note")


def test_the_doctor_warns_of_what_is_wrong_and_of_what_soon_will_be(team: Team) -> None:
    """A revoked model that is served, and a waiver in its last days."""
    team.waive(0, until=FAR)
    team.promote(0, answer="NO-GO")
    assert "ends in" not in told(team, "warning")
    team.clock.time = FAR.replace(year=2026, month=12, day=25)

    assert "ends in 6 days" in told(team, "warning")
    team.revoke(0)
    assert "REVOKED" in told(team, "warning")


def test_the_doctor_knows_stages_that_nothing_can_enter(team: Team) -> None:
    """An only approver who is the only maker; a threshold that no command can meet."""
    alone = Role(keys=(ALICE.key_id,), threshold=1)
    roles = {**team.state.policy.roles, "approver:staging": alone}
    apply(
        propose(team.state.policy.model_copy(update={"roles": roles}), state=team.state, signer=ALICE).data,
        **team.doors(),
    )

    assert "nothing can enter staging" in told(team, "warning")


def test_every_refusal_says_what_to_do(team: Team) -> None:
    """Why or mend, always."""
    with pytest.raises(RegistryError) as caught:
        apply(change(team, ALICE).data, **team.doors())

    assert "registry policy sign" in caught.value.mend
