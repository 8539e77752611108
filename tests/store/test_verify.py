"""Verify finds every kind of damage, names it and whom it harms, and is not fooled by what was seen before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.memory import MemoryStore
from registry.cli.verify import show_report
from registry.core.digest import Digest, digest_of, short
from registry.core.health import Report
from registry.core.ledger.entry import Promote, Register
from registry.core.manifest import Manifest
from registry.core.store import place_of
from registry.core.tree import Tree
from registry.errors import RegistryError
from registry.ports import Store
from registry.testing.models import Parts
from registry.verbs.verify import glance, verify
from tests.ledger.desk import Desk


@dataclass(slots=True)
class House:
    """Two models that share a base, both registered; the first is promoted, by a verdict that nobody can read."""

    store: Store = field(default_factory=MemoryStore)
    desk: Desk = field(default_factory=Desk)
    models: list[Manifest] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("math", "safety"):
            manifest = Parts(name=name).with_adapter(name).keep(self.store)
            self.models.append(manifest)
            self.desk.write(Register(**self.desk.common(), model=name, manifest=manifest.digest, pins=manifest.pins))

    def verify(self) -> Report:
        """Read everything."""
        return verify(store=self.store, ledger=self.desk.ledger, genesis=self.desk.genesis)

    def glance(self) -> Report:
        """Look at everything."""
        return glance(store=self.store, ledger=self.desk.ledger, genesis=self.desk.genesis)

    def name(self, number: int) -> str:
        """What the report calls a model."""
        return f"{self.models[number].name}@{short(self.models[number].digest)}"

    def file_of(self, tree: Digest, path: str) -> Digest:
        """The digest of one file."""
        entries = Tree.parse(self.store.get(tree)).entries
        return next(entry.digest for entry in entries if entry.path == path)


@pytest.fixture
def house() -> House:
    return House()


def _spoil(house: House, digest: Digest, data: bytes | None) -> None:
    assert isinstance(house.store, MemoryStore)
    if data is None:
        del house.store.blobs[digest]
    else:
        house.store.blobs[digest] = data


def test_a_whole_store_is_clean(house: House) -> None:
    """Everything is needed, nothing is wrong; what nobody needs is told and harms nobody."""
    report = house.verify()

    assert report.is_clean
    assert report.blobs == len(list(house.store.digests()))
    assert report.entries == 3
    spare = house.store.put(b"left by a pin that was interrupted")
    assert set(house.verify().spare) == {*report.spare, spare}
    assert house.verify().is_clean
    assert house.glance().is_clean


def test_a_ledger_that_is_gone_is_told_in_words(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing at all, or nothing that can be believed: there is no entry -1 to speak of."""
    for genesis, ledger in ((house.desk.genesis, MemoryLedger()), (digest_of(b"another"), house.desk.ledger)):
        report = verify(store=house.store, ledger=ledger, genesis=genesis)
        show_report(report)
        said = capsys.readouterr().out

        assert (report.is_clean, report.entries) == (False, 0)
        assert "ledger broken before its first entry" in said
        assert "-1" not in said
    assert report.breach


def test_a_damaged_shared_file_harms_both_models(house: House) -> None:
    """The file and the models are named; the other files are not."""
    weights = house.file_of(house.models[0].llm_sha.digest, "config.json")
    bad = b"!" + house.store.get(weights)[1:]
    _spoil(house, weights, bad)
    (fault,) = house.verify().faults

    assert fault.kind == "damaged"
    assert fault.what == ("config.json of llm base",)
    assert fault.harms == (house.name(0), house.name(1))
    assert str(digest_of(bad)) in fault.why
    assert house.glance().is_clean  # why: same size; only reading finds it


def test_a_file_of_one_model_harms_that_model_only(house: House) -> None:
    """A missing adapter is told with its model; also without reading."""
    adapter = house.file_of(house.models[1].adapters[0].digest, "adapter_model.safetensors")
    _spoil(house, adapter, None)
    for report in (house.verify(), house.glance()):
        (fault,) = report.faults

        assert (fault.kind, fault.harms) == ("missing", (house.name(1),))
        assert fault.what == ("adapter_model.safetensors of adapter safety",)


def test_a_cut_file_is_found_by_looking(house: House) -> None:
    """Its size gives it away."""
    weights = house.file_of(house.models[0].llm_sha.digest, "config.json")
    _spoil(house, weights, house.store.get(weights)[:-1])

    assert [fault.kind for fault in house.glance().faults] == ["damaged"]


