"""Approvals, waivers, revocations, holds, and keys that were in other hands: what the chain lets follow."""

from pathlib import Path
from typing import Any

import pytest

from registry.adapters.keys import FileSigner
from registry.core.digest import digest_of
from registry.core.ledger import breach as breaches
from registry.core.ledger.breach import Breach
from registry.core.ledger.chain import check_chain
from registry.core.ledger.change import Change, change_statement
from registry.core.ledger.entry import Approve, Hold, Judge, PolicyEntry, Promote, Resume, Waive
from registry.core.ledger.envelope import pae, sign_into
from registry.core.ledger.policy import Key, Policy, Role, promoter
from tests.ledger.desk import ALICE, BOB, VERDICT, Desk, manifest, signer_of, story

CAROL = signer_of(3)
GOLDEN = Path(__file__).parent / "golden_decisions"
RULE = "aggregate.success@1.lower_ci >= 0.82"
LATER = "2026-02-01T00:00:00Z"


def role_of(*signers: FileSigner, threshold: int = 1) -> Role:
    """A role of these keys."""
    return Role(keys=tuple(sorted(signer.key_id for signer in signers)), threshold=threshold)


def policy_of(*signers: FileSigner, **roles: Role) -> Policy:
    """One stage; each of `signers` may do anything, and `roles` are added, with `_` for `:`."""
    everybody = role_of(*signers)
    plain = dict.fromkeys(("root", "registrar", promoter("staging")), everybody)
    return Policy(
        stages=("staging",),
        after={},
        keys={signer.key_id: Key(pem=signer.public_pem) for signer in signers},
        roles={**plain, **{name.replace("_", ":"): role for name, role in roles.items()}},
    )


def breach(desk: Desk) -> type[Breach]:
    """How the ledger under the pen is broken."""
    with pytest.raises(Breach) as caught:
        list(check_chain(desk.entries, desk.genesis))

    assert caught.value.index == len(desk.entries) - 1
    return type(caught.value)


def registered(policy: Policy, *numbers: int) -> Desk:
    """A ledger with this policy where Alice registered some manifests."""
    desk = Desk(policy=policy)
    for number in numbers:
        desk.register(number)
    return desk


def test_a_held_stage_takes_no_promotion_and_any_rollback() -> None:
    """It is frozen for what is new; the way back stays open. A resumption opens it."""
    desk = story()
    desk.decide(Hold, "staging")
    desk.rollback("staging", 2, 4, replaces=manifest(1), target=2)

    assert desk.state.held("staging") is not None
    desk.decide(Resume, "staging")
    desk.promote("staging", 1, 5, replaces=manifest(2))

    assert desk.state.held("staging") is None
    desk.decide(Hold, "staging")
    desk.promote("staging", 2, 6, replaces=manifest(1))

    assert breach(desk) is breaches.OnHold


@pytest.mark.parametrize(("kinds"), [(Resume,), (Hold, Hold), (Hold, Resume, Resume)])
def test_a_hold_and_a_resumption_take_turns(kinds: tuple[type[Hold], ...]) -> None:
    """Each changes something, or is none."""
    desk = story()
    for kind in kinds:
        desk.decide(kind, "staging")

    assert breach(desk) is breaches.OnHold


def test_a_revoked_manifest_is_served_by_no_stage_again() -> None:
    """Neither promoted nor gone back to, nor approved, nor waived, nor revoked twice."""
    of = {"manifest": manifest(2)}
    acts: list[Any] = [
        lambda desk: desk.promote("dev", 2, 1),
        lambda desk: desk.rollback("staging", 2, 4, replaces=manifest(1), target=2),
        lambda desk: desk.decide(Waive, "staging", **of, verdict=VERDICT, rules=(RULE,), expires=LATER),
        lambda desk: desk.revoke(2),
    ]
    for act in acts:
        desk = story()
        desk.revoke(2)

        assert set(desk.state.revoked) == {manifest(2)}
        act(desk)

        assert breach(desk) is breaches.Revoked
    desk = story()
    desk.revoke(9)

    assert breach(desk) is breaches.UnknownManifest


