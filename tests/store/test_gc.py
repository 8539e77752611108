"""What gc keeps, why, and what it does with the rest: into the trash, back from there, and away."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from registry.adapters.stores.attic import NotOurs
from registry.core.digest import Digest, digest_of
from registry.core.ledger.entry import Approve, Hold, Revoke
from registry.core.ledger.policy import Key, Role, approver
from registry.core.manifest import Manifest
from registry.core.retention import Retention
from registry.core.store import Missing, place_of
from registry.errors import ConflictError, IntegrityError, UsageError
from registry.verbs.gc import StoreDamaged
from tests.cli.scene import Scene
from tests.ledger.desk import ALICE, BOB, Desk
from tests.store.estate import Estate, own


@pytest.fixture
def estate(in_memory: Path) -> Estate:
    return Estate(in_memory / "store")


@pytest.fixture
def served(estate: Estate) -> Estate:
    """A stage that served six models in turn, of which the last is the newest; long ago."""
    for number in range(6):
        estate.promote(estate.add(adapter=f"{number}"))
    estate.days = 100
    return estate


def _is_kept(estate: Estate, manifest: Manifest) -> bool:
    return own(manifest, estate.store) <= estate.blobs()


def test_a_dry_run_changes_nothing_and_says_the_same(served: Estate) -> None:
    """What it promises is what is done then."""
    before = served.blobs()
    said = served.survey()

    assert before == served.blobs()
    assert said.is_dry_run
    assert said.set_aside.blobs > 0
    done = served.gc()
    assert (said.set_aside, said.kept, said.components) == (done.set_aside, done.kept, done.components)


@pytest.mark.parametrize("keep", [2, 3, 6, 60])
def test_the_last_releases_of_a_stage_stay(served: Estate, keep: int) -> None:
    """As many as are asked for, the newest; of the others only what explains them."""
    served.gc(keep=keep)
    present = [_is_kept(served, manifest) for manifest in served.models]

    assert [number >= 6 - keep for number in range(6)] == present
    assert all(manifest.digest in served.blobs() for manifest in served.models)
    assert served.verify().is_clean


def test_going_to_and_fro_does_not_use_up_the_window(served: Estate) -> None:
    """After many rollbacks, the next ones still have where to go."""
    for _ in range(4):
        served.rollback(5)
        served.promote(served.models[5])
    served.rollback(3)
    served.gc(keep=2)

    assert _is_kept(served, served.models[2]), "it is served"
    assert _is_kept(served, served.models[1]), "the next rollback goes there"


def test_what_was_fled_from_stays_in_the_window(served: Estate) -> None:
    """It is the one that people want to look at; and what was revoked does not take the place of a way back."""
    served.rollback(5)
    served.desk.write(Revoke(**served.desk.common(), manifest=served.models[3].digest, reason="poisoned"))
    served.add(adapter="newer")
    served.gc(keep=2)

    assert [False, False, True, False, True, True, True] == [_is_kept(served, one) for one in served.models]


def test_a_stage_on_hold_keeps_everything(served: Estate) -> None:
    """Somebody looks into an incident; nothing of it goes away meanwhile."""
    served.desk.write(Hold(**_stage(served, "dev"), reason="an incident"))
    served.gc()

    assert all(_is_kept(served, manifest) for manifest in served.models)


def test_candidates_stay_until_they_are_old_or_superseded_or_revoked(estate: Estate) -> None:
    """The newest of a name always; others while they are young; a revoked one only where it is served."""
    old, young, newest = estate.make(adapter="old"), estate.make(adapter="young"), estate.make(adapter="newest")
    estate.days = 100
    estate.register(old)
    estate.register(young, at=(estate.now() - timedelta(days=13)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    estate.register(newest)
    estate.gc()

    assert [False, True, True] == [_is_kept(estate, one) for one in (old, young, newest)]
    estate.desk.write(Revoke(**estate.desk.common(), manifest=newest.digest, reason="poisoned"))
    estate.add(adapter="other", name="helper")
    estate.gc()
    assert not _is_kept(estate, newest)


def test_an_approved_manifest_waits_for_its_promotion(estate: Estate) -> None:
    """Until the stage promotes something else."""
    policy = estate.desk.policy
    roles = {**policy.roles, approver("dev"): Role(keys=(BOB.key_id,), threshold=1)}
    keys = {**policy.keys, BOB.key_id: Key(pem=BOB.public_pem)}
    estate.desk = Desk(policy=policy.model_copy(update={"roles": roles, "keys": keys}))
    approved, other = estate.add(adapter="approved"), estate.add(adapter="other")
    estate.desk.signers = (BOB,)
    estate.desk.write(Approve(**_stage(estate, "dev"), manifest=approved.digest))
    estate.days = 100
    estate.gc()

    assert _is_kept(estate, approved)
    assert any("approved for dev" in path.why for path in estate.why(approved.adapters[0].digest).paths)
    estate.desk.write(Approve(**_stage(estate, "dev"), manifest=other.digest))
    estate.desk.signers = (ALICE,)
    estate.promote(other)
    estate.gc()
    assert not _is_kept(estate, approved)


def test_an_approved_manifest_stays_where_a_rollback_may_go_to_it(estate: Estate) -> None:
    """Also after the stage promoted something else: on call it is needed at once."""
    policy = estate.desk.policy
    roles = {**policy.roles, approver("dev"): Role(keys=(BOB.key_id,), threshold=1)}
    keys = {**policy.keys, BOB.key_id: Key(pem=BOB.public_pem)}
    changed = {"roles": roles, "keys": keys, "rollback_targets": {"dev": "any-approved"}}
    estate.desk = Desk(policy=policy.model_copy(update=changed))
    approved, other = estate.add(adapter="approved"), estate.add(adapter="other")
    estate.desk.signers = (BOB,)
    for one in (approved, other):
        estate.desk.write(Approve(**_stage(estate, "dev"), manifest=one.digest))
    estate.desk.signers = (ALICE,)
    estate.promote(other)
    estate.days = 100
    estate.gc()

    assert _is_kept(estate, approved)


def test_what_is_young_is_left_alone(estate: Estate) -> None:
    """A writer may be about to name it; also in the trash it stays as long again."""
    orphan = estate.store.put(b"of a pin that was interrupted")
    for days, places in ((0, "store"), (13.9, "store"), (14.1, "trash"), (28, "trash"), (28.2, "nowhere")):
        estate.days = days
        estate.gc()

        assert places == estate.why(orphan).place, days
    with pytest.raises(Missing):
        estate.store.get(orphan)


def test_a_clock_that_jumps_back_deletes_nothing(served: Estate) -> None:
    """What seems to come from the future is young."""
    served.days = -1000
    assert 0 == served.gc().set_aside.blobs
    served.days = 100
    served.gc()
    served.days = 50
    assert 0 == served.gc().deleted.blobs


def test_the_trash_is_still_read_and_gives_back_what_is_needed_again(served: Estate) -> None:
    """Nothing is lost to readers before it is deleted; who promotes it again finds it in its place."""
    first = served.models[0]
    served.gc()

    assert not _is_kept(served, first)
    assert all(served.store.get(digest) for digest in own(first, served.store))
    served.promote(first)
    report = served.glance()
    assert ("repairable", {"trashed"}) == (report.health, {fault.kind for fault in report.faults})
    done = served.gc()
    assert done.brought_back.blobs >= 2
    assert _is_kept(served, first)
    assert served.verify().is_clean


def test_what_was_deleted_on_purpose_is_missed_by_nobody_until_it_is_needed(served: Estate) -> None:
    """Verify says how many were; and if the model comes back and is lost then, that is a loss."""
    first = served.models[0]
    served.gc()
    served.days = 200
    assert served.gc().deleted.blobs > 0
    report = served.verify()

    assert report.is_clean
    assert report.collected > 0
    served.make(adapter="0")
    served.promote(first)
    assert served.verify().is_clean
    (served.root / place_of(first.adapters[0].digest)).unlink()
    assert "data-loss" == served.verify().health


def test_a_longer_window_than_before_asks_for_nothing_that_is_gone(served: Estate) -> None:
    """Keeping two, and later six, is no damage; nor is a hold after the fact."""
    served.gc(keep=2)
    served.days = 200
    served.gc(keep=2)
    served.gc(keep=6)
    served.desk.write(Hold(**_stage(served, "dev"), reason="an incident"))

    assert served.gc(keep=6).kept.blobs > 0
    assert served.verify().is_clean


def test_putting_again_heals_what_is_in_the_trash(served: Estate) -> None:
    """A writer does not care for the trash: its blob is in its place afterwards, and the old one goes in time."""
    first = served.models[0]
    served.gc()
    served.register(served.make(adapter="0"))

    assert _is_kept(served, first)
    served.days = 200
    served.gc()
    assert _is_kept(served, first)
    assert served.verify().is_clean


def test_the_good_copy_in_the_trash_stays_while_the_one_in_place_is_bad(served: Estate) -> None:
    """Put again and rotten since: what lies in the trash is the only copy, however long it has been there."""
    first = served.models[0]
    served.gc()
    served.register(served.make(adapter="0"))
    weights = _file(served, first)
    good = served.store.get(weights)
    (served.root / place_of(weights)).chmod(0o644)
    (served.root / place_of(weights)).write_bytes(good[:-1] + b"?")
    served.days = 200
    served.gc()

    assert weights in served.store.attic.trashed()
    (served.root / place_of(weights)).unlink()
    served.gc()
    assert good == (served.root / place_of(weights)).read_bytes()


@pytest.mark.parametrize("spoil", ["missing", "cut", "tree", "evidence", "ledger"])
def test_a_damaged_store_is_not_collected(served: Estate, spoil: str) -> None:
    """If something that is to be kept cannot be read, nobody knows what else is needed."""
    last, before = served.models[5], served.blobs()
    victim = served.root / place_of(last.adapters[0].digest if spoil == "tree" else _file(served, last))
    fault: type[IntegrityError] = StoreDamaged
    match spoil:
        case "missing":
            victim.unlink()
        case "cut":
            victim.chmod(0o644)
            victim.write_bytes(b"x")
        case "tree":
            victim.chmod(0o644)
            victim.write_bytes(b"{}")
        case "evidence":
            verdict = served.desk.state.generations("dev")[0].verdict
            assert verdict
            (served.root / place_of(verdict)).unlink()
        case _:
            served.desk.ledger.entries[3] = b"{}"  # type: ignore[attr-defined] # the ledger in memory
            fault = IntegrityError
    for collect in (served.survey, served.gc):
        with pytest.raises(fault):
            collect()

    assert before - served.blobs() <= {digest_of(b"")} | {d for d in before if not (served.root / place_of(d)).exists()}
    assert not (served.root / "trash").exists()


def test_damage_to_what_nothing_needs_is_no_obstacle(served: Estate) -> None:
    """A bad orphan goes into the trash as it is."""
    orphan = served.store.put(b"orphan")
    (served.root / place_of(orphan)).chmod(0o644)
    (served.root / place_of(orphan)).write_bytes(b"?")
    served.gc()

    assert "trash" == served.why(orphan).place


def test_too_little_is_refused() -> None:
    """The floor is in the code, not in a habit."""
    for keep, days in ((1, 14), (0, 14), (-1, 14), (2, 0), (2, 0.99), (2, -5)):
        with pytest.raises(UsageError):
            Retention(keep, timedelta(days=days))
    assert Retention(2, timedelta(days=1))


def test_a_grace_that_no_calendar_has_is_refused(served: Estate) -> None:
    """In words; and the longest that is let pass counts backwards from now without leaving the calendar."""
    for days in (36_501, 10**20):
        with pytest.raises(UsageError, match="too long"):
            Retention.of(2, days)
    with pytest.raises(UsageError, match="too short"):
        Retention.of(2, -(10**20))

    assert 0 == served.gc(grace=36_500).set_aside.blobs


def test_why_names_each_root_and_the_way_from_it(served: Estate) -> None:
    """From the stage down to the file; and of what nothing keeps it says so."""
    last = served.models[5]
    found = served.why(_file(served, last))

    assert "store" == found.place
    assert {"dev serves it: generation 6", "it is the newest assistant"} <= {path.why for path in found.paths}
    (first, *_) = [path for path in found.paths if path.why.startswith("dev serves")]
    assert first.steps[0].startswith("manifest ")
    assert "the list of files of adapter math" == first.steps[1]
    assert "adapter_model.safetensors of adapter math" == first.steps[2]
    assert () == served.why(_file(served, served.models[0])).paths
    packages = served.store.put(b"packages")
    assert served.why(packages).paths, "what may be lacking is kept where it is"
    assert ("nowhere", ()) == (served.why(digest_of(b"?")).place, served.why(digest_of(b"?")).paths)


def test_components_add_up(served: Estate) -> None:
    """The base is stored once for six models; each adapter is its own; what can go is told before it goes."""
    said = served.survey()
    rows = {one.name: one for one in said.components}

    assert (1, 0) == (rows["base"].versions, rows["base"].reclaimable)
    assert 6 == rows["math"].versions
    assert rows["math"].size > rows["math"].stored, "adapter_config.json is the same in all"
    assert 0 < rows["math"].shared < rows["math"].stored
    assert said.set_aside.size == rows["math"].reclaimable + 40, "and what the repo's blob is not followed to"
    assert said.saved == rows["math"].size - rows["math"].stored + 2, "and one {} of two artefacts"
    stored = sum(row.size for row in said.components) - said.saved
    lying = sum((served.root / place_of(digest)).stat().st_size for digest in served.blobs())
    assert lying == said.kept.size + said.young.size + said.set_aside.size
    assert stored + said.records.size == lying - said.young.size - 40, "each blob is an artefact's or a record"
    served.gc()
    (after,) = [one for one in served.survey().components if one.name == "math"]
    assert rows["math"].stored - rows["math"].reclaimable == after.stored


def test_many_who_note_at_once_lose_nothing(estate: Estate) -> None:
    """Each waits for the others, and adds to what they wrote."""
    digests = [digest_of(b"%d" % number) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda digest: estate.store.note_collected([digest]), digests))

    assert set(digests) == estate.store.collected()


def test_strangers_are_never_moved(served: Estate, tmp_path: Path) -> None:
    """Links, pipes, directories and odd names among the blobs stay where they are, and what a link leads to stays."""
    precious = tmp_path / "precious"
    (precious / "sha256").mkdir(parents=True)
    blobs = served.root / "blobs" / "sha256"
    orphan = digest_of(b"elsewhere")
    (precious / orphan[7:]).write_bytes(b"elsewhere")
    (blobs / orphan[7:9]).mkdir(exist_ok=True)
    (blobs / orphan[7:9] / orphan[7:]).symlink_to(precious / orphan[7:])
    names = [digest_of(b"%d" % number) for number in range(4)]
    for digest in names:
        (served.root / place_of(digest)).parent.mkdir(exist_ok=True)
    (served.root / place_of(names[0])).mkdir()
    os.mkfifo(served.root / place_of(names[1]))
    (served.root / place_of(names[2])).symlink_to("nowhere")
    (blobs / "notes.txt").write_text("hello")
    shard = next(f"{n:02x}" for n in range(256) if not (blobs / f"{n:02x}").exists())
    (precious / (shard + "0" * 62)).write_bytes(b"a blob, it seems")
    (blobs / shard).symlink_to(precious)
    before = sorted(str(path) for path in precious.rglob("*"))
    served.gc()
    served.days = 200
    served.gc()

    assert before == sorted(str(path) for path in precious.rglob("*"))
    assert all(os.path.lexists(served.root / place_of(digest)) for digest in (orphan, *names[:3]))
    assert (blobs / "notes.txt").exists()


@pytest.mark.parametrize("name", ["trash", "quarantine"])
def test_a_link_in_place_of_our_own_directory_is_refused(served: Estate, name: str, tmp_path: Path) -> None:
    """Nothing is moved to where it leads."""
    (tmp_path / "elsewhere").mkdir()
    (served.root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotOurs):
        served.gc() if name == "trash" else served.store.attic.quarantine(served.models[0].digest, served.now())

    assert [] == list((tmp_path / "elsewhere").iterdir())


def test_a_second_collector_waits_and_gives_up(served: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """With words and a code that say: try again."""
    monkeypatch.setattr("registry.adapters.stores.attic.WAIT_S", 0.1)
    with served.alone(), pytest.raises(ConflictError, match="at work"):
        served.gc()


@pytest.mark.parametrize("spoil", ["cut", "pipe", "directory", "link"])
def test_a_list_of_what_was_deleted_that_cannot_be_read_is_told(served: Estate, spoil: str, tmp_path: Path) -> None:
    """Whether what is missing was deleted on purpose cannot be known without it; nothing is written over it."""
    served.gc()
    served.days = 200
    assert served.gc().deleted.blobs
    path = served.root / "collected.json"
    whole = path.read_bytes()
    path.unlink()
    (tmp_path / "elsewhere").write_bytes(whole)
    spoils: dict[str, Callable[[], object]] = {
        "cut": lambda: path.write_bytes(whole[:-9]),
        "pipe": lambda: os.mkfifo(path),
        "directory": path.mkdir,
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
    }
    spoils[spoil]()
    for report in (served.verify(), served.glance()):
        assert "collected.json" in str(report.unlisted)
        assert not report.is_clean
    for collect in (served.gc, served.survey):
        with pytest.raises(StoreDamaged, match="damaged"):
            collect()
    path.rmdir() if spoil == "directory" else path.unlink()
    path.write_bytes(whole)

    assert served.verify().is_clean


@pytest.mark.slow
def test_gc_as_it_is_typed(pinned: Scene) -> None:
    """A table, a promise that nothing was changed; then it is done, and the model can still be pulled."""
    said = pinned.done("gc")
    assert "nothing was changed" in said
    assert "adapter" in said
    orphan = pinned.root / ".registry" / place_of(digest_of(b"orphan"))
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"orphan")
    os.utime(orphan, (1, 1))
    found = pinned.read("gc", "--grace", "1")
    assert {"blobs": 1, "size": 6} == found["set_aside"]
    assert orphan.exists()
    pinned.done("gc", "--delete")
    assert not orphan.exists()
    assert "nothing keeps it" in pinned.done("gc", "--why", digest_of(b"orphan"))
    manifest = str(pinned.read("show", "old")["digest"])
    assert "staging serves it" in pinned.done("gc", "--why", manifest[7:20])
    assert "clean" in pinned.done("verify")
    pinned.done("pull", "staging", "host")
    for words in (["--grace", "0"], ["--why", "abc"]):
        pinned.done("gc", *words, code=2)


def _stage(estate: Estate, stage: str) -> dict[str, Any]:
    fields = estate.desk.on(stage, 0)
    return {key: value for key, value in fields.items() if key != "manifest"}


def _file(estate: Estate, manifest: Manifest) -> Digest:
    """The digest of the adapter's weights."""
    (weights,) = own(manifest, estate.store) - {manifest.adapters[0].digest}
    return weights
