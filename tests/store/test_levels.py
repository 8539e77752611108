"""How deep verify looks, what it says of what it did not look at, and the exit code of each kind of finding."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.cli.verify import EXITS, MENDS
from registry.core.digest import Digest, digest_of
from registry.core.health import WORST
from registry.core.sample import parse_sample
from registry.core.store import place_of
from registry.core.tree import Tree
from registry.errors import UsageError
from registry.verbs.verify import glance, verify
from tests.cli.scene import Scene
from tests.remote.service import KEYS, free_port
from tests.store.test_verify import House

DIGESTS = st.binary().map(digest_of)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(store=DirectoryStore(tmp_path / "store"))


def _place(house: House, digest: Digest) -> Path:
    assert isinstance(house.store, DirectoryStore)
    return house.store.root / place_of(digest)


def _weights(house: House) -> Digest:
    return house.file_of(house.models[0].llm_sha.digest, "config.json")


@given(DIGESTS, st.integers(1, 40))
def test_the_parts_of_a_sample_are_everything_once(digest: Digest, parts: int) -> None:
    """Each blob is read in exactly one of t runs, the same one each time."""
    found = [number for number in range(1, parts + 1) if parse_sample(f"{number}/{parts}").has(digest)]

    assert len(found) == 1
    assert parse_sample("100%").has(digest)
    assert parse_sample("1/1").has(digest)


def test_a_percentage_is_about_that_many() -> None:
    """A quarter of many digests, give or take; and the smaller sample lies in the larger."""
    quarter, half = parse_sample("25%"), parse_sample("50.0%")
    digests = [digest_of(b"%d" % number) for number in range(1000)]

    assert 200 < sum(quarter.has(digest) for digest in digests) < 300
    assert all(half.has(digest) for digest in digests if quarter.has(digest))


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "0%", "101%", "5", "x%", "1e2%", "1 / 2"])
def test_what_is_no_part_is_refused(text: str) -> None:
    """With an example of what is."""
    with pytest.raises(UsageError, match="2/7"):
        parse_sample(text)


def test_a_sample_hashes_its_part_and_says_what_it_left_out(house: House) -> None:
    """Damage that keeps the size is found by the one part that has it, and by no other; each looks at all sizes."""
    weights = _weights(house)
    _place(house, weights).chmod(0o644)
    _place(house, weights).write_bytes(b"!" + house.store.get(weights)[1:])
    _place(house, weights).chmod(0o444)
    reports = [
        verify(store=house.store, ledger=house.desk.ledger, genesis=house.desk.genesis, sample=parse_sample(f"{n}/5"))
        for n in range(1, 6)
    ]

    assert [[fault.digest for fault in report.faults] for report in reports].count([weights]) == 1
    assert all(report.unchecked for report in reports)
    assert {"subset"} == {report.level for report in reports}
    records = reports[0].blobs + reports[0].unchecked
    assert all(report.blobs + report.unchecked + len(report.faults) in (records, records + 1) for report in reports)


def test_looking_says_that_nothing_was_read(house: House) -> None:
    """A quick look that finds nothing is no promise about the bytes, and counts them."""
    report = house.glance()

    assert report.is_clean
    assert report.unchecked > 0
    assert 0 == house.verify().unchecked


def test_a_blob_that_can_be_written_to_is_found_by_looking(house: House) -> None:
    """It is whole, so nothing is lost; one command puts it right."""
    assert isinstance(house.store, DirectoryStore)
    weights = _weights(house)
    _place(house, weights).chmod(0o664)
    doors = {"store": house.store, "ledger": house.desk.ledger, "genesis": house.desk.genesis}
    for check in (glance, verify):
        report = check(**doors, premises=house.store.premises())  # type: ignore[arg-type] # doors by name

        assert [("exposed", weights)] == [(fault.kind, fault.digest) for fault in report.faults]
        assert "repairable" == report.health
    house.store.seal([weights])
    assert glance(**doors, premises=house.store.premises()).is_clean  # type: ignore[arg-type] # doors by name


@dataclass(frozen=True)
class Flickers:
    """A store whose first reading of one blob is wrong, as with a bad memory cell on the way."""

    store: DirectoryStore
    victim: Digest
    asked: list[Digest] = field(default_factory=list)

    def open(self, digest: Digest) -> BinaryIO:
        data = self._read(digest)
        return io.BytesIO(data)

    def get(self, digest: Digest) -> bytes:
        from registry.core.digest import check

        return check(self._read(digest), digest)

    def put(self, data: bytes) -> Digest:
        raise NotImplementedError

    def put_files(self, files: object) -> Tree:
        raise NotImplementedError

    def digests(self) -> Iterator[Digest]:
        return self.store.digests()

    def _read(self, digest: Digest) -> bytes:
        self.asked.append(digest)
        data = self.store.get(digest)
        return data[:-1] + b"?" if digest == self.victim and self.asked.count(digest) == 1 else data


@pytest.mark.parametrize("part", ["file", "record"])
def test_what_passes_on_the_second_attempt_is_the_machines_fault(house: House, part: str) -> None:
    """It is told as a suspicion and the store is not called clean; nothing is called damaged."""
    assert isinstance(house.store, DirectoryStore)
    victim = _weights(house) if part == "file" else house.models[0].llm_sha.digest
    flickers = Flickers(house.store, victim)
    (fault,) = verify(store=flickers, ledger=house.desk.ledger, genesis=house.desk.genesis).faults

    assert ("unsteady", "could-not-check") == (fault.kind, fault.health)
    assert fault.harms


def test_an_unreadable_blob_is_neither_whole_nor_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk says no; that is another kind of answer than missing or damaged."""
    assert isinstance(house.store, DirectoryStore)
    victim, real = _place(house, _weights(house)), os.open

    def refusing(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(path) == str(victim):
            raise OSError(5, "Input/output error")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)
    report = house.verify()

    assert ["unreadable"] == [fault.kind for fault in report.faults]
    assert "could-not-check" == report.health


