"""The views: what the entries say, against a model of ten lines; names; the past."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.digest import Digest, digest_of, hex_of
from registry.core.ledger.names import AmbiguousReference, Names, UnknownReference
from registry.core.ledger.retreat import retreat
from registry.core.pin import Pin, Role, Source
from registry.errors import Refused
from registry.verbs.log import log
from registry.verbs.status import status
from tests.ledger.desk import Desk, TickingClock, manifest, story

MOVES = st.lists(st.one_of(st.integers(1, 4), st.just("back"), st.tuples(st.integers(1, 9))), max_size=14)


class Simple:
    """The simple model: what was served, and under each generation the pile of what can be gone back to."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.served: list[int] = []
        self.piles: list[list[int]] = []
        for number in range(1, 5):
            self.desk.register(number)

    @property
    def now(self) -> int | None:
        return self.served[-1] if self.served else None

    def add(self, number: int, pile: list[int]) -> None:
        self.served.append(number)
        self.piles.append(pile)

    def promote(self, number: int) -> None:
        if number == self.now:
            return
        replaces = manifest(self.now) if self.now else None
        self.desk.promote("dev", number, len(self.served) + 1, replaces=replaces)
        self.add(number, [*self.served, number])

    def back_to(self, target: int) -> None:
        if target > len(self.served) or self.now is None or self.served[target - 1] == self.now:
            return
        number = self.served[target - 1]
        self.desk.rollback("dev", number, len(self.served) + 1, replaces=manifest(self.now), target=target)
        self.add(number, self.piles[target - 1])

    def back(self) -> None:
        others = [older for older in (self.piles[-1] if self.piles else []) if older != self.now]
        if not others:
            with pytest.raises(Refused):
                retreat(self.desk.state, "dev", "previous")
            return
        way = retreat(self.desk.state, "dev", "previous")
        current, target = way.before, way.target
        while self.piles[-1][-1] == self.now:
            self.piles[-1] = self.piles[-1][:-1]

        assert target
        assert (current.number, target.manifest) == (len(self.served), manifest(self.piles[-1][-1]))
        self.back_to(target.number)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_any_sequence_of_promotions_and_rollbacks_folds_to_the_simple_model(moves: list[Any]) -> None:
    """Generations count up, each serves what it should, the past stays as it was, and back goes ever further back."""
    simple = Simple()
    for move in moves:
        if move == "back":
            simple.back()
        else:
            simple.back_to(move[0]) if isinstance(move, tuple) else simple.promote(move)
    found = simple.desk.state.generations("dev")

    assert [one.manifest for one in found] == [manifest(number) for number in simple.served]
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    assert simple.desk.state.serving("dev") == (found[-1] if found else None)
    for one in found:
        assert simple.desk.state.at("dev", one.index) == one
        assert simple.desk.state.at("dev", one.index - 1) == (found[one.number - 2] if one.number > 1 else None)


def test_going_back_twice_goes_two_back() -> None:
    """Not to and fro: who goes back again flees from that, too. After a new promotion it starts anew."""
    desk = Desk()
    for number in (1, 2, 3):
        desk.register(number)
        desk.promote("dev", number, number, replaces=manifest(number - 1) if number > 1 else None)
    found = []
    for generation in (4, 5):
        way = retreat(desk.state, "dev", "previous")
        current, target = way.before, way.target
        assert target
        number = {manifest(one): one for one in (1, 2, 3)}[way.manifest]
        found.append(number)
        desk.rollback("dev", number, generation, replaces=current.manifest, target=target.number)

    assert found == [2, 1]
    with pytest.raises(Refused):
        retreat(desk.state, "dev", "previous")
    desk.promote("dev", 3, 6, replaces=manifest(1))

    assert retreat(desk.state, "dev", "previous").manifest == manifest(1)


def test_the_past_is_told_by_index_and_by_time() -> None:
    """What a stage served then; before its first generation nothing."""
    state = story().state
    start = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
    found = [state.at("staging", start + timedelta(seconds=second)) for second in range(8)]

    assert [one.number if one else None for one in found] == [None, None, None, 1, 1, 2, 3, 3]
    assert found == [state.at("staging", index) for index in range(8)]
    assert state.at("staging", start - timedelta(days=1)) is None
    assert state.at("staging", start.astimezone() + timedelta(days=1)) == state.serving("staging")


def test_a_clock_that_went_back_does_not_change_the_order() -> None:
    """Order is the index; a time that contradicts it counts as the latest time before."""
    desk = Desk()
    desk.register(1)
    desk.register(2)
    desk.promote("dev", 1, 1, at="2026-05-01T12:00:00Z")
    desk.promote("dev", 2, 2, replaces=manifest(1), at="2026-05-01T11:00:00Z")
    at = desk.state.at("dev", datetime(2026, 5, 1, 11, 30, tzinfo=UTC))

    assert at is None
    assert desk.state.at("dev", datetime(2026, 5, 1, 12, 0, tzinfo=UTC)) == desk.state.serving("dev")


