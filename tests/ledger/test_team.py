"""A team decides: approvals, waivers, holds, revocations, and what each of them does to a promotion under way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import BinaryIO

import pytest

from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, digest_of
from registry.core.ledger.concerns import concerns_of
from registry.core.ledger.names import UnknownReference
from registry.core.ledger.policy import Key, Policy, Role, promoter
from registry.core.ledger.retreat import NothingBefore, RevokedTarget, retreat
from registry.core.ledger.text import moment_of
from registry.errors import RegistryError, UsageError
from registry.verbs.admit import ModelRevoked, NotApproved, NotRegistered, NoWayBack, StageHeld
from registry.verbs.append import NotYours
from registry.verbs.approve import NoApprovalsWanted, tally
from registry.verbs.at import NoSuchEntry, at
from registry.verbs.hold import NotHeld
from registry.verbs.log import log
from registry.verbs.look import look
from registry.verbs.promote import GateRefused, GateUndecided
from registry.verbs.revoke import revoke
from registry.verbs.rollback import drill
from registry.verbs.waive import AlreadyPast, NothingToWaive, OtherRules
from tests.ledger.desk import ALICE, BOB, MALLORY, signer_of
from tests.ledger.models import verdict_of
from tests.ledger.team import FAR, RULE, Team, refuses
from tests.ledger.test_races import BusyLedger

CAROL = signer_of(3)


def team_policy() -> Policy:
    """Alice, Bob and Carol may do everything; two of them must approve what enters staging."""
    keys = tuple(sorted(signer.key_id for signer in (ALICE, BOB, CAROL)))
    anyone = Role(keys=keys, threshold=1)
    roles = dict.fromkeys(("root", "registrar", promoter("dev"), promoter("staging")), anyone)
    return Policy(
        stages=("dev", "staging"),
        after={},
        keys={signer.key_id: Key(pem=signer.public_pem) for signer in (ALICE, BOB, CAROL)},
        roles={**roles, "approver:staging": Role(keys=keys, threshold=2)},
    )


@pytest.fixture
def team() -> Team:
    return Team()


@pytest.fixture
def three() -> Team:
    """Three people; Alice registers and promotes."""
    return Team(policy=team_policy())


def concerns(team: Team, stage: str = "staging") -> str:
    return "\n".join(concerns_of(stage, team.state, now=moment_of(team.clock.now())))


def test_a_promotion_waits_for_its_approvals(three: Team) -> None:
    """Nothing is written until enough people agreed; not even the first release is an exception."""
    for number in range(2):
        error = refuses(NotApproved, three, partial(three.promote, 0))
        refuses(NotApproved, three, partial(three.bootstrap, 0))

        assert (error.exit_code, f"{number} of 2" in error.why) == (3, True)
        three.approve(0, (ALICE, BOB)[number])
    assert tally(three.state, "staging", three.digest(0)).startswith("2 of 2 approvals")
    assert three.promote(0).now.number == 1


def test_approving_twice_counts_once(three: Team) -> None:
    """The second time nothing is written."""
    first = three.approve(0, BOB)
    before = three.ledger.read()
    again = three.approve(0, BOB)

    assert (again.entry, again.was_there, first.was_there) == (first.entry, True, False)
    assert three.ledger.read() == before


def test_an_approval_is_of_one_manifest(three: Team) -> None:
    """A model that was pinned again is another one, and has to be approved anew."""
    for signer in (BOB, CAROL):
        three.approve(0, signer)
    refuses(NotApproved, three, lambda: three.promote(1))

    assert three.promote(0).now.number == 1


def test_approvals_are_taken_where_they_are_wanted_from_who_may_give_them(three: Team) -> None:
    """Of known models that are not revoked."""
    refuses(NoApprovalsWanted, three, lambda: three.approve(0, BOB, "dev"))
    refuses(UnknownReference, three, lambda: three.approve(0, BOB, "moon"))
    refuses(NotYours, three, lambda: three.approve(0, MALLORY))
    three.revoke(0)
    refuses(ModelRevoked, three, lambda: three.approve(0, BOB))


def test_a_waiver_lets_in_what_the_gate_refused_and_says_so_for_ever(team: Team) -> None:
    """Basis, answer and entry stay attached; also to what a rollback brings back."""
    with pytest.raises(GateRefused):
        team.promote(0, answer="NO-GO")
    waiver = team.waive(0)
    done = team.promote(0, answer="NO-GO")

    assert (done.now.basis, done.now.answer) == ("waiver", "NO-GO")
    assert done.now.waiver == team.state.entries[waiver.entry.index].digest
    assert RULE in concerns(team)
    assert "WAIVER until 2027-01-01" in concerns(team)
    team.promote(1)

    assert concerns(team) == ""
    assert team.rollback().now.waiver == done.now.waiver
    assert "WAIVER until" in concerns(team)


def test_an_expired_waiver_lets_nothing_in(team: Team) -> None:
    """The refusal tells when it expired; a release that rests on it says EXPIRED and goes on."""
    soon = team.clock.time + timedelta(minutes=5)
    team.waive(0, until=soon, answer="HOLD")
    team.clock.time += timedelta(minutes=9)
    with pytest.raises(GateUndecided, match="expired"):
        team.promote(0, answer="HOLD")
    later = team.clock.time + timedelta(minutes=9)
    team.waive(0, until=later, answer="HOLD")
    team.promote(0, answer="HOLD")
    team.clock.time += timedelta(days=1)

    assert "WAIVER EXPIRED" in concerns(team)
    assert team.serving("staging") == team.digest(0)


def test_a_waiver_is_for_one_verdict(team: Team) -> None:
    """Another number, another baseline: the gate is asked anew, and refuses."""
    team.promote(2)
    team.waive(0)
    verdict = verdict_of(team.digest(0), "staging", "NO-GO", baseline=team.digest(2), note="it is worse")
    with pytest.raises(GateRefused):
        team.promote(0, verdict=verdict)
    team.promote(1)
    with pytest.raises(GateRefused):
        team.promote(0, answer="NO-GO")


@pytest.mark.parametrize(("rules", "told"), [
    ([], RULE),
    (["aggregate.success@1.lower_ci >= 0.82"], "it passed"),
    ([RULE, "aggregate.success@1.lower_ci >= 0.82"], "it passed"),
    ([RULE.replace("0.07", "0.08")], "0.07"),
])  # fmt: skip
def test_a_waiver_names_exactly_what_did_not_pass(team: Team, rules: list[str], told: str) -> None:
    """Nobody excuses what they have not read."""
    error = refuses(OtherRules, team, lambda: team.waive(0, rules=rules))

    assert told in str(error)


def test_a_waiver_has_something_to_waive_and_time_to_do_it(team: Team) -> None:
    """A GO, a day that is past, or a reason that is none."""
    refuses(NothingToWaive, team, lambda: team.waive(0, answer="GO"))
    refuses(AlreadyPast, team, lambda: team.waive(0, until=datetime(2025, 1, 1, tzinfo=UTC)))
    refuses(UsageError, team, lambda: team.waive(0, reason=""))
    first = team.waive(0)

    assert team.waive(0).was_there
    assert team.waive(0).entry == first.entry


def test_who_may_waive_can_be_others_than_who_promotes() -> None:
    """With a role of its own the promoter cannot excuse anything."""
    alone = Role(keys=(BOB.key_id,), threshold=1)
    policy = team_policy()
    team = Team(policy=policy.model_copy(update={"roles": {**policy.roles, "waiver:staging": alone}}))
    refuses(NotYours, team, lambda: team.waive(0))

    assert not team.waive(0, signer=BOB).was_there


def test_a_held_stage_can_be_left_backwards_only(team: Team) -> None:
    """A promotion is refused with who holds it and why; a rollback passes; a resumption opens it."""
    team.promote(0)
    team.promote(1)
    team.hold()
    for answer in ("GO", "NO-GO"):
        error = refuses(StageHeld, team, partial(team.promote, 2, answer=answer))

        assert "a night of trouble" in error.why
    assert team.hold().was_there
    assert "ON HOLD" in concerns(team)
    assert team.rollback().now.manifest == team.digest(0)
    team.resume()
    refuses(NotHeld, team, team.resume)

    assert team.promote(2).now.number == 4


def test_a_revoked_model_is_no_way_forward_and_no_way_back(team: Team) -> None:
    """It is passed over, and told; where it is named it is refused; what serves it is told."""
    for number in range(3):
        team.promote(number)
    done = team.revoke(1)

    assert (done.was_there, done.serving, team.revoke(1).was_there) == (False, (), True)
    assert team.revoke(2).serving == ("staging",)
    assert "REVOKED" in concerns(team)
    for to in (2, datetime.fromisoformat(team.state.generations("staging")[1].since)):
        refuses(RevokedTarget, team, partial(team.rollback, to=to))
    back = team.rollback()

    assert (back.now.target, [one.number for one in back.passed]) == (1, [2])
    refuses(ModelRevoked, team, lambda: team.promote(2))
    refuses(ModelRevoked, team, lambda: team.waive(2))
    refuses(NotRegistered, team, lambda: revoke(digest_of(b"?"), reason="r", **team.doors()))


def test_nothing_to_go_back_to_but_what_is_revoked_is_told(team: Team) -> None:
    """The reason names how many there were."""
    team.promote(0)
    team.promote(1)
    team.revoke(0)
    error = refuses(NothingBefore, team, team.rollback)

    assert "revoked" in error.why


def test_the_last_good_one_was_let_in_by_its_gate_and_not_gone_back_from(team: Team) -> None:
    """1 bootstrap, 2 by the gate, 3 waived, 4 back from it to 2, 5 promoted again."""
    team.bootstrap(0)
    team.promote(1)
    team.waive(2)
    team.promote(2, answer="NO-GO")

    assert retreat(team.state, "staging", "last-good").target == team.state.generations("staging")[1]
    team.rollback()
    refuses(NothingBefore, team, lambda: team.rollback(to="last-good"))  # generation 2 is served, 3 was waived and fled
    team.promote(2, answer="NO-GO", verdict=verdict_of(team.digest(2), "staging", baseline=team.digest(1)))
    done = team.rollback(to="last-good")

    assert (done.now.number, done.now.target) == (6, 4)
    refuses(NothingBefore, team, lambda: team.rollback(to="last-good"))  # 5 was fled, 1 was a bootstrap
    assert team.rollback(to=1).now.manifest == team.digest(0)


def test_going_back_to_a_time(team: Team) -> None:
    """What was served then; before the first generation there is nothing."""
    for number in range(3):
        team.promote(number)
    then = datetime.fromisoformat(team.state.generations("staging")[0].since)
    refuses(NothingBefore, team, lambda: team.rollback(to=then - timedelta(days=1)))
    refuses(NothingBefore, team, lambda: team.rollback(to=FAR))

    assert team.rollback(to=then).now.target == 1


def test_a_drill_does_everything_but_the_switch(team: Team) -> None:
    """Nothing is written; what would stop a rollback stops it."""
    team.promote(0)
    team.promote(1)
    before = team.ledger.read()
    doors = {name: value for name, value in team.doors().items() if name not in ("clock", "actor")}
    found = drill("staging", store=team.store, **doors)

    assert found.target == team.state.generations("staging")[0]
    assert (found.manifest, found.proof.blobs, team.ledger.read()) == (team.digest(0), 11, before)
    refuses(NotYours, team, lambda: drill("staging", store=team.store, **{**doors, "signer": MALLORY}))
    del team.store.blobs[digest_of(b"weights 0")]
    with pytest.raises(RegistryError, match="safetensors"):
        drill("staging", store=team.store, **doors)


def test_a_promotion_that_would_make_rollback_impossible_is_refused(team: Team) -> None:
    """What goes out must be able to come back: one lost file of it, and nothing new goes in, until it is mended."""
    team.promote(0)
    team.promote(1)
    kept = team.store.blobs.pop(digest_of(b"weights 1"))
    error = refuses(NoWayBack, team, lambda: team.promote(2))

    assert (error.exit_code, "adapter_model.safetensors of adapter math" in error.why) == (5, True)
    team.store.put(kept)
    assert team.promote(2).now.number == 3


def test_a_damaged_way_back_that_is_revoked_is_none(team: Team) -> None:
    """Then the one before it has to be whole."""
    team.promote(0)
    team.promote(1)
    del team.store.blobs[digest_of(b"weights 1")]
    team.revoke(1)

    assert team.promote(2).now.number == 3
    assert team.rollback().now.manifest == team.digest(0)


def test_blobs_that_both_models_share_are_read_once(team: Team) -> None:
    """Old and new differ in one file; all the rest is hashed once for both."""
    team.promote(0)
    counted = CountingStore(team.store.blobs)
    team.promote(1, store=counted)

    assert counted.opened.count(digest_of(b"base weights")) == 2  # hashed once; its first bytes are looked at once
    assert {digest_of(b"weights 0"), digest_of(b"weights 1")} <= set(counted.opened)


@dataclass(frozen=True)
class CountingStore(MemoryStore):
    """A store that remembers what was opened."""

    opened: list[Digest] = field(default_factory=list)

    def open(self, digest: Digest) -> BinaryIO:
        self.opened.append(digest)
        return MemoryStore.open(self, digest)


Act = Callable[[Team], object]
ARRIVING: list[tuple[Act, type[RegistryError]]] = [
    (lambda team: team.hold(), StageHeld),
    (lambda team: team.revoke(1), ModelRevoked),
]


@pytest.mark.parametrize(("arrives", "kind"), ARRIVING)
def test_what_arrives_while_a_promotion_is_under_way_is_looked_at(
    team: Team, arrives: Act, kind: type[RegistryError]
) -> None:
    """A hold or a revocation that was written first is obeyed."""
    team.promote(0)
    busy = BusyLedger(team.ledger, lambda: arrives(team))
    with pytest.raises(kind):
        team.promote(1, ledger=busy)

    assert team.serving("staging") == team.digest(0)


def test_a_revocation_that_arrives_during_a_rollback_is_looked_at(team: Team) -> None:
    """What was to come back is bad since a moment ago."""
    team.promote(0)
    team.promote(1)
    busy = BusyLedger(team.ledger, lambda: team.revoke(0))
    with pytest.raises(RevokedTarget):
        team.rollback(ledger=busy)

    assert team.serving("staging") == team.digest(1)


def test_racing_holds_and_approvals_are_written_once(three: Team) -> None:
    """Who comes second finds it done."""
    busy = BusyLedger(three.ledger, lambda: three.approve(0, BOB))
    from registry.verbs.approve import approve

    doors = {**three.doors(), "signer": BOB, "ledger": busy}

    assert approve(three.digest(0), "staging", **doors).was_there
    assert len(three.state.approvals("staging", three.digest(0))) == 1


def test_a_look_is_told_once(team: Team) -> None:
    """The same evidence on the same suite for the same stage; without evidence there was nothing to see."""
    verdict = verdict_of(team.digest(0), "staging")
    evidence, suite = digest_of(b"evidence"), digest_of(b"suite")
    seen = verdict.model_copy(update={"candidate_evidence": evidence, "suite": suite})
    assert look(verdict, digest_of(b"v"), **team.doors()) is None
    assert look(seen, digest_of(b"v"), **team.doors())
    assert look(seen.model_copy(update={"answer": "HOLD"}), digest_of(b"w"), **team.doors()) is None
    assert look(seen.model_copy(update={"stage": "dev"}), digest_of(b"x"), **team.doors())
    with pytest.raises(NotYours):
        look(seen.model_copy(update={"stage": "production"}), digest_of(b"v"), **{**team.doors(), "signer": MALLORY})

    assert [one.verdict for one in team.state.judged("staging")] == [digest_of(b"v")]


def test_the_log_tells_what_each_switch_changed(team: Team) -> None:
    """Only the adapter's weights differ; without the manifest nothing is made up."""
    team.promote(0)
    team.promote(1)
    team.rollback()
    team.hold()
    found = {line.index: line for line in log(ledger=team.ledger, genesis=team.genesis, store=team.store)}
    first, second, back, hold = (found[index] for index in range(4, 8))

    assert (first.changes, hold.changes) == (None, None)
    assert second.changes
    assert back.changes
    assert [change[:14] for change in (*second.changes, *back.changes)] == ["~ adapter math"] * 2
    del team.store.blobs[team.digest(0)]
    lost = {line.index: line for line in log(ledger=team.ledger, genesis=team.genesis, store=team.store)}

    assert lost[5].changes is None


def test_the_past_is_asked_by_time_or_entry(team: Team) -> None:
    """With the name, and until when; not beyond the end."""
    team.promote(0)
    team.promote(1)
    then = at("staging", 4, ledger=team.ledger, genesis=team.genesis)

    assert (then.when, then.model) == ("#4", "assistant")
    assert then.generation
    assert (then.generation.number, then.until) == (1, team.state.generations("staging")[1].since)
    assert at("staging", 3, ledger=team.ledger, genesis=team.genesis).generation is None
    assert at("staging", FAR, ledger=team.ledger, genesis=team.genesis).until is None
    refuses(NoSuchEntry, team, lambda: at("staging", 99, ledger=team.ledger, genesis=team.genesis))
