"""What a host believes: each row of the table in docs/ledger.md, "Hosts and what they refuse"."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from registry.adapters.hosts.copies import CopyUnreadable, read_copy
from registry.adapters.hosts.directory import HostDirectory, SeenUnreadable
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.ledgers.memory import MemoryLedger
from registry.core.bundle import trust
from registry.core.bundle.trust import AnotherLedger, ClockSetBack, Frozen, NotBound, SeenLedger, binding_of, follow
from registry.core.ledger.breach import WrongGenesis
from registry.core.ledger.chain import Forked, LedgerLost, Replayed
from registry.core.ledger.entry import Register
from registry.core.ledger.head import FastForwarded
from registry.core.ledger.note import read_note
from registry.errors import RegistryError
from registry.verbs.carry import Diverged
from registry.verbs.reading import read_signed
from registry.verbs.recover import NothingToRecover, recover
from registry.workspace.hosting import pull_from
from tests.bundle.yard import MORNING, Yard
from tests.ledger.desk import ALICE, BOB, MALLORY, Desk
from tests.ledger.heads import checkpoint_of, rotate

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    """Staging serves model 0, and the host shows it."""
    yard = Yard(tmp_path / "models")
    yard.promote(0)
    yard.pull()
    return yard


def refused(yard: Yard, kind: type[RegistryError], ledger: MemoryLedger | None = None) -> RegistryError:
    """What a pull is refused with: this very kind; what the host shows and remembers stays."""
    before = yard.shown, yard.host.seen()
    with pytest.raises(RegistryError) as found:
        yard.pull(ledger)

    assert kind is type(found.value), found.value
    seen, remembered = before[1], yard.host.seen()
    assert before[0] == yard.shown
    assert (seen and seen.model_copy(update={"rival": None})) == (
        remembered and remembered.model_copy(update={"rival": None})
    )
    return found.value


def test_a_deliberate_rollback_is_a_new_entry_and_is_followed(yard: Yard) -> None:
    """Going back is going on: the ledger grew, so an older model is installed."""
    yard.promote(1)
    yard.pull()
    yard.roll_back()

    assert (3, 0) == (yard.pull().generation, yard.shown)


def test_a_replay_of_an_old_state_is_refused(yard: Yard) -> None:
    """All signatures hold, and the checkpoint is even fresh; only the host knows that there was more."""
    old = yard.copy()
    yard.promote(1)
    yard.pull()
    old.put_checkpoint(checkpoint_of(old.entries, yard.desk.genesis, time=int(MORNING.timestamp())))

    assert 5 == refused(yard, Replayed, old).exit_code
    assert 1 == yard.shown


def test_a_frozen_ledger_is_refused_and_the_running_model_stays(yard: Yard) -> None:
    """The same head after its time: nobody can say whether that is still true."""
    yard.clock.move(hours=24)
    yard.pull()
    yard.clock.move(seconds=1)

    assert 4 == refused(yard, Frozen).exit_code
    assert 0 == yard.shown


@pytest.mark.parametrize("note", [None, b"junk\n"])
def test_a_ledger_whose_checkpoint_was_taken_away_counts_as_frozen(yard: Yard, note: bytes | None) -> None:
    """Where the policy wants to know the age, a missing or worthless checkpoint says none."""
    refused(yard, Frozen, yard.forged(yard.desk.entries, note))


def test_an_expired_checkpoint_stops_changes_only_until_somebody_signs_again(yard: Yard) -> None:
    """An outage of the timer is told half a life before, removes nothing, and one signature ends it."""
    yard.clock.move(hours=11)

    assert not yard.pull().is_aging
    yard.clock.move(hours=2)
    assert yard.pull().is_aging
    yard.clock.move(hours=24)
    refused(yard, Frozen)
    yard.sign()

    assert (1, False) == ((pulled := yard.pull()).generation, pulled.is_aging)


def test_without_a_limit_no_checkpoint_is_too_old(tmp_path: Path) -> None:
    """A team that runs no timer says nothing about ages, and is not locked out."""
    yard = Yard(tmp_path / "models", max_age_hours=None)
    yard.promote(0)
    yard.pull()
    yard.clock.move(days=1000)

    assert yard.pull(yard.forged(yard.desk.entries)).generation == 1


def test_mixed_entries_are_refused(yard: Yard) -> None:
    """Entries of one ledger under the checkpoint of another, of which a head key signed both: Forked by its root."""
    other = Desk(policy=yard.desk.policy)
    for digest in reversed(yard.models):
        other.write(Register(**other.common(), model="assistant", manifest=digest))
    note = checkpoint_of([*other.entries, b""], yard.desk.genesis, time=int(MORNING.timestamp()))

    assert 5 == refused(yard, Forked, yard.forged(yard.desk.entries, note)).exit_code


@pytest.mark.parametrize("longer", [False, True])
def test_a_fork_is_refused_and_both_checkpoints_are_kept(yard: Yard, longer: bool) -> None:
    """The same size with another root, or more entries after another past; what proves it lies in seen.json."""
    fork = Desk(policy=yard.desk.policy)
    for number in range(9 if longer else 4):
        fork.register(number, model="another")
    note = checkpoint_of(fork.entries, yard.desk.genesis, time=int(MORNING.timestamp()))

    assert 5 == refused(yard, Forked, yard.forged(fork.entries, note)).exit_code
    seen = yard.host.seen()

    assert seen is not None
    assert (note.decode(), True) == (seen.rival, seen.checkpoint not in (None, seen.rival))
    assert len({read_note(told.encode()).text for told in (seen.rival, seen.checkpoint) if told}) == 2
    yard.promote(1)
    yard.pull()
    after = yard.host.seen()

    assert after is not None
    assert after.rival == seen.rival  # why: evidence is not forgotten because somebody behaves again


def test_a_fast_forwarded_size_is_refused_and_leaves_no_floor_behind(yard: Yard) -> None:
    """With a stolen head key anybody can sign 2^53 - 1 entries. Nothing unseen is ever remembered, so a policy that
    changes the key is all that it takes."""
    time = int(MORNING.timestamp())
    for size in (6, 2**53 - 1):
        note = checkpoint_of(yard.desk.entries, yard.desk.genesis, size=size, time=time)

        assert 5 == refused(yard, FastForwarded, yard.forged(yard.desk.entries, note)).exit_code
    rotate(yard.desk, BOB)
    yard.sign(BOB)

    assert 1 == yard.pull().generation
    stolen = checkpoint_of(yard.desk.entries, yard.desk.genesis, size=2**53 - 1, time=time)
    assert 1 == yard.pull(yard.forged(yard.desk.entries, stolen)).generation  # why: it is junk now, and says nothing


def test_a_fast_forwarded_time_is_refused(yard: Yard) -> None:
    """A checkpoint of a time to come would never grow old."""
    ahead = int((MORNING + timedelta(minutes=5)).timestamp())
    yard.pull(yard.forged(yard.desk.entries, checkpoint_of(yard.desk.entries, yard.desk.genesis, time=ahead)))
    for seconds in (1, 10**9):
        note = checkpoint_of(yard.desk.entries, yard.desk.genesis, time=ahead + seconds)

        assert 5 == refused(yard, FastForwarded, yard.forged(yard.desk.entries, note)).exit_code


def test_a_clock_that_was_set_back_is_told(yard: Yard) -> None:
    """Else an old checkpoint would be young again. Five minutes are what honest clocks may differ by."""
    yard.clock.move(minutes=30)
    yard.sign()
    yard.pull()
    yard.clock.move(minutes=-5)

    assert 1 == yard.pull().generation
    yard.clock.move(seconds=-1)

    assert 4 == refused(yard, ClockSetBack).exit_code
    yard.clock.move(minutes=10)
    assert 1 == yard.pull().generation


def test_a_clock_that_is_set_back_makes_nothing_young_again(yard: Yard) -> None:
    """Within the five minutes, age is counted from the latest time that the host ever saw."""
    yard.clock.move(hours=24, minutes=-1)
    yard.pull()
    yard.clock.move(minutes=2)
    refused(yard, Frozen)
    yard.clock.move(minutes=-4)
    seen = yard.host.seen()

    assert seen is not None
    assert 1 == yard.pull().generation
    assert yard.host.seen() == seen


def test_another_ledger_is_refused(yard: Yard) -> None:
    """A host follows one genesis, whoever signs whatever other."""
    other = Yard(yard.path, signers=(ALICE, BOB))
    other.promote(0)
    with pytest.raises(AnotherLedger):
        other.pull()
    with pytest.raises(WrongGenesis):
        yard.pull(other.copy())


def test_what_was_seen_is_written_down_before_anything_is_fetched(yard: Yard) -> None:
    """A pull that fails on a missing blob leaves no window for an older ledger."""
    old = yard.copy()
    yard.promote(1)
    lost = dict(yard.store.blobs)
    del yard.store.blobs[yard.models[1]]
    with pytest.raises(RegistryError):
        yard.pull()
    yard.store.blobs.update(lost)

    refused(yard, Replayed, old)
    assert (2, 1) == (yard.pull().generation, yard.shown)


def test_a_bound_host_refuses_what_was_old_before_its_first_pull(yard: Yard, tmp_path: Path) -> None:
    """A new or re-imaged host that is given the present head cannot be shown less, nor another ledger."""
    old = yard.copy()
    yard.promote(1)
    binding = binding_of(read_signed(yard.desk.ledger, yard.desk.genesis)).canonical()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "seen.json").write_bytes(binding + b"\n")
    host = HostDirectory(tmp_path / "new")
    with pytest.raises(Replayed):
        yard.pull(old, host=host)

    assert 2 == yard.pull(host=host).generation


def on_disk(yard: Yard, place: Path) -> Path:
    """The yard's registry in a directory."""
    from registry.adapters.stores.directory import DirectoryStore

    store = DirectoryStore(place)
    for data in yard.store.blobs.values():
        store.put(data)
    ledger = DirectoryLedger(place / "ledger")
    for index, data in enumerate(yard.desk.entries):
        ledger.put_if_absent(index, data)
    note = yard.desk.ledger.checkpoint()
    assert note is not None
    ledger.put_checkpoint(note)
    return place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry on disk, without any project around it; staging serves model 0."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yard = Yard(tmp_path / "unused", max_age_hours=None)
    yard.promote(0)
    return on_disk(yard, tmp_path / "registry")


