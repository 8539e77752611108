"""Files and directories as a source: what is read, and everything that is refused."""

import os
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.adapters.sources.path import PathFile, find_path
from registry.adapters.stores.memory import MemoryStore
from registry.core.reference import NothingThere
from registry.core.tree import Tree, UnsafeName
from registry.errors import ConflictError, UsageError


def tree_at(root: Path, location: str) -> Tree:
    """Read a location whole."""
    found = find_path(root, location)
    tree = MemoryStore().put_files(found.files)
    found.confirm(tree)
    return tree


def paths(root: Path, location: str) -> list[str]:
    """The names that a location has."""
    return [entry.path for entry in tree_at(root, location).entries]


def fill(root: Path, *names: str) -> Path:
    """Make files of these names."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return root


def test_a_directory_is_its_files_by_relative_path(tmp_path: Path) -> None:
    """Sorted; empty directories leave no trace."""
    fill(tmp_path / "m", "b.txt", "a/c.txt", "a/b/d.txt", "a.txt")
    (tmp_path / "m" / "empty").mkdir()

    assert paths(tmp_path, "m") == ["a.txt", "a/b/d.txt", "a/c.txt", "b.txt"]


UNREADABLE = """
import sys
from pathlib import Path
from registry.adapters.sources.path import find_path
from registry.adapters.stores.memory import MemoryStore
from registry.errors import RegistryError
try:
    MemoryStore().put_files(find_path(Path(sys.argv[1]), sys.argv[2]).files)
except RegistryError as error:
    print(type(error).__name__, error.exit_code, error.what, error.why, error.mend, sep="|")
"""


@pytest.mark.parametrize(
    ("locked", "mode", "location"),
    [
        ("m", 0, "m"),
        ("m/a", 0, "m"),
        ("m/a", 0o444, "m"),
        ("m/a/b", 0, "m"),
        ("m/a/b/c.txt", 0, "m"),
        ("m/a/b/c.txt", 0, "m/a/b/c.txt"),
        ("m/a", 0, "m/a/b/c.txt"),
    ],
)
def test_what_may_not_be_read_is_told_with_the_mend(tmp_path: Path, locked: str, mode: int, location: str) -> None:
    """Rights are missing: neither a slip in the config nor a change while it was read."""
    fill(tmp_path, "m/a/b/c.txt", "m/d.txt")
    (tmp_path / locked).chmod(mode)
    rootless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*rootless, sys.executable, "-c", UNREADABLE, str(tmp_path), location]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (tmp_path / locked).chmod(0o755)

    kind, code, what, why, mend = done.stdout.strip().split("|") if done.stdout else done.stderr.splitlines()[-5:]
    assert ("Unreadable", "1", "Permission denied") == (kind, code, why)
    assert "cannot be read" in what
    assert "chmod -R u+rX " in mend


def test_one_file_is_a_tree_of_one(tmp_path: Path) -> None:
    """Called by its own name, not by the way to it."""
    fill(tmp_path, "a/b/search_v3.json")

    assert paths(tmp_path, "a/b/search_v3.json") == ["search_v3.json"]


def test_where_a_tree_lies_is_no_part_of_it(tmp_path: Path) -> None:
    """The same files elsewhere, reached by an absolute path, have the same digest."""
    fill(tmp_path / "here" / "m", "x", "y/z")
    fill(tmp_path / "there" / "n", "x", "y/z")

    assert tree_at(tmp_path / "here", "m").digest == tree_at(tmp_path / "here", str(tmp_path / "there" / "n")).digest
    assert tree_at(tmp_path / "here", "m").digest == tree_at(tmp_path / "here", "../there/./n/").digest


@pytest.mark.parametrize("location", ["nothing", "empty", "a.txt/b", "../nothing"])
def test_a_place_without_files_is_refused(tmp_path: Path, location: str) -> None:
    """An empty artefact is a mistake; the exit code is 2."""
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    fill(tmp_path, "a.txt")

    with pytest.raises(UsageError) as caught:
        find_path(tmp_path, location)
    assert caught.value.exit_code == 2


def symlink_to_file(m: Path) -> None:
    """A link to a file of the same directory."""
    (m / "link").symlink_to("real")


def symlink_out(m: Path) -> None:
    """A link to a file elsewhere."""
    (m / "link").symlink_to("/etc/hostname")


def symlink_to_directory(m: Path) -> None:
    """A link to a directory."""
    (m / "inner").mkdir()
    fill(m / "inner", "x")
    (m / "link").symlink_to("inner")


def dangling_symlink(m: Path) -> None:
    """A link to nothing."""
    (m / "link").symlink_to("nowhere")


def fifo(m: Path) -> None:
    """A pipe, on which a reader would wait for ever."""
    os.mkfifo(m / "pipe")


def unix_socket(m: Path) -> None:
    """A socket."""
    here = Path.cwd()
    os.chdir(m)  # why: the name of a socket is at most 108 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")
    finally:
        os.chdir(here)


def nested_git(m: Path) -> None:
    """A clone's history."""
    fill(m, ".git/config")


def colliding_case(m: Path) -> None:
    """Two names that are one on other systems."""
    fill(m, "Model.json", "model.json")


