"""What a fresh clone is told about blobs that were deleted on purpose before it was made: that they are not lost."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.core.digest import digest_of
from registry.core.roots import certain
from registry.core.store import Unlisted, place_of
from registry.testing.models import adapter_files
from registry.verbs.carry import Side
from registry.verbs.fetch import fetch
from registry.verbs.push import push
from registry.verbs.verify import verify
from tests.crash.project import Project, make_project
from tests.remote.estate import FarEstate, memory_bucket, remember
from tests.remote.service import Service
from tests.remote.sides import Count, in_directory
from tests.remote.test_team import Member
from tests.store.estate import own


@pytest.fixture
def collected(in_memory: Path) -> FarEstate:
    """A registry of which old weights were deleted for good."""
    estate = remember(in_memory / "notes", memory_bucket())
    estate.gc()
    assert estate.store.collected()
    return estate


def _bring(estate: FarEstate, there: Side) -> Side:
    fetch((), here=there, there=_side(estate), genesis=estate.desk.genesis, meter=Count())
    return there


def _side(estate: FarEstate) -> Side:
    return Side(estate.store, estate.desk.ledger)


def _health(side: Side, estate: FarEstate) -> str:
    premises = side.store.premises()  # type: ignore[attr-defined] # these sides are in directories
    return verify(store=side.store, ledger=side.ledger, genesis=estate.desk.genesis, premises=premises).health


def test_a_fresh_copy_is_told_what_was_deleted_on_purpose(collected: FarEstate, tmp_path: Path) -> None:
    """And so is a copy of the copy, whichever way it is made."""
    first = _bring(collected, in_directory(tmp_path / "first"))
    second = in_directory(tmp_path / "second")
    push((), here=first, there=second, genesis=collected.desk.genesis, meter=Count())

    assert ("clean", "clean") == (_health(first, collected), _health(second, collected))
    assert first.store.collected() == second.store.collected() <= collected.store.collected()


def test_only_what_is_not_there_is_noted(collected: FarEstate, tmp_path: Path) -> None:
    """An older copy still has it; if it loses that one day, it is told."""
    there = in_directory(tmp_path)
    old = collected.make(adapter="deleted", name="old", store=there.store)
    _bring(collected, there)

    assert not own(old, there.store) & there.store.collected()
    for digest in own(old, there.store):
        (tmp_path / place_of(digest)).unlink()
    assert "data-loss" == _health(there, collected)


def test_a_lying_list_excuses_nothing_that_is_needed(collected: FarEstate, tmp_path: Path) -> None:
    """It says that everything was deleted on purpose; what must never be is missed all the same."""
    needed = [root.needed.digest for root in certain(collected.desk.state)]
    collected.store.note_collected([*needed, *collected.blobs()])
    there = _bring(collected, in_directory(tmp_path))
    there.store.note_collected(collected.blobs())
    served = collected.models[2]
    for digest in (served.digest, *own(served, there.store)):
        path = tmp_path / place_of(digest)
        data = path.read_bytes()
        path.unlink()

        assert "data-loss" == _health(there, collected)
        path.write_bytes(data)


def test_a_damaged_list_is_not_written_over(collected: FarEstate, tmp_path: Path) -> None:
    """What it says may be needed; nothing is added, and nothing is collected, before it is put right."""
    there = in_directory(tmp_path)
    (tmp_path / "collected.json").write_bytes(b"{")
    collected.bucket.write("collected.json", b"{")
    for store in (there.store, collected.store):
        with pytest.raises(Unlisted, match="cannot be known"):
            store.note_collected([digest_of(b"deleted")])

    assert b"{" == (tmp_path / "collected.json").read_bytes() == collected.bucket.read("collected.json", 9)


@pytest.mark.slow
def test_two_clones_and_a_remote_as_they_are_typed(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source was collected; who fetches from it, and who fetches from where that one pushed, finds it clean."""
    made = make_project(tmp_path, wide=8)
    source = Member(made.root, made.place)
    for salt in ("one", "other"):
        (source.root / "models/one/adapter_model.safetensors").write_bytes(
            adapter_files(salt=salt, wide=8)["adapter_model.safetensors"]
        )
        source.commit()
        source.run("pin", "manifests/one.json")
        source.commit()
    now = datetime.now(UTC)
    for days in (20, 40):
        at = now + timedelta(days=days)
        monkeypatch.setattr("registry.adapters.clocks.SystemClock.now", lambda _, at=at: at)
        done = source.registry.gc()
    assert done.deleted.blobs > 0
    url = service.url(service.new_bucket())
    first, second = (_clone(source, name) for name in ("first", "second"))
    first.run("fetch", str(source.root))
    first.run("push", url)
    second.run("fetch", url)

    for clone in (source, first, second):
        assert "deleted on purpose" in clone.run("verify")
    weights = next(path for path in (second.place / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 900)
    weights.unlink()
    second.fails(5, "verify")


def _clone(source: Project, name: str) -> Member:
    subprocess.run(["git", "clone", "-q", source.root, source.root.parent / name], check=True, capture_output=True)
    return Member(source.root.parent / name, source.root.parent / name / ".registry")
