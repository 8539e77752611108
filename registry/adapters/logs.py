"""The files of a log on disk, read and never unpacked."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from registry.core.digest import Digest, digest_of
from registry.core.tree import Entry, tree_of
from registry.errors import UsageError

MOST_BYTES = 4 * 1024**3
_SUFFIXES = (".json", ".jsonl", ".eval")


def read_files(paths: Sequence[Path]) -> dict[str, bytes]:
    """The bytes of each log by its file name: a file, or every log in a directory and below.

    The samples of an lm-eval run lie beside its results, so a results file brings the whole directory's of its date.

    Raises:
        UsageError: There is no such file, two have one name, or they are too large.
    """
    found: dict[str, bytes] = {}
    size = 0
    for file in [file for path in paths for file in _files(path)]:
        if file.name in found:
            raise UsageError(f"two logs are called {file.name}", mend="name the one that counts")
        size += file.stat().st_size
        if size > MOST_BYTES:
            raise UsageError("the log is too large", why=f"more than {MOST_BYTES:,} bytes", mend="import it in parts")
        found[file.name] = file.read_bytes()
    return found


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    elif path.is_file():
        yield path
        if path.name.startswith("results_") and path.suffix == ".json":
            yield from sorted(path.parent.glob(f"samples_*_{path.stem.removeprefix('results_')}.jsonl"))
    else:
        raise UsageError(f"{path} cannot be read", why="there is no such file", mend="name a log or its directory")


def digest_of_files(files: dict[str, bytes]) -> Digest:
    """The digest of all of them together: that of their tree."""
    return tree_of(Entry(path=name, size=len(data), digest=digest_of(data)) for name, data in files.items()).digest
