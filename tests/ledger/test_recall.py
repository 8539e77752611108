"""What is recalled of a ledger says exactly what reading it anew says; and where anything is wrong, it is read anew."""

import os
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.ledgers import watched
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.ledgers.watched import WatchedLedger
from registry.core.digest import digest_of
from registry.core.ledger import links as linked
from registry.core.ledger.breach import Breach, Forged
from registry.core.ledger.entry import Approve, Judge, PolicyEntry, Revoke, Waive
from registry.core.ledger.links import Changed, Links
from registry.core.ledger.policy import Key
from registry.core.ledger.recall import RecalledPast
from registry.core.ledger.views import RecalledState, State
from registry.verbs import reading
from registry.verbs.audit import audit
from registry.verbs.checkpoint import checkpoint
from registry.verbs.hold import hold
from registry.verbs.log import log
from registry.verbs.reading import read, read_anew, read_to_decide, read_to_look
from registry.verbs.status import status
from tests.ledger.desk import ALICE, BOB, Desk, TickingClock, manifest
from tests.ledger.heads import checkpoint_of, doors, policy_with_head


@dataclass
class Shelf:
    """A ledger that is read through what its user remembers."""

    desk: Desk
    watched: WatchedLedger

    @property
    def file(self) -> Path:
        """Where the recollection is."""
        return self.watched.memory.with_suffix(".recalled")

    def read(self) -> State:
        """What it says, recalled where that can be."""
        return read(self.watched, self.desk.genesis)

    def anew(self) -> State:
        """What it says, for somebody who remembers nothing."""
        return read(MemoryLedger(self.desk.entries), self.desk.genesis)


