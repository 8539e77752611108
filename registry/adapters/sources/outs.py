"""DVC's outputs as files: what the lock promises of each byte, and the comparison while the bytes are read."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from registry.adapters.sources.observed import Observed, md5
from registry.adapters.sources.path import PathFile, check_unchanged
from registry.adapters.sources.twins import Twins
from registry.core.digest import Digest, DigestMismatch
from registry.core.pin import Source
from registry.core.tree import Tree
from registry.errors import UsageError
from registry.ports import Found


@dataclass(frozen=True, slots=True)
class Out:
    """One output of a stage, as the lock has it. `md5` ends in `.dir` for a directory; None before a first run."""

    path: Path
    md5: str | None
    stage: str
    lock: Path


def directory_md5(files: Mapping[str, str]) -> str:
    """What DVC calls a directory, of each file's relative path and md5.

    Source: dvc_data.hashfile.tree.Tree.as_bytes of dvc-data 3.18.
    """
    listed = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    return _md5_of(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def listed_in(out: Out, listing: Path) -> dict[Path, str] | None:
    """The md5 of each file of an out; None for a directory whose listing is not at `listing`, or is another's."""
    assert out.md5 is not None
    if not out.md5.endswith(".dir"):
        return {out.path: out.md5}
    try:
        data = listing.read_bytes()
    except OSError:
        return None
    if _md5_of(data) + ".dir" != out.md5:
        return None
    return {out.path / PurePosixPath(entry["relpath"]): entry["md5"] for entry in json.loads(data)}


def spoken(path: Path, root: Path) -> str:
    """A path as people write it: from the workspace's root, if it is in there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def differs(what: str, why: str = "its bytes changed after `dvc repro`") -> DigestMismatch:
    """The complaint that bytes are not the lock's."""
    return DigestMismatch(
        f"{what} is not what dvc.lock says", why=why, mend="run `dvc checkout --force` or `dvc repro`"
    )


@dataclass(frozen=True)
class Promise:
    """What the lock says of the files at `place`.

    `outs` are those at, above or below it; `listed` has each one's files with their md5, or None where only the md5 of
    the whole directory is known. `files` are what is there.
    """

    root: Path
    place: Path
    files: Sequence[PathFile]
    outs: Sequence[Out]
    listed: Mapping[Path, dict[Path, str] | None]

    def check_names(self, is_committed: Callable[[Path], bool]) -> None:
        """Refuse missing files, files that the lock does not have, and files that neither it nor git has.

        Raises:
            DigestMismatch: A file is missing, or too many.
            UsageError: A file is in no history, or a part of a directory cannot be checked without the listing.
        """
        here = {file.place for file in self.files}
        for out, listed in self.listed.items():
            if listed is not None:
                self._compare_names(out, here)
            elif not out.is_relative_to(self.place):
                mend = f"run `dvc fetch` or pin {self.say(out)} as a whole"
                raise UsageError(
                    f"{self.say(self.place)} cannot be checked alone", why="its listing is gone", mend=mend
                )
        for file in sorted(here):
            if not any(file.is_relative_to(out) for out in self.listed) and not is_committed(file):
                mend = "make it an output of a stage, or commit it"
                raise UsageError(f"{self.say(file)} is tracked neither by DVC nor by git", mend=mend)

    def found(self, twins: Twins) -> Found:
        """The files, to be compared with the lock while they are read."""
        files = [file if twins.find(self.expected.get(file.place)) else Observed(file, md5) for file in self.files]

        def confirm(tree: Tree) -> None:
            pairs = zip(self.files, files, strict=True)
            read = {file.place: found.found for file, found in pairs if isinstance(found, Observed)}
            digests = {entry.path: entry.digest for entry in tree.entries}
            self._compare({file.place: digests[file.path] for file in self.files}, read, twins)
            check_unchanged(self.files)
            twins.note({value: digests[file.path] for file in self.files if (value := read.get(file.place))})

        revision = next((out.md5 for out in self.outs if out.path == self.place), self.expected.get(self.place))
        return Found(files, Source(kind="dvc", location=self.say(self.place), revision=revision), confirm)

    @cached_property
    def expected(self) -> dict[Path, str]:
        """The md5 of every file that the lock speaks of."""
        return {path: value for listed in self.listed.values() for path, value in (listed or {}).items()}

    def say(self, path: Path) -> str:
        """A path as people write it."""
        return spoken(path, self.root)

    def _compare_names(self, out: Path, here: set[Path]) -> None:
        due = {file for file in self.listed[out] or () if file.is_relative_to(self.place)}
        if gone := sorted(due - here):
            raise differs(self.say(gone[0]), "it is missing")
        if extra := sorted(file for file in here - due if file.is_relative_to(out)):
            raise differs(self.say(extra[0]), "the lock does not have it")

    def _compare(self, digests: Mapping[Path, Digest], read: Mapping[Path, str | None], twins: Twins) -> None:
        for file, digest in digests.items():
            due = self.expected.get(file)
            if due is not None and read.get(file) != due and twins.find(due) != digest:
                raise differs(self.say(file))
        for out in self.outs:
            if self.listed[out.path] is None and _directory_of(out.path, read) != out.md5:
                raise differs(f"a file in {self.say(out.path)}")


def _directory_of(out: Path, read: Mapping[Path, str | None]) -> str:
    inside = {file.relative_to(out).as_posix(): value for file, value in read.items() if file.is_relative_to(out)}
    return directory_md5({path: value or "" for path, value in inside.items()})


def _md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
