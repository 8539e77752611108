"""Who signs how far the ledger goes, what they look at first, and what a checkpoint that lies is worth."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.ledgers.directory import DirectoryLedger, UnreadableFile
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import digest_of
from registry.core.ledger.chain import Forked, LedgerLost
from registry.core.ledger.checkpoint import BadCheckpoint, open_checkpoint
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.head import FastForwarded
from registry.core.ledger.merkle import root_of
from registry.core.ledger.note import BadNote, NotSigned
from registry.core.ledger.policy import one_key_policy
from registry.errors import RegistryError
from registry.verbs.at import at
from registry.verbs.audit import audit
from registry.verbs.checkpoint import NoHeadKey, checkpoint
from registry.verbs.init import init
from registry.verbs.log import log
from registry.verbs.reading import read
from registry.verbs.register import Model, register
from registry.verbs.status import status
from registry.verbs.verify import verify
from tests.ledger.desk import ALICE, BOB, MALLORY, Desk, TickingClock, manifest, sealed
from tests.ledger.heads import checkpoint_of, doors, other_past, policy_with_head, rotate, signed_desk


def size_signed(desk: Desk) -> int | None:
    """How many entries Alice's or Bob's head key signed; None if there is no checkpoint."""
    note = desk.ledger.checkpoint()
    keys = [ALICE.head.public, BOB.head.public]
    return open_checkpoint(note, genesis=desk.genesis, keys=keys).checkpoint.size if note is not None else None


def write(desk: Desk, number: int, signer: Any = ALICE) -> None:
    """Register a model with the verb."""
    register(Model("assistant", manifest(number)), (), **doors(desk, signer), actor="alice")


def test_the_head_key_of_a_key_is_the_same_each_time_and_no_other_s() -> None:
    """Golden: whoever changes how it is derived takes the head key away from everybody who has one."""
    assert "9d891edcb88098e48d0e1a4f50291268635901e5028d95f2d4c253e813b64805" == ALICE.head.public.hex()
    assert ALICE.head.public != BOB.head.public
    assert ALICE.head.public.hex() not in repr(ALICE.head)


def test_every_writer_with_a_head_key_signs_how_far_the_ledger_goes() -> None:
    """After its entry the checkpoint is of all entries, and its time is the entry's."""
    desk = signed_desk()
    write(desk, 3)
    found = audit(**two(desk))

    assert ("signed", 6, 6) == (found.checkpoint, found.signed, found.entries)
    assert root_of(desk.entries).hex() == found.root
    assert desk.state.entries[-1].entry.at == found.signed_at


def test_a_writer_without_one_leaves_a_checkpoint_behind_and_the_next_repairs_it() -> None:
    """An entry commits by itself; a checkpoint that lags is told, and is no fault."""
    desk = signed_desk()
    checkpoint(**doors(desk))
    desk.register(3)
    found = audit(**two(desk))

    assert ("lags", 5, 6) == (found.checkpoint, found.signed, found.entries)
    write(desk, 4)

    assert 7 == size_signed(desk)


def test_a_ledger_without_head_keys_has_no_checkpoint() -> None:
    """It is legal; nobody signs, and the audit says so."""
    desk = Desk()
    write(desk, 1)

    assert desk.ledger.checkpoint() is None
    found = audit(**two(desk))

    assert ("none", 0, None) == (found.checkpoint, found.signed, found.signed_at)
    with pytest.raises(NoHeadKey):
        checkpoint(**doors(desk))


def test_init_signs_the_genesis_and_takes_an_older_ledger_for_the_same() -> None:
    """A ledger from before there were head keys is still the one that was asked for."""
    policy, ledger = policy_with_head(ALICE), MemoryLedger()
    started = init(policy, ledger=ledger, signer=ALICE, clock=TickingClock(), actor="alice")
    old = Desk()
    again = init(policy, ledger=old.ledger, signer=ALICE, clock=TickingClock(), actor="alice", pinned=old.genesis)

    assert audit(ledger=ledger, genesis=started.genesis).checkpoint == "signed"
    assert (again.was_there, again.genesis) == (True, old.genesis)


def test_a_key_that_the_policy_does_not_name_signs_nothing() -> None:
    """Not by the command, and not after an entry."""
    desk = signed_desk(BOB)
    write(desk, 3)

    assert desk.ledger.checkpoint() is None
    with pytest.raises(NoHeadKey):
        checkpoint(**doors(desk))


