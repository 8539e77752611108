"""Disks that are full, for real: a small one is mounted where the verb writes, filled, and emptied again."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.crash.scenes import Scene, check, look
from tests.crash.victim import Ended, Victims

SIZE, INODES = 3 * 1024 * 1024, 1024
DISKS = ("tmpfs", "ext4")
LACKS = ("bytes", "inodes")

Free = tuple[int, int]
"""What a disk has left: bytes, and inodes."""

_WRITES_TO = {"pull": "host", "switch": "host", "push": "remote", "sign": "out", "bundle": "out"}


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return None if done.returncode == 0 else "no disk can be mounted here"


WHY_NOT = _why_not()


def needs(scene: Scene, disk: str, victims: Victims) -> Free:
    """What the verb takes of a disk at its peak; the scene is used up."""
    with mounted(scene, disk) as where:
        before = _free(where)
        lowest = list(before)
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(0.001):
                lowest[:] = map(min, lowest, _free(where))

        watcher = threading.Thread(target=watch)
        watcher.start()
        ended = scene.run(victims)
        is_over.set()
        watcher.join()
    assert ended.code == 0, ended
    return before[0] - lowest[0], before[1] - lowest[1]


def run_full(scene: Scene, disk: str, leave: Free, victims: Victims) -> bool:
    """Run the verb where so much is free, check it, with room made for the second run; whether it was refused."""
    with mounted(scene, disk) as where:
        before = look(scene)
        ballast = where / "lost+found"
        fill(ballast, leave)
        ended = scene.run(victims)
        _check_refusal(ended)
        shutil.rmtree(ballast)
        check(scene, before, ended, victims)
    return ended.code != 0


def _check_refusal(ended: Ended) -> None:
    if ended.code:
        assert ended.code == 1, f"code {ended.code}\n{ended.err}"
        assert "no room" in ended.err, ended.err
        assert "free some space" in ended.err, ended.err


@contextmanager
def mounted(scene: Scene, disk: str) -> Iterator[Path]:
    """Put a small disk in the place of the directory that the verb of `scene` writes to, with all that is in it."""
    where, image = scene.parent / _WRITES_TO.get(scene.verb, "project/.registry"), scene.parent.with_suffix(".img")
    aside = where.with_name(f"{where.name}-aside")
    if where.exists():
        where.rename(aside)
    where.mkdir()
    if disk == "ext4":
        with image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", str(INODES), str(image)], check=True, capture_output=True)
        options = ["-o", "loop", str(image)]
    else:
        options = ["-t", "tmpfs", "-o", f"size={SIZE},nr_inodes={INODES}", "tmpfs"]
    done = subprocess.run(["mount", *options, str(where)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    try:
        if aside.exists():
            shutil.copytree(aside, where, symlinks=True, dirs_exist_ok=True)
        (where / "lost+found").mkdir(exist_ok=True)
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)
        image.unlink(missing_ok=True)


def _free(where: Path) -> Free:
    found = os.statvfs(where)
    return found.f_bavail * found.f_frsize, found.f_favail


def fill(directory: Path, leave: Free) -> None:
    """Fill the disk with files in `directory`, until no more than so much is free."""
    block = os.statvfs(directory).f_frsize
    number = 0
    with suppress(OSError), (directory / "ballast").open("wb", buffering=0) as file:
        while _free(directory)[1] > leave[1]:
            number += 1
            (directory / f"{number}").touch()
        while _free(directory)[0] > leave[0]:
            file.write(b"\1" * block)
