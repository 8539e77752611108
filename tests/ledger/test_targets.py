"""Rollback targets: back to what the stage served; to what is approved for it only where the policy says so."""

from typing import Any

import pytest

from registry.core.ledger import breach as breaches
from registry.core.ledger.breach import Breach
from registry.core.ledger.chain import check_chain
from registry.core.ledger.entry import Approve, Hold, PolicyEntry, Rollback
from registry.core.ledger.names import UnknownReference
from registry.core.ledger.policy import Key, Policy, Role, promoter
from registry.core.ledger.retreat import NeverServed, NothingBefore, RevokedTarget
from registry.core.ledger.views import state_of
from registry.verbs.admit import ModelRevoked, NotApproved, NotRegistered, SkipsStage
from registry.verbs.log import log
from registry.verbs.prove import Damaged
from registry.verbs.register import Model, register
from registry.verbs.screen import RunsCode
from tests.ledger.desk import ALICE, BOB, Desk, manifest
from tests.ledger.models import model_of
from tests.ledger.team import Team, refuses

LIVE = "live"


def policy_with(**parts: Any) -> Policy:
    """Alice does everything on two stages; Bob approves what is live, and rollbacks go to any approved manifest."""
    alone, bob = Role(keys=(ALICE.key_id,), threshold=1), Role(keys=(BOB.key_id,), threshold=1)
    roles = dict.fromkeys(("root", "registrar", promoter("staging"), promoter(LIVE)), alone)
    whole = {
        "stages": ("staging", LIVE),
        "after": {},
        "keys": {one.key_id: Key(pem=one.public_pem) for one in (ALICE, BOB)},
        "roles": {**roles, "approver:live": bob},
        "rollback_targets": {LIVE: "any-approved"},
    }
    return Policy(**{**whole, **parts})


def serving(policy: Policy | None = None) -> Team:
    """Model 0 is live, and then model 1."""
    team = Team(policy=policy or policy_with())
    for number in (0, 1):
        team.approve(number, BOB, LIVE)
        team.promote(number, LIVE)
    return team


def test_a_policy_without_targets_keeps_its_bytes() -> None:
    """Old policies, and old rollbacks, are spelled as they were."""
    policy = policy_with(rollback_targets=None)

    assert b"rollback_targets" not in policy.canonical()
    assert not policy.takes_any_approved(LIVE)
    assert not policy_with(rollback_targets={LIVE: "previously-live"}).takes_any_approved(LIVE)


def test_a_stage_goes_to_what_was_approved_and_never_served() -> None:
    """Also on a stage on hold; it is a new generation that says that no gate let it in."""
    team = serving()
    team.approve(2, BOB, LIVE)
    team.hold(LIVE)
    done = team.rollback(LIVE, to=team.digest(2))
    entry = team.state.entries[-1].entry

    assert isinstance(entry, Rollback)
    assert (entry.generation, entry.target, entry.manifest) == (3, None, team.digest(2))
    assert (done.now.basis, done.now.verdict, done.now.answer, done.now.target) == ("rollback", None, None, None)
    assert done.proof.blobs == 11
    assert "never served there before" in log(ledger=team.ledger, genesis=team.genesis)[-1].what


def test_from_there_one_goes_further_back_and_not_to_what_one_fled_from() -> None:
    """What the gate never let in is not a last good one either, and can be gone back to by its number."""
    team = serving()
    team.approve(2, BOB, LIVE)
    team.rollback(LIVE, to=team.digest(2))

    assert team.rollback(LIVE).now.manifest == team.digest(0)
    again = team.rollback(LIVE, to=3).now
    assert (again.manifest, again.target, again.answer) == (team.digest(2), 3, None)
    team.promote(0, LIVE)
    refuses(NothingBefore, team, lambda: team.rollback(LIVE, to="last-good"))


def test_a_manifest_that_was_served_means_its_newest_generation() -> None:
    """With any policy; it takes no approvals, as it was let in once."""
    for targets in (None, {LIVE: "any-approved"}):
        team = serving(policy_with(rollback_targets=targets))
        done = team.rollback(LIVE, to=team.digest(0))

        assert (done.now.manifest, done.now.target) == (team.digest(0), 1)
        assert team.rollback(LIVE, to=team.digest(1)).now.target == 2


def test_what_was_never_served_is_no_way_back_by_default() -> None:
    """Approved or not, and on every stage that the policy does not name."""
    team = serving(policy_with(rollback_targets={LIVE: "previously-live"}))
    team.approve(2, BOB, LIVE)
    error = refuses(NeverServed, team, lambda: team.rollback(LIVE, to=team.digest(2)))

    assert error.exit_code == 3
    assert "rollback_targets" in error.why
    assert "--to N" in error.mend