@pytest.mark.parametrize("junk", [b"", b"junk\n", b"a\n1\nb\n\n\xe2\x80\x94 c d\n", b"\xff" * 70], ids=len)
def test_junk_in_its_place_stops_nobody_and_is_mended(junk: bytes) -> None:
    """Whoever may write there can put anything; it says nothing. The audit tells it, and the next writer mends it."""
    desk = signed_desk()
    desk.ledger.put_checkpoint(junk)
    with pytest.raises(BadNote):
        audit(**two(desk))
    write(desk, 3)

    assert 6 == size_signed(desk)


def test_a_checkpoint_by_a_stranger_or_of_another_ledger_is_told() -> None:
    """Only the head keys of the policy in force at its size may sign it."""
    desk = signed_desk()
    other = signed_desk(ALICE, BOB)
    for note in (
        checkpoint_of(desk.entries, desk.genesis, signer=MALLORY),
        checkpoint_of(other.entries, other.genesis),
        checkpoint_of([], desk.genesis),
    ):
        desk.ledger.put_checkpoint(note)
        with pytest.raises((NotSigned, BadCheckpoint)) as refused:
            audit(**two(desk))

        assert refused.value.exit_code == 5


def test_a_signed_checkpoint_of_other_entries_stops_every_writer() -> None:
    """Somebody with a head key tells two histories: nothing more is written, and nothing is signed over it."""
    desk = signed_desk()
    lie = checkpoint_of(other_past(desk).entries[:4], desk.genesis)
    desk.ledger.put_checkpoint(lie)
    before = desk.entries
    for act in (lambda: write(desk, 3), lambda: checkpoint(**doors(desk)), lambda: audit(**two(desk))):
        with pytest.raises(Forked) as refused:
            act()

        assert refused.value.exit_code == 5
    assert (before, lie) == (desk.entries, desk.ledger.checkpoint())


def test_a_checkpoint_of_more_entries_than_there_are_is_told() -> None:
    """Either entries are kept back, or a head key was stolen: 2^53 - 1 is no number that anybody counts up to."""
    desk = signed_desk()
    for size in (6, 2**53 - 1):
        desk.ledger.put_checkpoint(checkpoint_of(desk.entries, desk.genesis, size=size))
        for act in (lambda: write(desk, 3), lambda: audit(**two(desk))):
            with pytest.raises(FastForwarded):
                act()

    assert 5 == len(desk.entries)


def two(desk: Desk) -> dict[str, Any]:
    """What a verb that only reads needs."""
    return {"ledger": desk.ledger, "genesis": desk.genesis}


def test_who_only_looks_is_told_of_entries_that_are_kept_back() -> None:
    """A ledger whose end was cut off is a ledger; the checkpoint beside it says how far it went, if it was signed."""
    desk = signed_desk()
    write(desk, 3)
    cut = MemoryLedger(entries=desk.entries[:-1], signed=desk.ledger.checkpoint())
    asked: dict[str, Any] = {"ledger": cut, "genesis": desk.genesis}
    for look in (
        lambda: status(**asked, clock=TickingClock()),
        lambda: log(**asked),
        lambda: at("staging", 1, **asked),
        lambda: read(**asked),
    ):
        with pytest.raises(FastForwarded):
            look()
    report = verify(store=MemoryStore(), **asked)
    assert ("tampering", True) == (report.health, "ahead of the ledger" in (report.breach or ""))

    cut.put_checkpoint(checkpoint_of(desk.entries, desk.genesis, signer=MALLORY))
    assert status(**asked, clock=TickingClock()).head.index == len(desk.entries) - 2


def test_a_rotated_head_key_keeps_what_it_signed_and_signs_no_more() -> None:
    """Which keys count is a matter of the policy at the checkpoint's size, not of today's."""
    desk = signed_desk()
    old = checkpoint(**doors(desk))
    rotate(desk, BOB)

    assert ("lags", old.size) == ((found := audit(**two(desk))).checkpoint, found.signed)
    with pytest.raises(NoHeadKey):
        checkpoint(**doors(desk))
    desk.ledger.put_checkpoint(checkpoint_of(desk.entries, desk.genesis, signer=ALICE))
    with pytest.raises(NotSigned):
        audit(**two(desk))
    checkpoint(**doors(desk, BOB))

    assert audit(**two(desk)).checkpoint == "signed"


