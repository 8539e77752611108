"""Any life of a stage, against a reference that is told from its events anew each time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from registry.adapters.keys import FileSigner
from registry.core.gate.verdict import Answer
from registry.core.ledger.policy import Key, Policy, Role, promoter
from registry.core.ledger.retreat import NothingBefore, RevokedTarget
from registry.errors import RegistryError, UsageError
from registry.verbs.admit import ModelRevoked, NotApproved, NotRegistered, StageHeld
from registry.verbs.append import NotYours
from registry.verbs.approve import NoApprovalsWanted, approve
from registry.verbs.hold import NotHeld, hold, resume
from registry.verbs.policy import apply, propose
from registry.verbs.promote import GateRefused
from registry.verbs.register import Model, register
from registry.verbs.revoke import revoke
from tests.ledger.desk import ALICE, BOB, signer_of
from tests.ledger.models import model_of
from tests.ledger.team import Team

CAROL = signer_of(3)
PEOPLE = (ALICE, BOB, CAROL)
STAGE = "staging"
WHO, MODELS = st.sampled_from(range(3)), st.integers(0, 3)


@dataclass(frozen=True)
class Event:
    """Somebody (0 to 2) did something at an index; `before` is the model that was served, for a waiver."""

    index: int
    who: int
    kind: str
    model: int = -1
    target: int = 0
    before: int | None = None


@dataclass(frozen=True)
class Served:
    """One generation: the model, whether it is void, and the promotion behind it."""

    model: int
    is_void: bool
    origin: int


@dataclass
class Reference:
    """What a stage's events come to: every question is answered by telling them again."""

    events: list[Event] = field(default_factory=list)
    stolen: dict[int, int] = field(default_factory=dict)
    wanted: int = 0

    def good(self, kind: str) -> list[Event]:
        """The events of a kind that no stolen key made."""
        return [one for one in self.events if one.kind == kind and not self.is_void(one)]

    def is_void(self, event: Event) -> bool:
        return event.index >= self.stolen.get(event.who, 10**9)

    @property
    def served(self) -> list[Served]:
        found: list[Served] = []
        for event in self.events:
            if event.kind == "promote":
                found.append(Served(event.model, self.is_void(event), len(found) + 1))
            if event.kind == "rollback":
                found.append(Served(event.model, self.is_void(event), found[event.target - 1].origin))
        return found

    @property
    def now(self) -> Served | None:
        return next((one for one in reversed(self.served) if not one.is_void), None)

    @property
    def model_now(self) -> int | None:
        return self.now.model if self.now else None

    @property
    def revoked(self) -> set[int]:
        return {event.model for event in self.good("revoke")}

    @property
    def is_held(self) -> bool:
        moves = [one.kind for one in self.events if one.kind in ("hold", "resume") and not self.is_void(one)]
        return moves[-1:] == ["hold"]

    def approvers(self, model: int) -> set[int]:
        return {event.who for event in self.good("approve") if event.model == model} - set(self.stolen)

    def unsound(self, model: int) -> type[RegistryError] | None:
        if model not in {event.model for event in self.good("register")}:
            return NotRegistered
        return ModelRevoked if model in self.revoked else None

    def is_approved(self, model: int, who: int) -> bool:
        maker = next(event.who for event in self.good("register") if event.model == model)
        found = self.approvers(model)
        return self.wanted == 0 or (len(found) >= self.wanted and bool(found - {maker, who}))

    def is_waived(self, model: int) -> bool:
        return any((one.model, one.before) == (model, self.model_now) for one in self.good("waive"))

    def was_just_refused(self, model: int) -> bool:
        """Whether the last word about the stage is this very refusal."""
        words = [one for one in self.events if one.kind not in ("register", "revoke")]
        return [(one.kind, one.model, one.before) for one in words[-1:]] == [("refuse", model, self.model_now)]

    def way_back(self) -> int | type[RegistryError]:
        """The generation that a rollback without a target leads to, or how it is refused."""
        if self.now is None:
            return NothingBefore
        for number in range(self.now.origin - 1, 0, -1):
            one = self.served[number - 1]
            if one.model != self.now.model and not one.is_void and one.model not in self.revoked:
                return number
        return NothingBefore

    def way_to(self, number: int) -> int | type[RegistryError]:
        """The same for a target."""
        if self.now is None:
            return NothingBefore
        if not 1 <= number <= len(self.served):
            return UsageError
        target = self.served[number - 1]
        if target.model == self.now.model:
            return NothingBefore
        return RevokedTarget if target.is_void or target.model in self.revoked else number