def test_it_takes_what_a_promotion_takes_but_the_gate() -> None:
    """Registered, approved by somebody else, not revoked, no code, and whole."""
    team = serving()
    refuses(NotApproved, team, lambda: team.rollback(LIVE, to=team.digest(2)))
    refuses(NotRegistered, team, lambda: team.rollback(LIVE, to=manifest(9)))
    team.approve(2, BOB, LIVE)
    blob = team.store.blobs.pop(team.digest(2))
    refuses(Damaged, team, lambda: team.rollback(LIVE, to=team.digest(2)))
    team.store.blobs[team.digest(2)] = blob
    team.revoke(2)
    refuses(ModelRevoked, team, lambda: team.rollback(LIVE, to=team.digest(2)))
    team.revoke(0)
    refuses(RevokedTarget, team, lambda: team.rollback(LIVE, to=team.digest(0)))
    pickled = model_of("pickled", team.store, weights=b"\x80\x04N.")
    register(Model("pickled", pickled.digest), pickled.pins, **team.doors())
    team.models.append(pickled)
    team.approve(3, BOB, LIVE)
    refuses(RunsCode, team, lambda: team.rollback(LIVE, to=pickled.digest))
    refuses(UnknownReference, team, lambda: team.rollback("moon", to=pickled.digest))


def test_the_stage_before_must_have_served_it() -> None:
    """The order of the stages holds on this way, too."""
    team = Team(policy=policy_with(after={LIVE: "staging"}))
    for number in (0, 1):
        team.approve(number, BOB, LIVE)
    team.promote(0)
    team.promote(0, LIVE)
    refuses(SkipsStage, team, lambda: team.rollback(LIVE, to=team.digest(1)))
    team.promote(1)

    assert team.rollback(LIVE, to=team.digest(1)).now.manifest == team.digest(1)


def forged(policy: Policy, *, approvals: tuple[Any, ...] = (BOB,), number: int = 2) -> Desk:
    """A ledger where 1 is live, 2 is registered and perhaps approved, and then a rollback to `number` is written."""
    desk = Desk(policy=policy)
    desk.register(1)
    desk.register(2)
    desk.signers = (BOB,)
    desk.decide(Approve, LIVE, manifest=manifest(1))
    for signer in approvals:
        desk.signers = (signer,)
        desk.decide(Approve, LIVE, manifest=manifest(2))
    desk.signers = (ALICE,)
    desk.promote("staging", 1, 1)
    desk.promote(LIVE, 1, 1)
    desk.rollback(LIVE, number, 2, replaces=manifest(1))
    return desk


@pytest.mark.parametrize(("kind", "policy", "parts"), [
    (breaches.Unapproved, {}, {"approvals": ()}),
    (breaches.WrongTarget, {"rollback_targets": None}, {}),
    (breaches.WrongTarget, {"rollback_targets": {"live": "previously-live"}}, {}),
    (breaches.SkippedStage, {"after": {"live": "staging"}}, {}),
    (breaches.UnknownManifest, {}, {"number": 3}),
])  # fmt: skip
def test_a_forged_way_back_breaks_the_ledger(kind: type[Breach], policy: dict[str, Any], parts: dict[str, Any]) -> None:
    """Whoever reads it sees that by themselves, without trusting who wrote it."""
    desk = forged(policy_with(**policy), **parts)
    with pytest.raises(Breach) as caught:
        list(check_chain(desk.entries, desk.genesis))

    assert (type(caught.value), caught.value.index) == (kind, len(desk.entries) - 1)


def test_the_same_entry_holds_where_it_is_allowed() -> None:
    """So the refusals above are for their reasons. What was served is told by its generation, in one way."""
    desk = forged(policy_with())
    served = state_of(check_chain(desk.entries, desk.genesis)).serving(LIVE)

    assert served
    assert (served.manifest, served.origin) == (manifest(2), 1)
    desk.decide(Hold, LIVE)
    desk.rollback(LIVE, 1, 3, replaces=manifest(2))
    with pytest.raises(breaches.WrongTarget, match="is not named"):
        list(check_chain(desk.entries, desk.genesis))


def test_approvals_of_a_key_that_was_taken_away_let_nothing_back() -> None:
    """Neither the verb nor the chain counts them."""
    team = serving()
    team.approve(2, BOB, LIVE)
    alone = Role(keys=(ALICE.key_id,), threshold=1)
    before = team.state.policy
    keys = {**before.keys, BOB.key_id: Key(pem=BOB.public_pem, revoked_from_index=team.state.next_index)}
    policy = policy_with(keys=keys, roles={**before.roles, "approver:live": alone})
    desk = Desk.__new__(Desk)
    desk.ledger, desk.signers, desk.tips = team.ledger, (ALICE,), dict(team.state.tips)
    desk.write(PolicyEntry(**desk.common(), policy=policy))
    refuses(NotApproved, team, lambda: team.rollback(LIVE, to=team.digest(2)))
    desk.rollback(LIVE, 0, 3, manifest=team.digest(2), replaces=team.digest(1))
    with pytest.raises(breaches.Unapproved):
        list(check_chain(desk.entries, team.genesis))