def test_a_promotion_takes_the_approvals_that_the_policy_wants() -> None:
    """Two of three, different keys, of this manifest, on this stage."""
    desk = registered(policy_of(ALICE, BOB, CAROL, approver_staging=role_of(ALICE, BOB, CAROL, threshold=2)), 1, 2)
    for signer, number in ((ALICE, 1), (ALICE, 1), (BOB, 2)):
        desk.signers = (signer,)
        desk.decide(Approve, "staging", manifest=manifest(number))

    assert [link.entry.index for link in desk.state.approvals("staging", manifest(1))] == [4]
    desk.signers = (ALICE,)
    tips, good = dict(desk.tips), desk.entries
    desk.promote("staging", 1, 1)

    assert breach(desk) is breaches.Unapproved
    again = Desk(policy=desk.policy)
    for data in good[1:]:
        again.ledger.put_if_absent(len(again.entries), data)
    again.tips, again.signers = tips, (CAROL,)
    again.decide(Approve, "staging", manifest=manifest(1))
    again.signers = (ALICE,)
    again.promote("staging", 1, 1)

    assert again.state.serving("staging") is not None


@pytest.mark.parametrize(("approving", "promoting", "is_enough"), [
    (ALICE, ALICE, False), (ALICE, BOB, False), (BOB, BOB, False), (BOB, ALICE, True), (BOB, CAROL, True),
])  # fmt: skip
def test_nobody_decides_alone(approving: FileSigner, promoting: FileSigner, is_enough: bool) -> None:
    """Alice made the model known. One approval is enough if it is neither hers nor that of who promotes."""
    desk = registered(policy_of(ALICE, BOB, CAROL, approver_staging=role_of(ALICE, BOB, CAROL)), 1)
    desk.signers = (approving,)
    desk.decide(Approve, "staging", manifest=manifest(1))
    desk.signers = (promoting,)
    desk.promote("staging", 1, 1)
    if is_enough:
        assert desk.state.serving("staging") is not None
    else:
        assert breach(desk) is breaches.Unapproved


def test_only_an_approver_approves_and_only_where_approvals_are_wanted() -> None:
    """A stage without approvers takes no approvals that nobody would count."""
    for policy in (policy_of(ALICE, BOB), policy_of(ALICE, BOB, approver_staging=role_of(BOB))):
        desk = registered(policy, 1)
        desk.decide(Approve, "staging", manifest=manifest(1))

        assert breach(desk) is breaches.NotAllowed


def test_a_waiver_lets_in_exactly_what_it_is_for() -> None:
    """This verdict, on this stage, until it expires; and the release names it for ever."""
    for changes, promotion, kind in (
        ({}, {}, None),
        ({"verdict": digest_of(b"another")}, {}, breaches.NotWaived),
        ({"manifest": manifest(2)}, {}, breaches.NotWaived),
        ({"expires": "2026-01-01T00:00:00Z"}, {}, breaches.NotWaived),
        ({}, {"waiver": digest_of(b"nothing")}, breaches.NotWaived),
    ):
        desk = registered(policy_of(ALICE), 1, 2)
        waive = {"manifest": manifest(1), "verdict": VERDICT, "rules": (RULE,), "expires": LATER, **changes}
        desk.decide(Waive, "staging", **waive)
        desk.promote(
            "staging", 1, 1, **{"basis": "waiver", "answer": "NO-GO", "waiver": desk.tips["staging"], **promotion}
        )
        if kind is None:
            now = desk.state.serving("staging")
            assert now
            assert (now.waiver, now.basis) == (desk.state.waivers("staging", manifest(1))[0][0], "waiver")
        else:
            assert breach(desk) is kind


def test_a_promotion_names_a_waiver_where_one_is_needed_and_only_there() -> None:
    """Neither a waiver of a GO, nor one that is not named."""
    fields = {**Desk().common(), "stage": "dev", "manifest": manifest(1), "generation": 1, "verdict": VERDICT}
    for wrong in (
        {"basis": "waiver", "answer": "NO-GO"},
        {"basis": "waiver", "answer": "GO", "waiver": VERDICT},
        {"basis": "gate", "answer": "GO", "waiver": VERDICT},
    ):
        with pytest.raises(ValueError, match="waiver"):
            Promote(**{**fields, **wrong})


