"""Disks that are full, for real: a small one is mounted where the verb writes, filled, and emptied again."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.scenes import VERBS, Scene, check, look
from tests.crash.victim import Ended, Victims

SIZE = 3 * 1024 * 1024
DISKS = ("tmpfs", "ext4")
FULLNESS_BYTES = 100_000
"""At level 1 so much is free, which is enough for every verb; at level 0 nothing, and most levels are near that."""

_WRITES_TO = {"pull": "host", "switch": "host", "push": "remote"}


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return None if done.returncode == 0 else "no disk can be mounted here"


WHY_NOT = _why_not()


def run_full(scene: Scene, disk: str, level: float, victims: Victims) -> bool:
    """Run the verb where there is hardly room, check it, with room made for the second run; whether it was refused."""
    where = scene.parent / _WRITES_TO.get(scene.verb, "project/.registry")
    with mounted(where, disk, scene.parent.with_suffix(".img")):
        before = look(scene)
        ballast = where / "lost+found"
        fill(ballast, round(level**2 * FULLNESS_BYTES))
        ended = victims.run(scene.project.root, scene.project.environment, *VERBS[scene.verb])
        _check_refusal(ended)
        (ballast / "ballast").unlink()
        check(scene, before, ended, victims)
    return ended.code != 0


def _check_refusal(ended: Ended) -> None:
    if ended.code:
        assert ended.code == 1, f"code {ended.code}\n{ended.err}"
        assert "no room" in ended.err, ended.err
        assert "free some space" in ended.err, ended.err


@contextmanager
def mounted(where: Path, disk: str, image: Path) -> Iterator[None]:
    """Put a small disk in the place of the directory `where`, with all that is in it."""
    aside = where.with_name(f"{where.name}-aside")
    if where.exists():
        where.rename(aside)
    where.mkdir()
    if disk == "ext4":
        with image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "1024", str(image)], check=True, capture_output=True)
        options = ["-o", "loop", str(image)]
    else:
        options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs"]
    done = subprocess.run(["mount", *options, str(where)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        if aside.exists():
            shutil.copytree(aside, where, symlinks=True, dirs_exist_ok=True)
        (where / "lost+found").mkdir(exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)
        image.unlink(missing_ok=True)


def fill(directory: Path, leave_bytes: int) -> None:
    """Fill the disk with a file in `directory`, but for so many bytes."""
    found = os.statvfs(directory)
    size = max(0, found.f_bavail * found.f_frsize - leave_bytes)
    with (directory / "ballast").open("wb") as file:
        try:
            for _ in range(size // 4096):
                file.write(b"\1" * 4096)
                file.flush()
        except OSError:
            return