def test_evidence_is_newest_first_and_models_newest_last() -> None:
    """What is registered again moves to the front of its kind."""
    desk = Desk()
    first, second = digest_of(b"evidence 1"), digest_of(b"evidence 2")
    desk.register(1, evidence=(first,))
    desk.register(2)
    desk.register(1, evidence=(second,))
    state = desk.state

    assert state.evidence(manifest(1)) == (second, first)
    assert state.evidence(manifest(2)) == state.evidence(manifest(9)) == ()
    assert state.models == {"assistant": (manifest(2), manifest(1))}
    assert state.names(manifest(1)) == ("assistant",)
    assert state.names(manifest(9)) == ()


def test_artefacts_are_found_by_role_and_name() -> None:
    """Newest last; in any role if none is asked for."""
    source = Source(kind="path", location="models/math")
    roles: tuple[Role, Role] = ("adapter", "tool")
    pins = [Pin(role=role, name="math", digest=digest_of(role.encode()), size=1, source=source) for role in roles]
    desk = Desk()
    desk.register(1, model=None, manifest=None, pins=tuple(pins))
    state = desk.state

    assert state.artefacts(None, "math") == state.pins == tuple(pins)
    assert state.artefacts("tool", "math") == (pins[1],)
    assert state.artefacts("llm", "math") == state.artefacts(None, "maths") == ()


def named(*heads: str) -> tuple[Digest, ...]:
    return tuple(Digest("sha256:" + head.ljust(64, "0")) for head in heads)


NAMES = Names(
    {"assistant": named("aaaaaa1", "aaaaaa2"), "helper": named("bbbbbb1", "aaaaaa1"), "cafecafe": named("c")},
    {"dev": (), "staging": named("aaaaaa1", "bbbbbb1")},
)


@pytest.mark.parametrize(
    ("ref", "head"),
    [
        ("assistant", "aaaaaa2"),
        ("helper", "aaaaaa1"),
        ("assistant@aaaaaa1", "aaaaaa1"),
        ("helper@b", "bbbbbb1"),
        ("staging", "bbbbbb1"),
        ("staging@1", "aaaaaa1"),
        ("aaaaaa1", "aaaaaa1"),
        ("bbbbbb", "bbbbbb1"),
        ("cafecafe", "c"),
        ("sha256:" + "bbbbbb1".ljust(64, "0"), "bbbbbb1"),
    ],
)
def test_a_reference_means_one_manifest(ref: str, head: str) -> None:
    """By name, by digits, by stage, by generation."""
    assert NAMES.resolve(ref) == named(head)[0]


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("asistant", "assistant"),
        ("stagin@1", "staging"),
        ("dev", "nothing yet"),
        ("dev@1", "nothing yet"),
        ("staging@0", "1 to 2"),
        ("staging@3", "1 to 2"),
        ("staging@", "1 to 2"),
        ("staging@-1", "1 to 2"),
        ("staging@٢", "1 to 2"),
        ("assistant@", "aaaaaa1"),
        ("assistant@c", "aaaaaa1"),
        ("ffffff", "candidates"),
        ("bbbbb", "known are"),
        ("BBBBBB", "known are"),
        ("", "known are"),
        ("@", "known are"),
        ("sha256:" + "d" * 64, "candidates"),
    ],
)
def test_a_reference_to_nothing_is_refused_with_advice(ref: str, said: str) -> None:
    """The nearest name, or what there is."""
    with pytest.raises(UnknownReference) as caught:
        NAMES.resolve(ref)

    assert said in str(caught.value)


@pytest.mark.parametrize("ref", ["aaaaaa", "assistant@aaaaaa", "assistant@a"])
def test_an_ambiguous_reference_lists_the_candidates(ref: str) -> None:
    """It is never guessed."""
    with pytest.raises(AmbiguousReference) as caught:
        NAMES.resolve(ref)

    assert "aaaaaa100000" in str(caught.value)
    assert "aaaaaa200000" in str(caught.value)


def test_a_state_resolves_by_its_own_names() -> None:
    """The story's models and stages."""
    state = story().state

    assert state.resolve("assistant") == state.resolve("staging@2") == manifest(2)
    assert state.resolve("production") == state.resolve(hex_of(manifest(1))[:6]) == manifest(1)
    for ask in (state.serving, state.generations):
        with pytest.raises(UnknownReference, match="moon"):
            ask("moon")


def test_status_and_log_tell_the_story() -> None:
    """Per stage what is served and why; each decision in a line."""
    desk = story()
    seen = status(ledger=desk.ledger, genesis=desk.genesis, clock=TickingClock())
    dev, staging, production = seen.stages

    assert (dev.generation, dev.model, dev.refusals) == (None, None, 0)
    assert staging.generation
    assert (staging.model, staging.generation.basis, staging.generation.answer) == ("assistant", "rollback", "HOLD")
    assert production.generation
    assert (production.generation.number, production.generation.basis) == (1, "gate")
    lines = log(ledger=desk.ledger, genesis=desk.genesis)

    assert [line.action for line in lines] == [
        "policy", "register", "register", "promote", "refuse", "promote", "rollback", "promote",
    ]  # fmt: skip
    assert [line.index for line in log("staging", ledger=desk.ledger, genesis=desk.genesis)] == [3, 4, 5, 6]
    assert log("dev", ledger=desk.ledger, genesis=desk.genesis) == ()
    with pytest.raises(UnknownReference):
        log("moon", ledger=desk.ledger, genesis=desk.genesis)
