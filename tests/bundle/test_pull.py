"""From a stage to a directory: what is served comes whole, or what was there stays."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.hosts.folder import Folder
from registry.adapters.hosts.ground import HostBusy
from registry.adapters.stores.memory import MemoryStore
from registry.core.bundle.layout import LOCK, Lock
from registry.core.bundle.report import PreflightRefused
from registry.core.bundle.trust import AnotherLedger, SeenLedger
from registry.core.canonical import canonical
from registry.core.digest import Digest, DigestMismatch, digest_of
from registry.core.ledger.chain import Forked, Replayed
from registry.core.ledger.views import State
from registry.core.store import Missing
from registry.core.tree import Entry, Tree, tree_of
from registry.errors import IntegrityError, RegistryError
from registry.testing.models import Parts, adapter_files
from registry.testing.states import state_serving
from registry.verbs.bundle import bundle
from registry.verbs.pull import NothingServed, Pulled, pull

BASELINE = Parts(input={"prompt.txt": b"Say it."}).with_adapter("math").with_adapter("division")
CANDIDATE = BASELINE.with_adapter("division", adapter_files(salt="division, better"))
ADAPTER_FILES = 2 + 3  # the adapter's two files, and the three that are made for each release


def tree_on_disk(directory: Path) -> Tree:
    """The tree of what really lies in `directory`, hashed here and now."""
    files = {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
    return tree_of(Entry(path=path, size=len(data), digest=digest_of(data)) for path, data in files.items())


class World:
    """A store, a host and a ledger whose staging serves one model after another."""

    def __init__(self, path: Path) -> None:
        self.store, self.host = MemoryStore(), HostDirectory(path)
        self.served: list[Digest] = []

    def serve(self, parts: Parts) -> Pulled:
        """Promote `parts` and pull."""
        self.served.append(parts.keep(self.store).digest)
        return self.pull()

    def pull(self, served: Sequence[Digest] | None = None, *, salt: str = "") -> Pulled:
        """Pull what the ledger says now, or what another ledger would say."""
        state = state_serving(self.served if served is None else served, salt=salt)
        return pull("staging", read=lambda: state, store=self.store, host=self.host)

    def damage(self, data: bytes, change: Callable[[bytes], bytes]) -> None:
        """Change a blob behind the store's back."""
        self.store.blobs[digest_of(data)] = change(data)

    @property
    def shown(self) -> Tree:
        """What the host shows, hashed now."""
        return tree_on_disk(self.host.path / "current")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A new one."""
    return World(tmp_path / "models")


def test_what_is_pulled_is_what_was_bundled(world: World, tmp_path: Path) -> None:
    """The release's digest is that of the bytes on disk, wherever they are and however they came."""
    pulled = world.serve(CANDIDATE)
    made = bundle(CANDIDATE.keep(world.store), store=world.store, destination=Folder(tmp_path / "out"))

    assert pulled.release == world.shown.digest == made.release == tree_on_disk(tmp_path / "out").digest
    assert (pulled.generation, pulled.name, pulled.previous) == (1, "assistant", None)
    assert pulled.manifest == made.manifest == CANDIDATE.keep(world.store).digest


def test_the_lock_agrees_with_the_disk(world: World) -> None:
    """Every file but the lock is in the lock, with the bytes that it has."""
    world.serve(BASELINE)
    lock = Lock.parse((world.host.path / "current" / LOCK).read_bytes())

    assert lock.files == tuple(entry for entry in world.shown.entries if entry.path != LOCK)


def test_one_changed_adapter_copies_only_that_adapter(world: World) -> None:
    """The base is linked, the other adapter is linked; the new adapter and the made files are copied."""
    world.serve(BASELINE)
    second = world.serve(CANDIDATE)
    new = CANDIDATE.adapters["division"]["adapter_model.safetensors"]
    made = sum(entry.size for entry in world.shown.entries if entry.path in {LOCK, ".bundle/manifest.json"})

    # adapter_config.json and report.json may be equal to what is here already, so they may be linked.
    assert second.delivered.files_copied <= ADAPTER_FILES
    assert len(new) + made <= second.delivered.bytes_copied < len(new) + made + 4096
    assert second.delivered.bytes_reused + second.delivered.bytes_copied == world.shown.size


def test_without_its_record_a_host_still_copies_only_the_adapter(world: World) -> None:
    """The locks of the releases say where to look; the bytes are hashed before they are linked."""
    world.serve(BASELINE)
    (world.host.path / "record.json").unlink()
    second = world.serve(CANDIDATE)

    assert second.delivered.files_copied <= ADAPTER_FILES
    assert second.release == world.shown.digest