def test_a_new_host_without_a_project_must_be_told_which_ledger_to_trust(place: Path, tmp_path: Path) -> None:
    """By its genesis, by a record made for it, or by saying that it trusts what it finds; then it remembers."""
    host, genesis = tmp_path / "host", Yard(tmp_path, max_age_hours=None).desk.genesis
    with pytest.raises(NotBound) as refused:
        pull_from(str(place), "staging", host)

    assert (2, False) == (refused.value.exit_code, host.exists())
    assert "--trust-on-first-use" in str(refused.value)
    with pytest.raises(WrongGenesis):
        pull_from(str(place), "staging", host, genesis=Yard(tmp_path, signers=(BOB,)).desk.genesis)
    assert 1 == pull_from(str(place), "staging", host, genesis=genesis).generation
    assert 1 == pull_from(str(place), "staging", host).generation
    with pytest.raises(AnotherLedger):
        pull_from(str(place), "staging", host, genesis=Yard(tmp_path, signers=(BOB,)).desk.genesis)


def test_a_new_host_may_trust_what_it_finds_if_somebody_says_so(place: Path, tmp_path: Path) -> None:
    """Once. From then on it follows that ledger and no other."""
    host = tmp_path / "host"
    with pytest.raises(LedgerLost):
        pull_from(str(tmp_path / "nowhere"), "staging", host, trust_on_first_use=True)
    assert 1 == pull_from(str(place), "staging", host, trust_on_first_use=True).generation
    seen = HostDirectory(host).seen()

    assert seen is not None
    other = Yard(tmp_path / "unused", signers=(BOB, ALICE), max_age_hours=None)
    other.promote(0)
    with pytest.raises(WrongGenesis):
        pull_from(str(on_disk(other, tmp_path / "other")), "staging", host, trust_on_first_use=True)


