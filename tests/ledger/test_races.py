"""Races and broken ground: what a verb does when the world moves, or cannot be believed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from registry.adapters.ledgers.memory import MemoryLedger
from registry.core.digest import digest_of
from registry.core.ledger.breach import WrongGenesis
from registry.core.ledger.entry import Promote, Rollback
from registry.core.ledger.past import Generation
from registry.errors import RegistryError
from registry.verbs import append as appending
from registry.verbs.append import TooBusy
from registry.verbs.promote import (
    Outdated,
)
from registry.verbs.reading import read
from registry.verbs.register import Model, register
from registry.verbs.rollback import StageMoved
from tests.ledger.team import Team


@pytest.fixture
def team() -> Team:
    return Team()


@dataclass(slots=True)
class BusyLedger:
    """A ledger where somebody else does `before` each time just before we put an entry."""

    ledger: MemoryLedger
    before: Callable[[], object]
    times: int = 1

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        return self.ledger.read(start, stop)

    def put_if_absent(self, index: int, data: bytes) -> bool:
        if self.times > 0:
            self.times -= 1
            self.before()
        return self.ledger.put_if_absent(index, data)

    def checkpoint(self) -> bytes | None:
        return self.ledger.checkpoint()

    def put_checkpoint(self, data: bytes) -> None:
        self.ledger.put_checkpoint(data)


def test_a_lost_race_about_another_stage_is_tried_again(team: Team) -> None:
    """Both decisions stand, one after the other."""
    busy = BusyLedger(team.ledger, lambda: team.promote(1, "dev"))
    done = team.promote(0, ledger=busy)

    assert (done.now.manifest, team.serving("dev")) == (team.digest(0), team.digest(1))


def test_a_lost_race_about_the_same_stage_is_a_conflict(team: Team) -> None:
    """What was judged against another baseline is not promoted on it, nor refused."""
    team.promote(0)
    for answer in ("GO", "NO-GO"):
        other = (lambda: team.promote(1)) if team.serving("staging") != team.digest(1) else team.rollback
        busy = BusyLedger(team.ledger, other)
        with pytest.raises(Outdated):
            team.promote(2, answer=answer, ledger=busy)

        assert team.state.entries[-1].entry.action in ("promote", "rollback")


def test_a_race_to_the_same_end_is_won_by_both(team: Team) -> None:
    """The slower one finds it done."""
    busy = BusyLedger(team.ledger, lambda: team.promote(0))
    done = team.promote(0, ledger=busy)

    assert (done.was_there, done.now.number) == (True, 1)


def test_a_rollback_from_something_else_is_a_conflict(team: Team) -> None:
    """Somebody promoted or went back while we read the blobs."""
    team.promote(0)
    team.promote(1)
    for other in (lambda: team.promote(2), team.rollback):
        busy = BusyLedger(team.ledger, other)
        with pytest.raises(StageMoved):
            team.rollback(ledger=busy)
    moves = [link.entry for link in team.state.entries if isinstance(link.entry, Rollback | Promote)]

    assert [move.generation for move in moves] == [1, 2, 3, 4]


def test_a_ledger_that_is_never_free_is_given_up(team: Team) -> None:
    """After 32 lost races, with exit code 6."""
    numbers = iter(range(1000))

    def other() -> None:
        register(Model("other", digest_of(b"%d" % next(numbers))), **team.doors())

    busy = BusyLedger(team.ledger, other, times=10**6)
    with pytest.raises(TooBusy) as caught:
        team.promote(0, ledger=busy)

    assert caught.value.exit_code == 6
    assert next(numbers) == appending.ATTEMPTS


def test_a_tampered_ledger_is_not_written_to(team: Team) -> None:
    """Nobody builds on what cannot be believed."""
    team.promote(0)
    team.ledger.entries[1] = team.ledger.entries[2]
    before = list(team.ledger.entries)
    with pytest.raises(RegistryError) as caught:
        team.promote(1, baseline=team.digest(0))

    assert caught.value.exit_code == 5
    assert team.ledger.entries == before
    with pytest.raises(WrongGenesis):
        read(team.ledger, digest_of(b"another"))


def test_a_generation_says_where_it_came_from(team: Team) -> None:
    """A rollback carries the verdict of the promotion that it goes back to."""
    team.bootstrap(0)
    first = team.state.serving("staging")
    team.promote(1)
    back = team.rollback().now

    assert isinstance(first, Generation)
    assert (back.verdict, back.answer, back.origin, back.target) == (first.verdict, "HOLD", 1, 1)