@cache
def long_desk() -> Desk:
    """A ledger of a hundred entries of all kinds; written once, as that takes a while."""
    policy = policy_with_head(ALICE)
    roles = {**policy.roles, "approver:production": policy.roles["root"]}
    desk = Desk(policy=policy.model_copy(update={"roles": roles}))
    for number in range(50):
        desk.register(number, evidence=(digest_of(b"evidence %d" % number),))
        if number % 3 == 0:
            served = desk.state.generations("staging")
            desk.promote("staging", number, len(served) + 1, replaces=served[-1].manifest if served else None)
        elif number % 3 == 1:
            desk.refuse("staging", number)
        else:
            parts = {name: digest_of(b"%d" % number) for name in ("evidence", "suite", "verdict")}
            look: dict[str, Any] = {"stage": "dev", "manifest": manifest(number), "answer": "HOLD", **parts}
            desk.write(Judge(**desk.common(), **look))
    served = desk.state.generations("staging")
    desk.rollback("staging", 0, len(served) + 1, replaces=served[-1].manifest, target=1)
    desk.write(Approve(**desk.on("production", 3)))
    desk.write(Waive(**desk.on("production", 3), **waiver()))
    desk.write(Revoke(**desk.common(), manifest=manifest(9), reason="it leaks"))
    return desk


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A copy of that ledger, which nobody has read yet."""
    desk = copy(long_desk())
    desk.ledger, desk.tips = MemoryLedger(desk.entries), dict(desk.tips)
    return Shelf(desk, WatchedLedger(desk.ledger, desk.genesis, tmp_path / "state" / "seen.json"))


def waiver() -> dict[str, Any]:
    """What a waiver has beside its place."""
    rules, expires = ("a.point >= 1",), "2030-01-01T00:00:00Z"
    return {"verdict": digest_of(b"verdict"), "rules": rules, "expires": expires, "reason": "a hurry"}


def assert_same(recalled: State, anew: State) -> None:
    """All that a state says, view by view."""
    for one in fields(State):
        if one.name not in ("entries", "signed"):
            assert getattr(anew, one.name) == getattr(recalled, one.name), one.name
    assert list(anew.entries) == list(recalled.entries)
    assert (anew.head, anew.genesis, anew.next_index) == (recalled.head, recalled.genesis, recalled.next_index)
    for stage in anew.stages:
        assert anew.serving(stage) == recalled.serving(stage)


def test_what_is_recalled_is_what_is_read_anew(shelf: Shelf) -> None:
    """Every view of it; and status and log print the same."""
    first, second = shelf.read(), shelf.read()

    assert (State, RecalledState) == (type(first), type(second))
    assert_same(second, shelf.anew())
    clock = TickingClock()
    genesis, plain = shelf.desk.genesis, MemoryLedger(shelf.desk.entries)
    told = [status(ledger=one, genesis=genesis, clock=clock).stages for one in (plain, shelf.watched)]

    assert told[0] == told[1]
    assert log(ledger=shelf.watched, genesis=genesis) == log(ledger=plain, genesis=genesis)


def test_what_comes_after_is_verified_and_added(shelf: Shelf) -> None:
    """Step by step the recalled state goes on as one that is read anew, whatever kind of entry comes."""
    shelf.read()
    served = shelf.desk.state.generations("staging")
    steps: list[Callable[[], object]] = [
        lambda: shelf.desk.register(77, model="other"),
        lambda: shelf.desk.refuse("staging", 77),
        lambda: shelf.desk.promote("staging", 77, len(served) + 1, replaces=served[-1].manifest),
        lambda: shelf.desk.write(Waive(**shelf.desk.on("dev", 77), **waiver())),
        lambda: shelf.desk.write(Revoke(**shelf.desk.common(), manifest=manifest(77), reason="it leaks")),
    ]
    for step in steps:
        before = shelf.read()
        step()

        assert_same(shelf.read(), shelf.anew())
        assert len(before.entries) == len(shelf.desk.entries) - 1  # why: a state does not change once it is told


def test_a_stolen_key_voids_what_is_recalled_too(shelf: Shelf) -> None:
    """A policy that takes a key back from an index of the past makes everything told anew."""
    keys = {**shelf.desk.policy.keys, BOB.key_id: Key(pem=BOB.public_pem)}
    role = shelf.desk.policy.roles["promoter:staging"].model_copy(
        update={"keys": tuple(sorted((ALICE.key_id, BOB.key_id)))}
    )
    both = shelf.desk.policy.model_copy(
        update={"keys": keys, "roles": {**shelf.desk.policy.roles, "promoter:staging": role}}
    )
    shelf.desk.write(PolicyEntry(**shelf.desk.common(), policy=both))
    served = shelf.desk.state.generations("staging")
    shelf.desk.signers = (BOB,)
    shelf.desk.promote("staging", 48, len(served) + 1, replaces=served[-1].manifest)
    shelf.desk.signers = (ALICE,)
    stolen = len(shelf.desk.entries) - 1
    for number in range(80, 90):
        shelf.desk.register(number)
    shelf.read()
    keys = {**keys, BOB.key_id: Key(pem=BOB.public_pem, revoked_from_index=stolen, why="stolen")}
    shelf.desk.write(PolicyEntry(**shelf.desk.common(), policy=shelf.desk.policy.model_copy(update={"keys": keys})))
    state = shelf.read()

    assert frozenset({stolen}) == state.void
    assert_same(state, shelf.anew())


def test_a_short_ledger_is_not_remembered(tmp_path: Path) -> None:
    """What is verified in a moment is verified each time, from the first entry on."""
    desk = Desk()
    desk.register(1)
    shelf = Shelf(desk, WatchedLedger(desk.ledger, desk.genesis, tmp_path / "seen.json"))
    shelf.read()

    assert not shelf.file.exists()


def test_a_spoiled_recollection_is_harmless(shelf: Shelf) -> None:
    """Whatever bit rots in it: it is seen, and found out again from the entries."""
    shelf.read()
    good, anew = shelf.file.read_bytes(), shelf.anew()
    step = len(good) * 8 // 23
    for at in range(3, len(good) * 8, step):
        spoiled = bytearray(good)
        spoiled[at // 8] ^= 1 << at % 8
        shelf.file.write_bytes(bytes(spoiled))
        assert_same(shelf.read(), anew)
    for data in (b"", b"\n", good[:100], good[:-100], good * 2, b"x" * 1000, b"\n".join((b"0" * 64, b"{}"))):
        shelf.file.write_bytes(data)
        assert_same(shelf.read(), anew)


@pytest.mark.parametrize("mode", [0o644, 0o622, 0o640])
def test_what_others_may_read_or_write_is_not_believed(shelf: Shelf, mode: int) -> None:
    """It is this user's own word, and nobody else's."""
    shelf.read()

    assert 0o600 == shelf.file.stat().st_mode & 0o777
    shelf.file.chmod(mode)
    assert shelf.watched.recall() is None
    shelf.file.unlink()
    shelf.file.symlink_to(shelf.file.with_suffix(".elsewhere"))
    assert shelf.watched.recall() is None
    assert_same(shelf.read(), shelf.anew())


def test_another_program_s_recollection_is_not_read(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes what verifies or folds a ledger starts anew, without thinking of it."""
    shelf.read()
    assert shelf.watched.recall() is not None
    monkeypatch.setattr(watched, "_code", lambda: "0" * 64)

    assert shelf.watched.recall() is None