def test_a_look_is_told_by_any_key_and_counted_once() -> None:
    """Who may do nothing else may still say that they looked."""
    desk = registered(policy_of(ALICE), 1)
    look: dict[str, Any] = {
        "stage": "staging",
        "manifest": manifest(1),
        "evidence": VERDICT,
        "suite": VERDICT,
        "verdict": VERDICT,
    }
    for _ in range(2):
        desk.write(Judge(**{**desk.common(), **look, "answer": "GO"}))

    assert [one.index for one in desk.state.judged("staging")] == [2]
    desk.write(Judge(**{**desk.common(), **look, "answer": "GO", "stage": "moon"}))

    assert breach(desk) is breaches.UnknownStage


def revoking(policy: Policy, signer: FileSigner, index: int) -> Policy:
    """The policy without the key of `signer`, from the entry `index` on."""
    keys = {**policy.keys, signer.key_id: Key(pem=signer.public_pem, revoked_from_index=index)}
    left = {
        name: Role(keys=tuple(one for one in role.keys if one != signer.key_id), threshold=1)
        for name, role in policy.roles.items()
    }
    return Policy(stages=policy.stages, after=policy.after, keys=keys, roles=left)


def shared() -> Desk:
    """Alice registers; Alice promotes 1, Bob 2, Alice 3, Bob 1: entries 4 to 7."""
    desk = registered(policy_of(ALICE, BOB), 1, 2, 3)
    for generation, (signer, number) in enumerate(((ALICE, 1), (BOB, 2), (ALICE, 3), (BOB, 1)), 1):
        desk.signers = (signer,)
        now = desk.state.serving("staging")
        desk.promote("staging", number, generation, replaces=now.manifest if now else None)
    desk.signers = (ALICE,)
    return desk


def test_a_key_that_retires_leaves_its_past_as_it_is() -> None:
    """Entries before stay good for ever; the key signs nothing more."""
    desk = shared()
    desk.write(PolicyEntry(**desk.common(), policy=revoking(desk.policy, BOB, 8)))

    assert desk.state.void == frozenset()
    assert desk.state.serving("staging") == desk.state.generations("staging")[-1]
    desk.signers = (BOB,)
    desk.register(4)

    assert breach(desk) is breaches.NotAllowed


@pytest.mark.parametrize(("index", "void", "serving"), [(8, set(), 4), (7, {7}, 3), (6, {7}, 3), (5, {5, 7}, 3)])
def test_what_a_stolen_key_decided_is_void(index: int, void: set[int], serving: int) -> None:
    """The stage serves the last that is still good; the void generations keep their numbers, and are no way back."""
    desk = shared()
    desk.write(PolicyEntry(**desk.common(), policy=revoking(desk.policy, BOB, index)))
    state = desk.state
    now = state.serving("staging")
    assert now

    assert (set(state.void), now.number) == (void, serving)
    assert [one.number for one in state.generations("staging") if one.is_void] == [at - 3 for at in sorted(void)]
    desk.promote("staging", 2, 5, replaces=now.manifest)
    assert desk.state.serving("staging") == desk.state.generations("staging")[-1]
    if void:
        desk.rollback("staging", 1, 6, replaces=manifest(2), target=4)

        assert breach(desk) is breaches.WrongTarget


def test_until_when_a_stage_served_something_is_told_as_it_was_served() -> None:
    """A void generation ended what came before it, and ended itself where its key was taken; what is served has no end.

    Generations 1 to 4 are the entries 4 to 7, of which 5 and 7 turn out to be void at entry 8.
    """
    desk = shared()
    desk.write(PolicyEntry(**desk.common(), policy=revoking(desk.policy, BOB, 5)))
    state = desk.state
    began = {link.entry.index: link.entry.at for link in state.entries}
    found = [(one.number if (one := state.at("staging", at)) else 0, state.until("staging", at)) for at in range(3, 9)]

    assert [(0, began[4]), (1, began[5]), (2, began[6]), (3, began[7]), (4, began[8]), (3, None)] == found