@pytest.mark.parametrize(
    ("words", "code"),
    [((), 2), (("--trust-on-first-use",), 0), (("--genesis", "x"), 2), (("--genesis", "sha256:" + "0" * 64), 5)],
)
def test_it_is_typed_like_that(place: Path, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    """A host without a project, at the command line."""
    command = [sys.executable, "-m", "registry", "pull", "staging", "host", "--from", str(place), *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (code, "") == (done.returncode, re.sub(r"(?s)error: .*", "", done.stderr))
    assert (code == 0) == (tmp_path / "host/current").exists()


def test_a_registry_restored_from_an_old_backup_is_refused_until_it_is_recovered_from_a_host(yard: Yard) -> None:
    """It is honest and looks like an attack. The hosts have the entries, and everything goes on where it was."""
    backup = yard.copy()
    yard.promote(1)
    yard.promote(2)
    yard.pull()
    refused(yard, Replayed, backup)
    done = recover(read_copy(yard.path), ledger=backup, genesis=yard.desk.genesis)

    assert (2, len(yard.desk.entries)) == (done.entries, done.length)
    assert yard.desk.entries == backup.entries
    yard.desk.ledger = backup
    yard.sign()
    assert 3 == yard.pull().generation


def test_a_host_keeps_each_entry_once(yard: Yard) -> None:
    """A file for each pull with news, none for the others."""
    for number in (1, 1, 2):
        if yard.desk.state.generations("staging")[-1].manifest != yard.models[number]:
            yard.promote(number)
        yard.pull()

    assert yard.desk.entries == list(read_copy(yard.path))
    names = sorted(path.name for path in (yard.path / "ledger").iterdir())

    assert [f"{index:020d}.jsonl" for index in (0, 5, 6)] == names
    (yard.path / "ledger" / names[1]).unlink()
    with pytest.raises(CopyUnreadable):
        read_copy(yard.path)


def test_recovering_believes_no_copy(yard: Yard) -> None:
    """Forged, of another ledger, decided apart, or empty: nothing is put back."""
    yard.promote(1)
    good, genesis = yard.desk.entries, yard.desk.genesis
    apart = Desk(policy=yard.desk.policy)
    for number in range(9):
        apart.register(number, model="another")
    forged = [*good[:-1], good[-1][:300] + bytes([good[-1][300] ^ 1]) + good[-1][301:]]
    other = Yard(yard.path, signers=(MALLORY,)).desk.entries
    cases: list[tuple[list[bytes], type[RegistryError]]] = [
        (apart.entries, Diverged),
        ([], NothingToRecover),
        (other, WrongGenesis),
    ]
    for copy, kind in cases:
        ledger = MemoryLedger(good[:4])
        with pytest.raises(kind):
            recover(copy, ledger=ledger, genesis=genesis)

        assert good[:4] == ledger.entries
    with pytest.raises(RegistryError):
        recover(forged, ledger=MemoryLedger(good[:4]), genesis=genesis)
    assert 0 == recover(good[:3], ledger=MemoryLedger(list(good)), genesis=genesis).entries


def test_single_entries_that_were_lost_are_put_back(yard: Yard, tmp_path: Path) -> None:
    """Also from the middle, where the ledger cannot even be read."""
    yard.promote(1)
    place = on_disk(yard, tmp_path / "registry") / "ledger"
    for index in (1, 2, 5):
        (place / f"{index:020d}.json").unlink()
    ledger = DirectoryLedger(place)

    assert 3 == recover(yard.desk.entries, ledger=ledger, genesis=yard.desk.genesis).entries
    assert yard.desk.entries == list(ledger.read())


def test_every_flipped_bit_of_what_a_host_remembers_is_refused_or_harmless(yard: Yard) -> None:
    """Whatever bit rots (every fifth is turned), no older ledger passes, and the right one is refused at worst."""
    old = yard.copy()
    yard.promote(1)
    yard.pull()
    file = yard.path / "seen.json"
    good = file.read_bytes()
    state, past = (read_signed(ledger, yard.desk.genesis) for ledger in (yard.desk.ledger, old))
    for at in range(0, len(good) * 8, 5):
        file.write_bytes(flipped(good, at))
        assert not is_accepted(yard, lambda: follow(yard.host.seen(), past, yard.clock.now())), at
        if at % 7 == 0 and is_accepted(yard, lambda: follow(yard.host.seen(), state, yard.clock.now())):
            assert (state.genesis, state.head.index) == ((seen := _seen(yard)).genesis, seen.index)


def flipped(data: bytes, at: int) -> bytes:
    spoiled = bytearray(data)
    spoiled[at // 8] ^= 1 << at % 8
    return bytes(spoiled)


def is_accepted(yard: Yard, ask: Callable[[], SeenLedger]) -> bool:
    try:
        ask()
    except (AnotherLedger, Forked, Replayed, SeenUnreadable, ClockSetBack, Frozen):
        return False
    return True


def _seen(yard: Yard) -> SeenLedger:
    seen = yard.host.seen()
    assert seen is not None
    return seen


def test_fewer_generations_than_were_seen_are_a_replay(yard: Yard) -> None:
    """Each stage counts for itself, and never down."""
    seen = _seen(yard)
    state = read_signed(yard.desk.ledger, yard.desk.genesis)
    with pytest.raises(Replayed, match="staging"):
        follow(seen.model_copy(update={"stages": {"staging": 2}}), state)
    with pytest.raises(Forked, match="tree"):
        follow(seen.model_copy(update={"root": "0" * 64}), state)


def test_each_refusal_is_in_the_table() -> None:
    """Nobody meets an error that the page does not explain."""
    kinds = {AnotherLedger, ClockSetBack, FastForwarded, Forked, Frozen, NotBound, Replayed, Diverged}
    own = {one for one in vars(trust).values() if isinstance(one, type) and one.__module__ == trust.__name__}
    wanted = {one.__name__ for one in kinds | own if issubclass(one, RegistryError)}
    rows = re.search(r"(?s)## Hosts and what they refuse\n.*?\n(\|.*?)\n\n", PAGE)

    assert rows is not None
    assert set() == {name for name in wanted if f"`{name}`" not in rows[1]}