def test_another_ledger_s_recollection_is_not_read(shelf: Shelf, tmp_path: Path) -> None:
    """The genesis says which it is."""
    shelf.read()
    other = WatchedLedger(shelf.desk.ledger, digest_of(b"another"), shelf.watched.memory)

    assert other.recall() is None


def test_an_entry_that_is_read_again_and_differs_is_a_breach(shelf: Shelf) -> None:
    """In a ledger of a few hundred entries, all of them are read again each time: any flipped bit is told as ever."""
    shelf.read()
    assert isinstance(shelf.desk.ledger, MemoryLedger)
    for index in (0, 1, 50, len(shelf.desk.entries) - 1):
        good = shelf.desk.ledger.entries[index]
        shelf.desk.ledger.entries[index] = good[:300] + bytes([good[300] ^ 1]) + good[301:]
        with pytest.raises(Breach) as told:
            shelf.read()

        assert index == told.value.index
        shelf.desk.ledger.entries[index] = good
    shelf.read()


@dataclass(slots=True)
class Counted(MemoryLedger):
    """A ledger that notes from where on it was read."""

    asked: list[int] = field(default_factory=list)

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Note it, and read."""
        self.asked.append(start)
        return self.entries[start:stop]


def test_of_a_long_ledger_the_last_entries_are_read_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was verified further back is not read; it is told by the audit, and by whoever asks for that entry."""
    monkeypatch.setattr(reading, "AGAIN", 16)
    for number in range(100, 140):
        shelf.desk.register(number)
    shelf.read()
    ledger = shelf.desk.ledger
    assert isinstance(ledger, MemoryLedger)
    counted = Counted(ledger.entries)
    read(WatchedLedger(counted, shelf.desk.genesis, shelf.watched.memory), shelf.desk.genesis)

    assert len(ledger.entries) - 32 <= min(counted.asked) < len(ledger.entries) - 8
    good = ledger.entries[5]
    ledger.entries[5] = good[:300] + bytes([good[300] ^ 1]) + good[301:]
    state = shelf.read()

    assert isinstance(state, RecalledState)
    with pytest.raises(Changed, match="entry 5 "):
        _ = state.entries[5]
    with pytest.raises(Breach):
        audit(ledger=shelf.watched, genesis=shelf.desk.genesis)


def forge(shelf: Shelf) -> None:
    """Write an entry that Mallory signed under Alice's name, and let the head key sign for it."""
    desk = shelf.desk
    assert isinstance(desk.ledger, MemoryLedger)
    good = list(desk.ledger.entries)
    desk.register(98)
    signed = desk.ledger.entries[-1]
    desk.ledger.entries[:] = good
    desk.register(99)
    wrong = desk.ledger.entries[-1]
    signature = signed[signed.index(b'"sig":"') + 7 :].split(b'"')[0]
    own = wrong[wrong.index(b'"sig":"') + 7 :].split(b'"')[0]
    desk.ledger.entries[-1] = wrong.replace(own, signature)
    desk.ledger.put_checkpoint(checkpoint_of(desk.entries, desk.genesis))