def test_the_worst_finding_names_the_whole(house: House) -> None:
    """A broken ledger outweighs a lost blob, and that one whatever can be put right."""
    _place(house, _weights(house)).unlink()
    assert "data-loss" == house.verify().health
    report = verify(store=house.store, ledger=MemoryLedger(), genesis=house.desk.genesis)

    assert "tampering" == report.health


def test_every_finding_has_a_code_and_a_mend_of_its_own() -> None:
    """Five words, five codes; 1 and 2 are everybody's failures, 6 and 130 mean something else."""
    assert set(WORST) == set(EXITS)
    assert len(EXITS) == len(set(EXITS.values()))
    assert not {1, 2, 6, 130} & set(EXITS.values())
    assert set(WORST) - {"clean"} == set(MENDS)


@pytest.mark.slow
def test_the_levels_as_they_are_typed(pinned: Scene) -> None:
    """Codes, words on stdout, and the same in JSON."""
    assert "clean" == pinned.done("verify", "--read-data").splitlines()[-1]
    assert "UNCHECKED" in pinned.done("verify", "--quick")
    assert "no fault found in what was checked" in pinned.done("verify", "--read-data-subset", "1/3")
    assert "clean" == pinned.read("verify")["health"]
    pinned.done("push", "../copy")
    assert "clean" in pinned.done("verify", "--remote", "../copy")
    for words in (["--quick", "--read-data"], ["--read-data-subset", "3/2"], ["--read-data-subset", ""]):
        pinned.done("verify", *words, code=2)
    for place in ("../nothing", "registry.toml"):
        assert "name a directory" in pinned.done("verify", "--remote", f"./{place}", code=2)
    nobody = f"s3://models?endpoint=http://127.0.0.1:{free_port()}"
    for words in ([], ["--quick"]):
        assert "Connection refused" in pinned.done("verify", "--remote", nobody, *words, code=4, **KEYS)
    weights = (pinned.root / "models/division/adapter_model.safetensors").read_bytes()
    blob = pinned.root / ".registry" / place_of(digest_of(weights))
    blob.chmod(0o644)
    assert "registry repair" in pinned.done("verify", "--quick", code=3)
    blob.write_bytes(b"x")
    there = pinned.root.parent / "copy" / place_of(digest_of(weights))
    there.unlink()
    assert "registry push ../copy" in pinned.done("verify", "--remote", "../copy", "--quick", code=5)
    found = pinned.read("verify", "--quick", code=5)
    assert ("data-loss", "quick") == (found["health"], found["level"])
    entry = pinned.root / ".registry/ledger/00000000000000000001.json"
    entry.chmod(0o644)
    entry.write_bytes(entry.read_bytes().replace(b"payload", b"qayload"))
    assert "tampering" in pinned.done("verify", code=7)