def test_rolling_back_brings_back_the_very_tree(world: World) -> None:
    """After a rollback the directory's digest equals the one before, and nothing is fetched."""
    first = world.serve(BASELINE)
    before = world.shown
    world.serve(CANDIDATE)
    world.served.append(first.manifest)
    weights = {digest_of(files["adapter_model.safetensors"]) for files in BASELINE.adapters.values()}
    for digest in weights:  # why: headers are still read, so they stay whole; only the data is spoiled.
        world.store.blobs[digest] = flipped(world.store.blobs[digest])
    back = world.pull()

    assert (back.generation, back.release) == (3, first.release)
    assert world.shown == before
    assert (back.delivered.files_copied, back.delivered.bytes_copied) == (0, 0)


def test_rolling_back_after_the_release_was_removed_is_as_exact(tmp_path: Path) -> None:
    """A host that keeps one release gets the old one from the store, byte for byte."""
    world = World(tmp_path / "models")
    world.host = HostDirectory(tmp_path / "models", keep=1)
    first = world.serve(BASELINE)
    before = world.shown
    world.serve(CANDIDATE)
    world.served.append(first.manifest)
    back = world.pull()

    assert world.shown == before
    assert 0 < back.delivered.files_copied <= ADAPTER_FILES


def test_a_stage_that_serves_nothing_says_so(world: World) -> None:
    """It is an answer, with what to do, and the directory shows nothing."""
    with pytest.raises(NothingServed) as refused:
        world.pull([])

    assert refused.value.exit_code == 3
    assert not (world.host.path / "current").exists()