def test_only_who_looks_believes_the_head_key(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long ledger that nobody here has verified is shown on the head key's word; nobody decides or serves by it."""
    forge(shelf)
    with pytest.raises(Forged):
        read_to_look(shelf.watched, shelf.desk.genesis)
    monkeypatch.setattr(reading, "LONG", 64)
    for _ in range(2):  # why twice: the second time it is recalled
        assert manifest(99) == read_to_look(shelf.watched, shelf.desk.genesis).resolve("assistant")
    for act in (read, read_to_decide, read_anew):
        with pytest.raises(Forged):
            act(shelf.watched, shelf.desk.genesis)
    with pytest.raises(Forged):
        audit(ledger=shelf.watched, genesis=shelf.desk.genesis)
    with pytest.raises(Forged):
        hold("staging", reason="x", **doors(shelf.desk), actor="alice")


def test_a_head_key_s_word_is_for_these_bytes_and_up_to_there(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right root, by a stranger, for fewer entries, or for a policy, it is no word."""
    forge(shelf)
    monkeypatch.setattr(reading, "LONG", 64)
    entries, genesis = shelf.desk.entries, shelf.desk.genesis
    for note in (
        checkpoint_of(entries[:-1], genesis),
        checkpoint_of(entries, genesis, signer=BOB),
        checkpoint_of(entries, genesis, root=b"r" * 32),
        checkpoint_of(entries, genesis, size=len(entries) + 1),
    ):
        shelf.desk.ledger.put_checkpoint(note)
        with pytest.raises(Forged):
            read_to_look(shelf.watched, shelf.desk.genesis)


def test_a_policy_is_verified_whoever_vouches_for_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a head key could name itself, and everybody else."""
    monkeypatch.setattr(reading, "LONG", 64)
    shelf.desk.signers = (BOB,)
    shelf.desk.write(PolicyEntry(**shelf.desk.common(), policy=policy_with_head(BOB)))
    shelf.desk.ledger.put_checkpoint(checkpoint_of(shelf.desk.entries, shelf.desk.genesis, signer=BOB))
    with pytest.raises(Forged):
        read_to_look(shelf.watched, shelf.desk.genesis)


def test_deciding_recalls_what_was_verified_and_remembers_its_own(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write into a long ledger verifies what is new and no more, also where the checkpoint lags far behind."""
    checkpoint(**{**doors(shelf.desk), "ledger": shelf.watched})
    monkeypatch.setattr(reading, "AGAIN", 16)
    monkeypatch.setattr(reading, "LONG", 64)
    for number in range(100, 140):
        shelf.desk.register(number)
    read_to_decide(shelf.watched, shelf.desk.genesis)

    def never(*_: object) -> None:
        raise AssertionError("everything was verified anew")

    monkeypatch.setattr(reading, "read_anew", never)
    for stage in ("dev", "production"):
        hold(stage, reason="x", **{**doors(shelf.desk), "ledger": shelf.watched}, actor="alice")

        assert isinstance(read_to_decide(shelf.watched, shelf.desk.genesis)[0].chain.past, RecalledPast)
    monkeypatch.undo()
    assert_same(shelf.read(), shelf.anew())
    assert audit_of(shelf) == ("signed", len(shelf.desk.entries))


def audit_of(shelf: Shelf) -> tuple[str, int]:
    """What the audit says of the checkpoint, for who remembers nothing."""
    ledger = MemoryLedger(shelf.desk.entries, shelf.desk.ledger.checkpoint())
    found = audit(ledger=ledger, genesis=shelf.desk.genesis)
    return found.checkpoint, found.signed


def test_links_are_the_entries_whether_they_are_kept_or_read_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number, from the end, in parts, forwards and backwards."""
    monkeypatch.setattr(linked, "KEPT", 8)
    whole = shelf.desk.links()
    links = Links(fetch=shelf.desk.ledger.read)
    for link in whole:
        links.append(link)
    recalled = Links(fetch=shelf.desk.ledger.read, digests=links.digests)

    for found in (links, recalled, links.copy()):
        assert (len(whole), whole, whole[::-1]) == (len(found), list(found), list(reversed(found)))
        for at in (0, 1, -1, len(whole) - 1, 40):
            assert (whole[at], whole[at].digest) == (found[at], found.digest(at))
        for part in (slice(3), slice(90, None), slice(-5, None), slice(2, 95, 7), slice(99, 3), slice(None, None, -9)):
            assert whole[part] == found[part]
        with pytest.raises(IndexError):
            _ = found[len(whole)]
    assert isinstance(shelf.desk.ledger, MemoryLedger)
    shelf.desk.ledger.entries[:] = shelf.desk.ledger.entries[:4]
    with pytest.raises(Changed, match="gone"):
        list(recalled)


def test_a_home_that_cannot_be_written_to_is_done_without(shelf: Shelf) -> None:
    """What is kept is a cache."""
    shelf.file.mkdir(parents=True)

    assert_same(shelf.read(), shelf.anew())


def test_an_unreadable_file_is_no_recollection(shelf: Shelf) -> None:
    """Nor is a directory, or a pipe."""
    shelf.read()
    shelf.file.unlink()
    makers: list[Callable[[], None]] = [shelf.file.mkdir, lambda: os.mkfifo(shelf.file, 0o600)]
    for make in makers:
        make()
        assert shelf.watched.recall() is None
        shelf.file.rmdir() if shelf.file.is_dir() else shelf.file.unlink()
