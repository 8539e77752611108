"""What a stranger is handed, as it is typed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from registry.core.bundle.trust import SeenLedger
from tests.cli.scene import ROOT, Scene


@pytest.fixture
def founded(tmp_path: Path) -> Scene:
    """A registry with one decision: an artefact is known."""
    scene = Scene(tmp_path / "project")
    scene.root.mkdir()
    scene.git("init", "-q", "-b", "main")
    scene.done("key", "new")
    scene.done("init")
    scene.write("models/t/tokenizer.json", "{}")
    scene.done("add", "tokenizer", "t=models/t")
    return scene


def test_a_decision_is_proved_where_there_is_no_project(founded: Scene, tmp_path: Path) -> None:
    """The file alone is enough; the genesis that the reader believes decides."""
    founded.done("prove", "1", "--out", "entry.json")
    (tmp_path / "stranger").mkdir()
    file = (tmp_path / "stranger" / "entry.json").resolve()
    file.write_bytes((founded.root / "entry.json").read_bytes())
    genesis = str(founded.read("status")["genesis"])

    def check(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "registry", "verify-proof", str(file), *words]
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        done = subprocess.run(command, cwd=file.parent, env=environment, capture_output=True, text=True, check=False)

        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    assert (0, True) == ((found := check("--genesis", genesis))[0], "register" in found[1])
    assert {"entry": 1, "genesis": genesis, "size": 2}.items() <= json.loads(check("--json")[1]).items()
    assert (5, "") == check("--genesis", "sha256:" + "0" * 64)
    assert (2, "") == check("--genesis", "x")
    file.write_bytes(file.read_bytes()[:-2] + b"!}")
    assert (5, "") == check()
    file.unlink()
    assert (2, "") == check()


def test_the_ledger_is_checked_alone_and_a_flipped_bit_is_tampering(founded: Scene) -> None:
    """No blob is read, and the entry that was changed is named."""
    (blob,) = list((founded.root / ".registry").rglob("blobs/sha256/*/*"))[:1]
    blob.unlink()

    assert {"entries": 2, "checkpoint": "signed"}.items() <= founded.read("verify", "--ledger").items()
    assert "clean" in founded.done("verify", "--ledger")
    entry = founded.root / ".registry/ledger/00000000000000000001.json"
    data = entry.read_bytes()
    entry.chmod(0o644)
    entry.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    for words in (("verify", "--ledger"), ("verify", "--ledger", "--json")):
        refused = founded.run(*words)

        assert (7, "") == (refused.returncode, refused.stdout)
        assert "ledger entry 1" in refused.stderr


def test_a_checkpoint_is_signed_by_hand_too(founded: Scene) -> None:
    """The signed text is printed; junk that lay there is gone."""
    place = founded.root / ".registry/ledger/checkpoint"
    place.write_bytes(b"junk")
    founded.done("verify", "--ledger", code=7)
    text = founded.done("ledger", "checkpoint")

    assert "2" == text.splitlines()[1]
    assert place.read_text().startswith(text)
    assert 2 == founded.read("ledger", "checkpoint")["size"]
    founded.done("verify", "--ledger")


def test_lost_entries_are_put_back_from_another_copy(founded: Scene, tmp_path: Path) -> None:
    """Who lost them is told so by their own memory; the copy is verified, and everything goes on."""
    shutil.copytree(founded.root / ".registry", tmp_path / "copy")
    (founded.root / ".registry/ledger/00000000000000000001.json").unlink()

    assert "the end of the ledger is gone" in founded.done("status", code=5)
    assert "recovered 1 entries" in founded.done("ledger", "recover", "--from", "../copy")
    assert 0 == founded.read("ledger", "recover", "--from", "../copy")["entries"]
    founded.done("verify", "--ledger")
    founded.done("ledger", "recover", "--from", "nowhere", code=2)
    (tmp_path / "empty").mkdir()
    founded.done("ledger", "recover", "--from", "../empty", code=3)


def test_a_new_host_is_bound_by_what_is_printed(founded: Scene, tmp_path: Path) -> None:
    """The line is a record that a host reads."""
    line = founded.done("ledger", "binding")
    seen = SeenLedger.parse(line.removesuffix("\n").encode())

    assert (1, str(founded.read("status")["genesis"])) == (seen.index, seen.genesis)


def test_a_pushed_copy_has_the_checkpoint_too(founded: Scene, tmp_path: Path) -> None:
    """So that hosts which pull from a mirror know how old it is; an older one never takes a newer one's place."""
    (tmp_path / "mirror").mkdir()
    founded.done("push", "../mirror")
    place, copy = founded.root / ".registry/ledger/checkpoint", tmp_path / "mirror/ledger/checkpoint"

    assert place.read_bytes() == copy.read_bytes()
    place.write_bytes(b"junk")
    founded.done("push", "../mirror")

    assert b"junk" != copy.read_bytes()
    founded.done("fetch", "../mirror")
    assert copy.read_bytes() == place.read_bytes()
