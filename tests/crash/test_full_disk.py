"""A disk that is full, for real: the command says so, nothing is damaged, and with room it succeeds."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.project import Project, make_project

SIZE = 8 * 1024 * 1024
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root"),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pin takes about 550 kB."""
    parent = tmp_path_factory.mktemp("template")
    make_project(parent, wide=256)
    return parent


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def _project(template: Path, parent: Path, disk: Path) -> Project:
    """A copy of the template whose store and ledger are on `disk`."""
    shutil.copytree(template, parent, symlinks=True)
    place = parent / "project" / ".registry"
    shutil.copytree(place, disk / "registry", dirs_exist_ok=True)
    shutil.rmtree(place)
    place.symlink_to(disk / "registry")
    with (parent / "project" / ".gitignore").open("a") as ignored:
        ignored.write(".registry\n")
    project = Project(parent / "project", place)
    project.commit()
    return project


def _fill(disk: Path, leave: int) -> Path:
    """Fill the disk but for `leave` bytes."""
    found = os.statvfs(disk)
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, found.f_bavail * found.f_frsize - leave))
    return ballast


def _refused_for_room(project: Project, *words: str) -> bool:
    """Run it; whether it was refused, and if so it must say why and what to do."""
    process = project.command(*words)
    out, err = process.communicate(timeout=120)
    if process.returncode == 0:
        return False
    assert process.returncode == 1, out + err
    assert "no room left" in err
    assert "free some space" in err
    assert "Traceback" not in err
    return True


def test_a_pin_that_finds_no_room_can_be_done_again(template: Path, disk: Path, tmp_path: Path) -> None:
    """At every level of filling, from none free to enough."""
    refused = 0
    for number, leave in enumerate((0, 4096, 150_000, 400_000, 560_000, 900_000)):
        project = _project(template, tmp_path / str(number), disk)
        ballast = _fill(disk, leave)
        refused += _refused_for_room(project, "pin", "manifests/one.json")
        assert project.registry.verify().is_clean
        ballast.unlink()

        project.run("pin", "manifests/one.json")
        report = project.registry.verify()
        assert report.is_clean
        assert report.strays == ()
        shutil.rmtree(disk / "registry")

    assert 3 <= refused <= 5


def test_a_promotion_that_finds_no_room_can_be_done_again(template: Path, disk: Path, tmp_path: Path) -> None:
    """No half entry is in the ledger."""
    project = _project(template, tmp_path / "it", disk)
    project.run("pin", "manifests/one.json")
    project.commit()
    ballast = _fill(disk, 0)
    promote = ("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first")
    assert _refused_for_room(project, *promote)
    assert project.registry.verify().is_clean
    ballast.unlink()
    project.run(*promote)

    assert project.registry.verify().is_clean
    assert project.registry.state.serving("dev") is not None


def test_a_pull_that_finds_no_room_can_be_done_again(template: Path, disk: Path, tmp_path: Path) -> None:
    """The host shows nothing, and then the whole."""
    parent = tmp_path / "it"
    shutil.copytree(template, parent, symlinks=True)
    project = Project(parent / "project", parent / "project" / ".registry")
    project.run("pin", "manifests/one.json")
    project.run("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first")
    host = disk / "host"
    for leave in (0, 8192, 100_000, 400_000):
        ballast = _fill(disk, leave)
        assert _refused_for_room(project, "pull", "dev", str(host))
        assert not (host / "current").exists()
        ballast.unlink()
    project.run("pull", "dev", str(host))

    assert (host / "current").is_dir()
    assert project.registry.verify().is_clean