def flipped(data: bytes) -> bytes:
    """One bit of it turned over, near the end."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize(
    "change",
    [flipped, lambda data: data[:-1], lambda data: data + b"x", lambda _: b"", lambda data: data * 3000],
    ids=["a bit", "cut", "longer", "empty", "endless"],
)
def test_a_damaged_blob_changes_nothing(world: World, change: Callable[[bytes], bytes]) -> None:
    """Whichever file is damaged, pull says so with code 5 and the host goes on showing what it showed."""
    world.serve(BASELINE)
    before = world.shown
    manifest = CANDIDATE.keep(world.store)
    fresh = CANDIDATE.adapters["division"]
    tree = tree_of(Entry(path=p, size=len(d), digest=digest_of(d)) for p, d in fresh.items())
    for data in (fresh["adapter_model.safetensors"], manifest.canonical(), tree.canonical()):
        world.damage(data, change)
        with pytest.raises(IntegrityError) as refused:
            world.pull([*world.served, manifest.digest])

        assert refused.value.exit_code == 5
        assert world.shown == before
        assert list((world.host.path / "staging").iterdir()) == []
        world.store.put(data)
    world.pull([*world.served, manifest.digest])

    assert world.shown != before


HOSTILE = [
    "../escaped",
    "/tmp/escaped",
    "a/../../escaped",
    "a\\\\b",
    "aux.json",
    "A/x\\u0000",
    "config.json/x",
    "CONFIG.json",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_in_a_tree_writes_nothing(world: World, name: str) -> None:
    """A tree that somebody wrote by hand, with a right digest, still cannot leave the release or hide in it."""
    world.serve(BASELINE)
    before, around = world.shown, sorted(world.host.path.parent.rglob("*"))
    honest = BASELINE.keep(world.store)
    entries = [{"path": path, "size": len(data), "digest": digest_of(data)} for path, data in BASELINE.base.items()]
    entries.append({"path": json.loads(f'"{name}"'), "size": 1, "digest": world.store.put(b"x")})
    tree = canonical({"form": "registry.tree/1", "entries": sorted(entries, key=lambda entry: str(entry["path"]))})
    pin = honest.llm_sha.model_copy(update={"digest": world.store.put(tree)})
    manifest = honest.model_copy(update={"llm_sha": pin})
    with pytest.raises(RegistryError):
        world.pull([*world.served, world.store.put(manifest.canonical())])

    assert world.shown == before
    assert sorted(world.host.path.parent.rglob("*")) == around


def test_a_missing_blob_changes_nothing(world: World) -> None:
    """A blob that is not there is told by its digest, and the next pull after its return succeeds."""
    world.serve(BASELINE)
    before = world.shown
    manifest = CANDIDATE.keep(world.store)
    data = CANDIDATE.adapters["division"]["adapter_model.safetensors"]
    del world.store.blobs[digest_of(data)]
    with pytest.raises(Missing) as refused:
        world.pull([*world.served, manifest.digest])

    assert refused.value.exit_code == 5
    assert world.shown == before
    world.store.put(data)
    assert world.pull([*world.served, manifest.digest]).release == world.shown.digest


def test_a_blob_that_is_here_already_need_not_be_in_the_store(world: World) -> None:
    """What the host holds is not fetched again, so a damaged copy in the store is no harm to it."""
    world.serve(BASELINE)
    world.damage(BASELINE.tokenizer["tokenizer.json"], flipped)

    assert world.serve(CANDIDATE).release == world.shown.digest


def test_a_bundle_that_would_be_wrong_is_not_shown(world: World) -> None:
    """The pre-flight stands before every switch."""
    world.serve(BASELINE)
    before = world.shown
    with pytest.raises(PreflightRefused):
        world.serve(BASELINE.with_adapter("division", adapter_files(salt="x", wide=4)))

    assert world.shown == before


def test_an_older_copy_of_the_ledger_is_refused(world: World) -> None:
    """Its signatures hold; only the host knows that there was more. A real rollback is more, and passes."""
    world.serve(BASELINE)
    world.serve(CANDIDATE)
    before = world.shown
    with pytest.raises(Replayed) as refused:
        world.pull(world.served[:1])

    assert refused.value.exit_code == 5
    assert world.shown == before
    world.served.append(world.served[0])
    assert world.pull().generation == 3


def test_a_ledger_that_tells_another_past_is_refused(world: World) -> None:
    """As long, even longer, but not the one that was seen."""
    world.serve(BASELINE)
    with pytest.raises(Forked) as refused:
        world.pull([*world.served, *world.served], salt="fork")

    assert refused.value.exit_code == 5


def test_another_ledger_is_refused(world: World) -> None:
    """A host may be bound to a ledger before its first pull, by the digest of its genesis."""
    other = digest_of(b"another genesis")
    with world.host.hold():
        world.host.remember(SeenLedger(genesis=other, index=0, entry=other))
    with pytest.raises(AnotherLedger) as refused:
        world.serve(BASELINE)

    assert refused.value.exit_code == 5
    assert not (world.host.path / "current").exists()


def test_a_host_can_be_bound_by_hand_as_the_page_says(world: World) -> None:
    """The record that docs/bundles.md shows is one that a host reads."""
    page = (Path(__file__).parents[2] / "docs" / "bundles.md").read_text()
    (line,) = (line for line in page.splitlines() if line.startswith('{"entry"'))
    genesis = state_serving([]).genesis
    world.host.path.mkdir()
    (world.host.path / "seen.json").write_text(line.replace("sha256:…", genesis))
    world.serve(BASELINE)
    seen = world.host.seen()

    assert seen is not None
    assert (seen.genesis, seen.index) == (genesis, 1)


def test_what_was_seen_is_kept_before_anything_is_fetched(world: World) -> None:
    """A pull that fails half-way cannot be followed by an older ledger."""
    world.serve(BASELINE)
    manifest = CANDIDATE.keep(world.store)
    world.damage(CANDIDATE.adapters["division"]["adapter_model.safetensors"], flipped)
    with pytest.raises(DigestMismatch):
        world.pull([*world.served, manifest.digest])
    with pytest.raises(Replayed):
        world.pull()


def test_two_pulls_at_once_are_one_too_many(world: World) -> None:
    """The second is told to wait, and changes nothing."""
    with world.host.hold(), pytest.raises(HostBusy) as refused:
        world.serve(BASELINE)

    assert refused.value.exit_code == 6


def test_a_pull_that_had_to_wait_is_no_replay(world: World) -> None:
    """The ledger is read once the host is held, so it can never be older than what another pull has just seen."""
    world.serve(BASELINE)
    manifest = CANDIDATE.keep(world.store).digest

    def read() -> State:
        with pytest.raises(HostBusy):
            world.pull([*world.served, manifest])  # why: the pull that would come between finds the host held.
        return state_serving(world.served)

    assert pull("staging", read=read, store=world.store, host=world.host).generation == 1
    assert world.pull([*world.served, manifest]).generation == 2


FILES = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 3), max_size=3)


def parts_of(chosen: Mapping[str, int]) -> Parts:
    """Adapters by name, each in one of a few versions, so that manifests share some parts and not others."""
    parts = replace(Parts(), input={"prompt.txt": b"%d" % len(chosen)} if chosen else None)
    for name, version in chosen.items():
        parts = parts.with_adapter(name, adapter_files(salt=f"{name} {version}"))
    return parts


@settings(max_examples=25, deadline=None)
@given(FILES, FILES)
def test_there_and_back_again_is_where_it_began(one: dict[str, int], two: dict[str, int]) -> None:
    """Any two models: pull the first, the second, and the first again; the tree is the first tree."""
    path = Path(tempfile.mkdtemp())
    try:
        world = World(path)
        first = world.serve(parts_of(one))
        before = world.shown
        second = world.serve(parts_of(two))
        between = world.shown
        third = world.serve(parts_of(one))

        assert (first.release, second.release, third.release) == (before.digest, between.digest, before.digest)
        assert world.shown == before
        assert third.delivered.files_copied == 0
    finally:
        shutil.rmtree(path)