def colliding_directory(m: Path) -> None:
    """A directory and a file that are one on other systems."""
    fill(m, "Layer/x", "layer")


def decomposed_accent(m: Path) -> None:
    """A name that other systems would spell otherwise."""
    fill(m, unicodedata.normalize("NFD", "modèle"))


def not_utf8(m: Path) -> None:
    """A name that is no text."""
    Path(os.fsdecode(os.fsencode(m) + b"/\xff\xfe")).write_text("x")


def backslash(m: Path) -> None:
    """Another system's separator."""
    fill(m, "..\\evil")


def control_character(m: Path) -> None:
    """A name that would forge a line of output."""
    fill(m, "a\nb")


def device_name(m: Path) -> None:
    """A device on Windows."""
    fill(m, "nul.json")


def trailing_dot(m: Path) -> None:
    """A name that Windows would cut."""
    fill(m, "a.")


def too_deep(m: Path) -> None:
    """More directories than a tree has."""
    fill(m, "/".join("d" * 70) + "/x")


HOSTILE: list[Callable[[Path], None]] = [
    symlink_to_file,
    symlink_out,
    symlink_to_directory,
    dangling_symlink,
    fifo,
    unix_socket,
    nested_git,
    colliding_case,
    colliding_directory,
    decomposed_accent,
    not_utf8,
    backslash,
    control_character,
    device_name,
    trailing_dot,
    too_deep,
]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: str(make.__name__))
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """And so is a name that means something else somewhere; nothing is read."""
    make(fill(tmp_path / "m", "real"))

    with pytest.raises(UnsafeName) as caught:
        find_path(tmp_path, "m")
    assert caught.value.exit_code == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused(tmp_path: Path) -> None:
    """Reading it might never end."""
    fill(tmp_path / "m", "real")
    try:
        os.mknod(tmp_path / "m" / "zero", 0o020600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container makes no devices")

    with pytest.raises(UnsafeName, match="a device"):
        find_path(tmp_path, "m")


@pytest.mark.parametrize("location", ["link/x", "link", "m/link", "m/link/x", "file"])
def test_a_symlink_on_the_way_is_not_followed(tmp_path: Path, location: str) -> None:
    """Neither in the middle of a location nor at its end."""
    fill(tmp_path / "m", "x")
    (tmp_path / "link").symlink_to("m")
    (tmp_path / "m" / "link").symlink_to(".")
    (tmp_path / "file").symlink_to("m/x")

    with pytest.raises(UnsafeName):
        find_path(tmp_path, location)


def test_the_root_itself_may_be_reached_through_a_symlink(tmp_path: Path) -> None:
    """Where somebody keeps a project is theirs to say."""
    fill(tmp_path / "real" / "m", "x")
    (tmp_path / "project").symlink_to("real")

    assert paths(tmp_path / "project", "m") == ["x"]


def swap_for_symlink(file: Path) -> None:
    """Another file by way of a link."""
    file.unlink()
    file.symlink_to("/etc/hostname")


def swap_for_fifo(file: Path) -> None:
    """A pipe."""
    file.unlink()
    os.mkfifo(file)


def swap_for_another(file: Path) -> None:
    """Another file of the same size."""
    file.unlink()
    file.write_text("y")


def remove(file: Path) -> None:
    """Nothing."""
    file.unlink()


def append(file: Path) -> None:
    """More bytes."""
    with file.open("a") as content:
        content.write("more")


@pytest.mark.parametrize("change", [swap_for_symlink, swap_for_fifo, swap_for_another, remove, append])
def test_a_file_that_changes_after_it_was_seen_is_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """What takes its place is never read; exit code 6, because trying again may help."""
    fill(tmp_path / "m", "x")
    (file,) = find_path(tmp_path, "m").files
    change(tmp_path / "m" / "x")

    with pytest.raises(ConflictError) as caught:
        file.open()
    assert caught.value.exit_code == 6


def test_a_directory_that_becomes_a_symlink_is_refused(tmp_path: Path) -> None:
    """A step of the way is no safer than its end."""
    fill(tmp_path / "m" / "d", "x")
    (file,) = find_path(tmp_path, "m").files
    (tmp_path / "m" / "d").rename(tmp_path / "m" / "e")
    (tmp_path / "m" / "d").symlink_to("e")

    with pytest.raises(ConflictError):
        file.open()


def test_a_file_written_to_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Half of one version and half of another is no version."""
    fill(tmp_path / "m", "x")
    found = find_path(tmp_path, "m")
    tree = MemoryStore().put_files(found.files)
    append(tmp_path / "m" / "x")

    with pytest.raises(ConflictError, match="while it was read"):
        found.confirm(tree)


def test_a_name_with_nul_is_no_location(tmp_path: Path) -> None:
    """The system would cut it."""
    with pytest.raises(UnsafeName):
        find_path(tmp_path, "a\0b")


def test_nothing_there_is_its_own_kind_of_fault(tmp_path: Path) -> None:
    """So that a suite that is merely absent can be told from one that cannot be read."""
    with pytest.raises(NothingThere):
        find_path(tmp_path, "manifests/heldout")
    assert isinstance(find_path(fill(tmp_path, "x"), "x").files[0], PathFile)
