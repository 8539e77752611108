"""Nothing but `registry.adapters.durable` writes to disk in the adapters, and nothing at all in core and verbs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "registry"
ROOMS = ("adapters", "core", "verbs")
MAY_WRITE = {
    "adapters/durable": "it is the one that does",
    "adapters/engines": "trainers and engines write models by their libraries, into places that nothing relies on",
}
KNOWN = {
    ("adapters/hosts/delivery.py", "os.link"): "a second name in staging, which nobody reads before `durable.settle`",
    ("adapters/hosts/ground.py", "os.open"): "the marker and lock of a host, which holds no bytes",
    ("adapters/hosts/directory.py", "link.symlink_to"): "made in staging, and shown by `durable.move`",
    ("adapters/hosts/filling.py", "os.utime"): "the time of a file in staging",
    ("adapters/hosts/modes.py", "os.fchmod"): "a mode put right through the open file, and synced",
    ("adapters/mirrors/tags.py", "lock.write_bytes"): "a scratch file that git reads at once",
    ("adapters/keys.py", "os.fdopen"): "a new key, fsynced; a crash in between leaves a file that `key new` refuses",
    ("adapters/sandbox.py", "output.open"): "what a program printed; it is read once and thrown away",
}
"""Writes elsewhere that are harmless, and why. A new one must earn its line here."""

CALLS = {
    *("os.rename", "os.replace", "os.link", "os.symlink", "os.truncate", "os.write", "os.mkdir", "os.makedirs"),
    *("os.chmod", "os.fchmod", "os.utime", "shutil.move", "shutil.copy", "shutil.copy2", "shutil.copyfile"),
    *("shutil.copytree", "shutil.copyfileobj", "shutil.rmtree", "tempfile.NamedTemporaryFile", "tempfile.mkstemp"),
}
METHODS = {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to"}
WRITING = set("wax+")


def writes_in(source: str) -> Iterator[str]:
    """Each call in `source` that writes to disk, as `line: call`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := _writes(node)):
            yield f"{node.lineno}: {name}"
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            yield from (f"{node.lineno}: {found}" for a in node.names if (found := f"{node.module}.{a.name}") in CALLS)


def _writes(call: ast.Call) -> str | None:
    """The spelling of a call that writes, or None."""
    spelled = ast.unparse(call.func)
    last = spelled.rsplit(".", 1)[-1]
    if spelled in CALLS or (last in METHODS and "." in spelled):
        return spelled
    if last in ("open", "fdopen", "FileIO") and spelled != "os.open":
        return spelled if any(_is_for_writing(word) for word in _words(call, "." in spelled)) else None
    if spelled == "os.open":
        flags = ast.unparse(call)
        return spelled if any(flag in flags for flag in ("O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND")) else None
    return None


def _words(call: ast.Call, is_method: bool) -> Iterator[str]:
    """The mode of an opening, if it is written out: `open(file, mode)` and `path.open(mode)` have it elsewhere."""
    for value in (*call.args[0 if is_method else 1 : 2], *(word.value for word in call.keywords if word.arg == "mode")):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.value


def _is_for_writing(word: str) -> bool:
    return len(word) <= 3 and bool(WRITING & set(word)) and set(word) <= WRITING | set("rbt")


def _modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py"))


def test_only_the_durable_room_writes() -> None:
    """A write past it would not survive a power cut, or would be seen half done."""
    found = []
    for path in _modules():
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(tuple(MAY_WRITE)):
            writes = writes_in(path.read_text("utf-8"))
            found += [f"registry/{name}:{write}" for write in writes if (name, write.split()[1]) not in KNOWN]

    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        *("open('x', 'w')", "open('x', mode='ab')", "path.open('r+b')", "os.fdopen(fd, 'wb')", "io.FileIO(fd, 'x')"),
        *("path.write_text('x')", "path.write_bytes(b'x')", "os.rename(a, b)", "shutil.move(a, b)", "path.touch()"),
        *("os.open(p, os.O_CREAT | os.O_EXCL)", "os.open(p, flags=os.O_RDWR)", "from os import rename"),
    ],
)
def test_the_lint_finds(line: str) -> None:
    """Each way to write that Python offers."""
    assert list(writes_in(line))


READERS = ("open('wax')", "path.open()", "open(fd, 'rb')", "os.open(p, os.O_RDONLY)", "store.open(digest)")


@pytest.mark.parametrize("line", READERS)
def test_the_lint_leaves_readers_alone(line: str) -> None:
    """Reading is free."""
    assert not list(writes_in(line))
