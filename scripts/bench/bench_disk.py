"""A disk that can share blocks between files, made in a file and mounted for as long as it is needed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAKERS = {"mkfs.xfs": ("-q",), "mkfs.btrfs": ("-q",)}
SPARE_BYTES = 1_000_000_000


@contextmanager
def sharing_disk(room: Path, size: int) -> Iterator[tuple[Path | None, str]]:
    """A mounted disk with room for two models of `size` bytes, and its kind; None, and why, where there can be none."""
    maker = next((name for name in MAKERS if shutil.which(name)), None)
    if maker is None or os.geteuid() != 0:
        yield None, "it takes root, and mkfs.xfs or mkfs.btrfs"
        return
    image, place = room / "disk.image", room / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(2 * size + SPARE_BYTES)
    subprocess.run([maker, *MAKERS[maker], str(image)], check=True, capture_output=True)
    # why direct: else each byte would be in memory twice, and less of the model once.
    made = ["losetup", "--find", "--show", "--direct-io=on", str(image)]
    device = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run(["mount", device, str(place)], capture_output=True, text=True, check=False)
    try:
        if done.returncode == 0:
            yield place, maker.removeprefix("mkfs.")
        else:
            yield None, f"no disk can be mounted here: {done.stderr.strip()}"
    finally:
        subprocess.run(["umount", str(place)], capture_output=True, check=False)
        subprocess.run(["losetup", "--detach", device], check=False)
        image.unlink()