def policy_of(stolen: dict[int, int], wanted: int) -> Policy:
    """Everybody who was not robbed may do everything; only Alice changes the policy."""
    keys = {
        who.key_id: Key(pem=who.public_pem, revoked_from_index=stolen.get(number)) for number, who in enumerate(PEOPLE)
    }
    left = tuple(sorted(who.key_id for number, who in enumerate(PEOPLE) if number not in stolen))
    roles = {name: Role(keys=left, threshold=1) for name in ("registrar", promoter(STAGE))}
    roles["root"] = Role(keys=(ALICE.key_id,), threshold=1)
    if wanted:
        roles[f"approver:{STAGE}"] = Role(keys=left, threshold=wanted)
    return Policy(stages=(STAGE,), after={}, keys=keys, roles=roles)


class Stage(RuleBasedStateMachine):
    """A team at work on one stage, and the reference beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.team = Team(policy=policy_of({}, 0))
        self.reference = Reference(events=[Event(index, 0, "register", index - 1) for index in (1, 2, 3)])
        self.team.models.append(model_of("helper", self.team.store, weights=b"weights 3"))
        self.as_(BOB)
        register(Model("helper", self.team.digest(3)), self.team.models[3].pins, **self.team.doors())
        self.reference.events.append(Event(4, 1, "register", 3))

    def as_(self, signer: FileSigner) -> None:
        """From here on this person works."""
        self.team.signer = signer

    def happens(
        self, who: int, act: Callable[[], object], refusal: type[RegistryError] | None, event: Event | None
    ) -> None:
        """Do `act`: it is refused exactly so, or writes exactly one entry, or none where there is no event."""
        self.as_(PEOPLE[who])
        before = len(self.team.ledger.read())
        found: type[RegistryError] | None = None
        try:
            act()
        except RegistryError as error:
            found = type(error)

        assert refusal is found
        written = len(self.team.ledger.read()) - before
        is_told = refusal is None or refusal is GateRefused
        assert written == (1 if is_told and event is not None else 0)
        if event is not None and written:
            self.reference.events.append(event)

    def event(self, who: int, kind: str, **parts: int | None) -> Event:
        return Event(len(self.team.ledger.read()), who, kind, **parts)  # type: ignore[arg-type]  # reason: a table

    def lacks_role(self, who: int) -> type[RegistryError] | None:
        return NotYours if who in self.reference.stolen else None

    @rule(who=WHO, model=MODELS, answer=st.sampled_from(["GO", "GO", "NO-GO"]))
    def promote(self, who: int, model: int, answer: Answer) -> None:
        ref, act = self.reference, partial(self.team.promote, model, answer=answer)
        if ref.model_now == model:
            self.happens(who, act, None, None)
            return
        refusal = self.lacks_role(who) or ref.unsound(model) or (StageHeld if ref.is_held else None)
        if refusal is None and answer == "NO-GO" and not ref.is_waived(model):
            is_said = ref.was_just_refused(model)
            event = None if is_said else self.event(who, "refuse", model=model, before=ref.model_now)
            self.happens(who, act, GateRefused, event)
            return
        if refusal is None and not ref.is_approved(model, who):
            refusal = NotApproved
        self.happens(who, act, refusal, self.event(who, "promote", model=model))

    @rule(who=WHO, to=st.none() | st.integers(0, 9))
    def rollback(self, who: int, to: int | None) -> None:
        way = self.reference.way_back() if to is None else self.reference.way_to(to)
        act = partial(self.team.rollback, to="previous" if to is None else to)
        if not isinstance(way, int):
            self.happens(who, act, way, None)
            return
        event = self.event(who, "rollback", model=self.reference.served[way - 1].model, target=way)
        self.happens(who, act, self.lacks_role(who), event)

    @rule(who=WHO, model=MODELS)
    def approve(self, who: int, model: int) -> None:
        ref = self.reference
        refusal = ref.unsound(model) or (NoApprovalsWanted if not ref.wanted else None)
        done = refusal is None and who in ref.approvers(model)
        act = lambda: approve(self.team.digest(model), STAGE, **self.team.doors())  # noqa: E731 - one act
        event = None if done else self.event(who, "approve", model=model)
        self.happens(who, act, refusal or (None if done else self.lacks_role(who)), event)

    @rule(who=WHO, model=MODELS)
    def waive(self, who: int, model: int) -> None:
        ref = self.reference
        refusal, done = ref.unsound(model), ref.is_waived(model)
        event = None if done else self.event(who, "waive", model=model, before=ref.model_now)
        self.happens(who, partial(self.team.waive, model), refusal or (None if done else self.lacks_role(who)), event)

    @rule(who=WHO, model=MODELS)
    def revoke(self, who: int, model: int) -> None:
        refusal = self.reference.unsound(model)
        done = refusal is ModelRevoked
        act = lambda: revoke(self.team.digest(model), reason="bad", **self.team.doors())  # noqa: E731 - one act
        event = None if done else self.event(who, "revoke", model=model)
        self.happens(who, act, None if done else refusal or self.lacks_role(who), event)

    @rule(who=WHO)
    def hold(self, who: int) -> None:
        done = self.reference.is_held
        act = lambda: hold(STAGE, reason="wait", **self.team.doors())  # noqa: E731 - one act
        self.happens(who, act, None if done else self.lacks_role(who), None if done else self.event(who, "hold"))

    @rule(who=WHO)
    def resume(self, who: int) -> None:
        refusal = None if self.reference.is_held else NotHeld
        act = lambda: resume(STAGE, reason="go on", **self.team.doors())  # noqa: E731 - one act
        self.happens(who, act, refusal or self.lacks_role(who), self.event(who, "resume"))

    @precondition(lambda self: len(self.reference.stolen) < 2)
    @rule(who=st.sampled_from([1, 2]), ago=st.integers(0, 6))
    def lose_a_key(self, who: int, ago: int) -> None:
        """With `ago` 0 it retires; else it was in other hands that many entries before."""
        if who not in self.reference.stolen:
            self.reference.stolen[who] = max(1, len(self.team.ledger.read()) - ago)
            self.reference.wanted = min(self.reference.wanted, 3 - len(self.reference.stolen))
            self.change()

    @rule(wanted=st.integers(0, 2))
    def want_approvals(self, wanted: int) -> None:
        wanted = min(wanted, 3 - len(self.reference.stolen))
        if wanted != self.reference.wanted:
            self.reference.wanted = wanted
            self.change()

    def change(self) -> None:
        self.as_(ALICE)
        new = propose(policy_of(self.reference.stolen, self.reference.wanted), state=self.team.state, signer=ALICE)
        apply(new.data, **self.team.doors())

    @invariant()
    def both_say_the_same(self) -> None:
        """Every view of the ledger, read anew from its bytes."""
        state, ref = self.team.state, self.reference
        digest = self.team.digest

        assert [(one.manifest, one.is_void, one.origin) for one in state.generations(STAGE)] == [
            (digest(one.model), one.is_void, one.origin) for one in ref.served
        ]
        now = state.serving(STAGE)
        assert (now.manifest if now else None) == (digest(ref.model_now) if ref.model_now is not None else None)
        assert (state.held(STAGE) is not None) == ref.is_held
        assert set(state.revoked) == {digest(model) for model in ref.revoked}
        assert state.void == {event.index for event in ref.events if ref.is_void(event)}
        for model in range(4) if ref.wanted else ():
            assert len(state.approvals(STAGE, digest(model))) == len(ref.approvers(model))


TestStage = Stage.TestCase
TestStage.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