@dataclass(slots=True)
class Flipping(MemoryLedger):
    """A ledger that shows one bit otherwise when it is read for the second time."""

    reads: int = 0

    def read(self, start: int = 0, stop: int | None = None) -> tuple[bytes, ...]:
        """Good once, then spoiled."""
        self.reads += start == 0
        good = tuple(self.entries[start:stop])
        return good if self.reads < 2 else (*good[:-1], bytes([good[-1][0] ^ 1]) + good[-1][1:])


def test_a_bit_that_flips_between_reading_and_signing_is_not_signed() -> None:
    """What is signed is what can be read again, not what was in memory."""
    desk = signed_desk()
    flipping = Flipping(list(desk.entries))
    with pytest.raises(Forked):
        checkpoint(**{**doors(desk), "ledger": flipping})

    assert flipping.checkpoint() is None


@dataclass(slots=True)
class Overtaken(MemoryLedger):
    """A ledger where another writer is faster in between."""

    faster: list[bytes] = field(default_factory=list)
    note: bytes = b""
    asked: int = 0

    def checkpoint(self) -> bytes | None:
        """None at first; then what the faster one has signed meanwhile."""
        self.asked += 1
        if self.asked > 1:
            self.entries, self.signed = list(self.faster), self.note
        return self.signed


@pytest.mark.parametrize("ahead", [True, False])
def test_a_slower_writer_does_not_take_a_newer_checkpoint_back(ahead: bool) -> None:
    """Of two writers the one who saw less leaves the other's word; one who signed other entries is told."""
    desk = signed_desk()
    before = desk.entries
    desk.register(3)
    told = desk.entries if ahead else other_past(desk).entries[:3]
    ledger = Overtaken(before, faster=desk.entries, note=checkpoint_of(told, desk.genesis))
    if ahead:
        checkpoint(**{**doors(desk), "ledger": ledger})
    else:
        with pytest.raises(Forked):
            checkpoint(**{**doors(desk), "ledger": ledger})

    assert ledger.note == ledger.signed


def test_signing_again_says_a_later_time_for_the_same_tree() -> None:
    """So a timer keeps a ledger fresh in which nothing happens."""
    desk = signed_desk()
    clock = TickingClock()
    first, second = (checkpoint(**{**doors(desk), "clock": clock}) for _ in range(2))

    assert (first.text, first.size, 60) == (second.text, second.size, second.time - first.time)


def test_an_empty_ledger_is_a_loss_and_is_never_signed() -> None:
    """Of no entries there is nothing to say."""
    desk = signed_desk()
    for act in (checkpoint, lambda **of: audit(ledger=of["ledger"], genesis=of["genesis"])):
        with pytest.raises(LedgerLost):
            act(**{**doors(desk), "ledger": MemoryLedger()})


def test_a_checkpoint_that_is_no_plain_file_is_not_read(tmp_path: Path) -> None:
    """A link in its place could lead anywhere; the error says what to do."""
    ledger = DirectoryLedger(tmp_path)
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "checkpoint").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnreadableFile, match="checkpoint"):
        ledger.checkpoint()
    ledger.put_checkpoint(b"good\n")

    assert (b"good\n", "x") == (ledger.checkpoint(), (tmp_path / "elsewhere").read_text())


def test_a_policy_without_head_keys_is_spelled_as_before() -> None:
    """Old digests stay: the new field is not written where it says nothing."""
    policy = one_key_policy(ALICE.public_pem)
    entry = PolicyEntry(index=0, actor="a", at="2026-01-01T00:00:00Z", policy=policy)

    assert b"head" not in policy.canonical()
    assert digest_of(sealed(entry, ALICE)) == digest_of(sealed(entry, ALICE))
    with pytest.raises(ValueError, match="sorted"):
        policy_with_head(ALICE, ALICE)


def test_a_fault_in_signing_does_not_undo_the_decision() -> None:
    """The entry is written; that its checkpoint could not be is for the next writer."""

    @dataclass(slots=True)
    class NoRoom(MemoryLedger):
        def put_checkpoint(self, data: bytes) -> None:
            raise RegistryError("the disk is full")

    desk = signed_desk()
    full = NoRoom(list(desk.entries))
    desk.ledger = full
    write(desk, 3)

    assert (6, None) == (len(desk.entries), full.checkpoint())