def test_what_a_stolen_key_made_known_is_unknown_again() -> None:
    """Registrations, approvals, revocations and holds alike; another key may make it known again."""
    desk = registered(policy_of(ALICE, BOB, approver_staging=role_of(ALICE, BOB)), 1)
    desk.signers = (BOB,)
    desk.register(2)
    desk.decide(Approve, "staging", manifest=manifest(1))
    desk.revoke(1)
    desk.decide(Hold, "staging")
    desk.signers = (ALICE,)
    desk.write(PolicyEntry(**desk.common(), policy=revoking(desk.policy, BOB, 2)))
    state = desk.state

    assert set(state.void) == {2, 3, 4, 5}
    assert state.models == {"assistant": (manifest(1),)}
    assert (state.held("staging"), state.revoked, state.approvals("staging", manifest(1))) == (None, {}, ())
    desk.register(2)

    assert desk.state.resolve("assistant") == manifest(2)


def test_what_is_taken_from_a_key_stays_taken() -> None:
    """No later policy drops it, gives it back, or revokes in the future."""
    policy = policy_of(ALICE, BOB)
    for later in (policy, revoking(policy, BOB, 4), policy_of(ALICE)):
        desk = registered(policy, 1)
        desk.write(PolicyEntry(**desk.common(), policy=revoking(policy, BOB, 2)))
        desk.write(PolicyEntry(**desk.common(), policy=later))

        assert breach(desk) is breaches.Reinstated
    desk = registered(policy, 1)
    desk.write(PolicyEntry(**desk.common(), policy=revoking(policy, BOB, 3)))

    assert breach(desk) is breaches.Reinstated


def test_a_revoked_key_has_no_role() -> None:
    """A policy cannot name it where somebody must sign."""
    good = policy_of(ALICE, BOB)
    keys = {**good.keys, BOB.key_id: Key(pem=BOB.public_pem, revoked_from_index=1)}
    with pytest.raises(ValueError, match="revoked key"):
        Policy(stages=good.stages, after={}, keys=keys, roles=good.roles)


def everything() -> Desk:
    """A ledger with the kinds of entry that came later: a waived release, an approved one, a hold, and a lost key."""
    desk = registered(policy_of(ALICE, BOB, approver_staging=role_of(ALICE, BOB)), 1, 2)
    look: dict[str, Any] = {
        "stage": "staging",
        "manifest": manifest(1),
        "evidence": VERDICT,
        "suite": VERDICT,
        "verdict": VERDICT,
    }
    desk.write(Judge(**{**desk.common(), **look, "answer": "NO-GO"}))
    desk.decide(Waive, "staging", manifest=manifest(1), verdict=VERDICT, rules=(RULE,), expires=LATER)
    waiver = desk.tips["staging"]
    desk.signers = (BOB,)
    desk.decide(Approve, "staging", manifest=manifest(1))
    desk.signers = (ALICE,)
    desk.promote("staging", 1, 1, basis="waiver", answer="NO-GO", waiver=waiver)
    desk.decide(Hold, "staging")
    desk.decide(Resume, "staging")
    desk.revoke(2)
    new = revoking(desk.policy, BOB, 5)
    change = change_statement(Change(genesis=desk.genesis, replaces=desk.policy.digest, policy=new))
    endorsements = sign_into((), ALICE.key_id, ALICE.sign(pae(change)))
    desk.write(PolicyEntry(**desk.common(), policy=new, genesis=desk.genesis, endorsements=endorsements))
    return desk


def test_the_bytes_of_later_decisions_never_change_either() -> None:
    """The same decisions, keys and times give the golden bytes. Nobody edits them."""
    expected = [path.read_bytes() for path in sorted(GOLDEN.glob("*.json"))]
    desk = everything()

    assert desk.entries == expected
    assert len(desk.links()) == 11
    assert desk.state.void == {5}
