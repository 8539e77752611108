"""Rolling back: proven first, then switched, further back each time."""

from functools import partial
from pathlib import Path

import pytest

from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, digest_of
from registry.core.ledger.entry import Rollback
from registry.core.ledger.names import UnknownReference
from registry.core.ledger.retreat import NothingBefore
from registry.core.store import place_of
from registry.errors import UsageError
from registry.verbs.prove import Damaged, prove
from tests.ledger.team import Team, refuses


@pytest.fixture
def team() -> Team:
    return Team()


def test_a_rollback_is_a_new_generation_of_the_old_manifest(team: Team) -> None:
    """Everything was read first; the reason is written down."""
    team.promote(0)
    team.promote(1)
    done = team.rollback(reason="answers in verse")
    entry = team.state.entries[-1].entry

    assert isinstance(entry, Rollback)
    assert (entry.generation, entry.target, entry.reason) == (3, 1, "answers in verse")
    assert (done.now.manifest, done.before.manifest) == (team.digest(0), team.digest(1))
    assert done.proof == prove(team.digest(0), store=team.store)
    assert (done.proof.blobs, done.now.basis) == (11, "rollback")


def test_rolling_back_again_goes_further_back(team: Team) -> None:
    """Two back, not to and fro; then there is nothing more."""
    for number in range(3):
        team.promote(number)

    assert [team.rollback().now.manifest, team.rollback().now.manifest] == [team.digest(1), team.digest(0)]
    error = refuses(NothingBefore, team, team.rollback)

    assert error.exit_code == 3
    assert team.rollback(to=3).now.manifest == team.digest(2)


def test_a_rollback_wants_a_reason_a_stage_and_a_generation_that_exist(team: Team) -> None:
    """Each refusal says what there is."""
    refuses(NothingBefore, team, team.rollback)
    team.promote(0)
    refuses(NothingBefore, team, team.rollback)
    refuses(UnknownReference, team, lambda: team.rollback("moon"))
    refuses(UsageError, team, lambda: team.rollback(reason=" "))
    team.promote(1)
    refuses(UsageError, team, lambda: team.rollback(reason="a\nb"))
    for to in (0, -1, 3):
        refuses(UsageError, team, partial(team.rollback, to=to))
    refuses(NothingBefore, team, lambda: team.rollback(to=2))


def test_a_damaged_or_missing_blob_stops_a_rollback_before_it_is_written(team: Team) -> None:
    """Every single blob of the target is looked at: one bit turned, cut short, or gone, and nothing is switched."""
    team.promote(0)
    team.promote(1)
    good = dict(team.store.blobs)
    before = team.ledger.read()
    target = [digest for digest in good if digest in _reached(team, 0)]
    for digest in target:
        for bad in (bytes([good[digest][0] ^ 1]) + good[digest][1:], good[digest][:-1], None):
            team.store.blobs.clear()
            team.store.blobs.update(good)
            if bad is None:
                del team.store.blobs[digest]
            else:
                team.store.blobs[digest] = bad
            error = refuses(Damaged, team, team.rollback)

            assert error.exit_code == 5
            assert team.ledger.read() == before
    team.store.blobs.update(good)

    assert len(target) == 11  # three of the files are alike, so they are one blob
    assert team.rollback().now.manifest == team.digest(0)


def test_a_damaged_file_is_named(team: Team) -> None:
    """On call one wants to know which file."""
    team.promote(0)
    team.promote(1)
    team.store.blobs[digest_of(b"weights 0")] = b"weights X"
    error = refuses(Damaged, team, team.rollback)

    assert "adapter_model.safetensors of adapter math" in error.what


def _reached(team: Team, number: int) -> set[Digest]:
    """Every blob of a model, found without the code under test."""
    from registry.core.tree import Tree

    model = team.models[number]
    assert model.suite
    assert model.dvc_lock
    trees = [*(pin.digest for pin in model.pins if pin.role != "repo"), model.suite]
    files = [entry.digest for tree in trees for entry in Tree.parse(team.store.get(tree)).entries]
    return {model.digest, *trees, *files, model.repo_sha.digest, model.dvc_lock}


def test_on_a_real_disk_one_turned_bit_stops_it_and_a_second_look_at_good_bytes_lets_it_through(
    tmp_path: Path, team: Team
) -> None:
    """The same on a directory store and ledger: refused with exit code 5, nothing written; healed, it is done."""
    store, ledger = DirectoryStore(tmp_path), DirectoryLedger(tmp_path / "ledger")
    for data in team.store.blobs.values():
        store.put(data)
    for number in (0, 1):
        team.promote(number)
    for index, data in enumerate(team.ledger.read()):
        ledger.put_if_absent(index, data)
    blob = tmp_path / place_of(digest_of(b"weights 0"))
    blob.chmod(0o644)
    blob.write_bytes(b"weights 1")
    with pytest.raises(Damaged, match=r"adapter_model\.safetensors of adapter math"):
        team.rollback(ledger=ledger, store=store)

    assert len(ledger.read()) == len(team.ledger.read())
    blob.write_bytes(b"weights 0")
    assert team.rollback(ledger=ledger, store=store).now.manifest == team.digest(0)
    assert len(ledger.read()) == len(team.ledger.read()) + 1