@pytest.mark.parametrize("part", [lambda m: m.digest, lambda m: m.adapters[0].digest, lambda m: m.repo_sha.digest])
@pytest.mark.parametrize("data", [None, b"", b"{}", b"\xff" * 40])
def test_damaged_records_and_trees_are_told(
    house: House, part: Callable[[Manifest], Digest], data: bytes | None
) -> None:
    """What cannot be followed is told, and the walk goes on elsewhere."""
    digest = part(house.models[0])
    _spoil(house, digest, data)
    report = house.verify()

    assert not report.is_clean
    assert [fault.digest for fault in report.faults] == [digest]
    assert house.name(0) in report.faults[0].harms
    assert bool(house.glance().faults) or digest == house.models[0].repo_sha.digest


def test_a_damaged_blob_that_nobody_needs_is_told(house: House) -> None:
    """Putting it again would heal it, so it is better known; nobody is harmed."""
    spare = house.store.put(b"spare")
    _spoil(house, spare, b"spore")
    (fault,) = house.verify().faults

    assert (fault.digest, fault.harms, fault.what) == (spare, (), ())


def test_a_missing_verdict_is_told(house: House) -> None:
    """A promotion that cannot be explained is a fault of the store."""
    promotion = house.desk.on("staging", 0) | {"manifest": house.models[0].digest}
    rest = {"generation": 1, "verdict": digest_of(b"lost"), "answer": "GO", "basis": "gate"}
    house.desk.write(Promote(**promotion, **rest))  # type: ignore[arg-type] # loose on purpose
    (fault,) = house.verify().faults

    assert (fault.kind, fault.what, fault.harms) == ("missing", ("the verdict of entry 3",), (house.name(0),))


def test_a_broken_ledger_is_told_and_the_rest_is_checked_all_the_same(house: House) -> None:
    """The entries before the breach still say what is needed."""
    entries = house.desk.entries
    weights = house.file_of(house.models[0].llm_sha.digest, "config.json")
    _spoil(house, weights, b"")

    tampered = MemoryLedger([entries[0], entries[1], entries[2][:-2] + b"!}"])
    report = verify(store=house.store, ledger=tampered, genesis=house.desk.genesis)

    assert report.breach is not None
    assert "entry 2" in report.breach
    assert report.entries == 2
    assert [fault.harms for fault in report.faults] == [(house.name(0),)]


def test_the_entries_before_one_that_is_no_entry_still_say_what_is_needed(house: House, tmp_path: Path) -> None:
    """A directory is read whole, or as far as it goes; what the last entry alone needs is then needed by nothing."""
    model = house.models[1]
    house.desk.write(Register(**house.desk.common(), model="later", manifest=model.digest, pins=model.pins))
    ledger = DirectoryLedger(tmp_path / "ledger")
    for index, data in enumerate(house.desk.entries):
        ledger.put_if_absent(index, data)
    (tmp_path / "ledger" / f"{2:020d}.json").unlink()
    _spoil(house, house.file_of(house.models[0].llm_sha.digest, "config.json"), b"")
    report = verify(store=house.store, ledger=ledger, genesis=house.desk.genesis)

    assert "entry 2 is missing" in str(report.breach)
    assert ("tampering", 2) == (report.health, report.entries)
    assert [(house.name(0),)] == [fault.harms for fault in report.faults]


@dataclass(slots=True)
class Refusing(MemoryLedger):
    """A ledger of which the system will not read one entry."""

    victim: int = 1

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        if start <= self.victim and (stop is None or self.victim < stop):
            raise RegistryError("ledger entry 1 cannot be read", why="Input/output error")
        return MemoryLedger.read(self, start, stop)


def test_a_ledger_that_the_system_will_not_read_was_not_tampered_with(house: House) -> None:
    """Nobody knows what it says: that is neither a break nor a clean bill, and damage is told as far as it is known."""
    ledger = Refusing(list(house.desk.entries))
    report = verify(store=house.store, ledger=ledger, genesis=house.desk.genesis)

    assert ("could-not-check", None, 1) == (report.health, report.breach, report.entries)
    assert "Input/output error" in str(report.unread)


def test_another_ledger_is_told(house: House) -> None:
    """The pinned genesis decides whose ledger it is; then every sound blob is spare."""
    report = verify(store=house.store, ledger=house.desk.ledger, genesis=digest_of(b"another"))

    assert report.breach is not None
    assert report.faults == ()
    assert len(report.spare) == report.blobs


def test_the_cache_of_a_directory_store_is_never_asked(tmp_path: Path) -> None:
    """Bytes that rot without a trace in the inode are found: the file is written behind the system's back."""
    house = House(store=DirectoryStore(tmp_path))
    assert house.verify().is_clean
    digest = house.file_of(house.models[0].llm_sha.digest, "config.json")
    path = tmp_path / place_of(digest)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(b"!")

    assert [fault.digest for fault in house.verify().faults] == [digest]
    house.store.put(b"{}")
    Parts(name="math").with_adapter("math").keep(house.store)
    assert house.verify().is_clean
