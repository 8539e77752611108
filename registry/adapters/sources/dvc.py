"""DVC outs: what `dvc.lock` says of their bytes, checked while they are read, and whether it is still to be believed.

DVC's own word is not taken for bytes: `dvc checkout`, `pull` and `status` trust a cached object whose mode is 0444.
Its word is taken for staleness, which is a question about commands and parameters.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from registry.adapters.sources.extra import missing_extra
from registry.adapters.sources.observed import Observed, md5
from registry.adapters.sources.path import PathFile, check_unchanged, files_at
from registry.core.digest import DigestMismatch
from registry.core.document import did_you_mean
from registry.core.pin import Source
from registry.core.reference import NothingThere
from registry.core.tree import Tree
from registry.errors import ConflictError, Refused, RegistryError, UsageError
from registry.ports import Codebase, Found

REPRO = "run `dvc repro` and commit dvc.lock"


class StaleLock(Refused):
    """`dvc.lock` does not say what `dvc repro` would make now."""


class NotFetched(UsageError):
    """The lock has an output that is not in the working tree."""


class DvcFailed(RegistryError):
    """DVC could not do what it was asked."""


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
    data = json.dumps(listed, sort_keys=True).encode()
    return hashlib.md5(data, usedforsecurity=False).hexdigest() + ".dir"


class DvcProject:
    """The DVC project at or above `root`, whose locks must be committed in `codebase`."""

    def __init__(self, root: Path, codebase: Codebase) -> None:
        self.root, self.codebase = root, codebase
        self._fresh: set[str] = set()

    @property
    def exists(self) -> bool:
        """Whether there is a project at all; cheap, DVC is not imported."""
        return any((above / ".dvc" / "config").is_file() for above in (self.root, *self.root.parents))

    def find(self, path: str) -> Found | None:
        """Find the files at `path`, to be checked against the lock; None if no out is there, below or above.

        Raises:
            NotFetched: They, or what they were made from, are not here.
            StaleLock: A stage that makes them, or one before it, would run again; or the lock is not committed.
            DigestMismatch: A file is missing or too many; `Found.confirm` raises it for a file with other bytes.
        """
        place = Path(os.path.normpath(self.root / path))
        outs = [out for out in self.outs if out.path.is_relative_to(place) or place.is_relative_to(out.path)]
        if not outs:
            return None
        for out in outs:
            self._check_lock(out)
        for stage in dict.fromkeys(out.stage for out in outs):
            self._check_fresh(stage, outs)
        return self._found(place, outs)

    def no_out(self, path: str) -> UsageError:
        """The complaint that `path` is no out, with the nearest one."""
        known = [out.path.relative_to(self.root).as_posix() for out in self.outs if out.path.is_relative_to(self.root)]
        return UsageError(f"{path} is not tracked by DVC", mend=did_you_mean(path, known))

    @cached_property
    def outs(self) -> tuple[Out, ...]:
        """Every out on this file system, of every stage and `.dvc` file."""
        repo = self.repo
        with _explained("reading its stages"):
            return tuple(_out(out) for out in repo.index.outs if out.fs.protocol == "local")

    @cached_property
    def repo(self) -> Any:
        """DVC's own view of the project; raises UsageError if DVC is not installed or there is no project."""
        # why: both are read when DVC is imported. A library call must not report home.
        os.environ.setdefault("DVC_NO_ANALYTICS", "1")
        os.environ.setdefault("DVC_STUDIO_OFFLINE", "1")
        try:
            from dvc.repo import Repo
        except ImportError as error:
            raise missing_extra("dvc", error) from None
        with _explained("opening the project"):
            return Repo(str(self.root))

    def close(self) -> None:
        """Let go of DVC's files."""
        if "repo" in self.__dict__:
            self.repo.close()

    def _found(self, place: Path, outs: Sequence[Out]) -> Found:
        inside = place.relative_to(self.root).as_posix() if place.is_relative_to(self.root) else str(place)
        plain = self._files(inside)
        wanted = {out.path: self._wanted(out) for out in outs}
        self._check_names(place, plain, wanted)
        expected = {path: value for listed in wanted.values() for path, value in (listed or {}).items()}
        files = [Observed(file, md5) for file in plain]

        def confirm(tree: Tree) -> None:
            read = {file.top.joinpath(*file.steps): seen.found for file, seen in zip(plain, files, strict=True)}
            for file, value in read.items():
                if expected.get(file, value) != value:
                    raise _differs(self._spoken(file))
            for out in outs:
                if wanted[out.path] is None and _directory_of(out.path, read) != out.md5:
                    raise _differs(f"a file in {self._spoken(out.path)}")
            check_unchanged(plain)

        whole = next((out.md5 for out in outs if out.path == place), expected.get(place))
        return Found(files, Source(kind="dvc", location=inside, revision=whole), confirm)

    def _files(self, inside: str) -> Sequence[PathFile]:
        try:
            return files_at(self.root, inside)
        except NothingThere:
            raise _not_here(inside) from None

    def _wanted(self, out: Out) -> dict[Path, str] | None:
        """The md5 of each file of an out; None for a directory whose listing is not in DVC's cache."""
        assert out.md5 is not None
        if not out.md5.endswith(".dir"):
            return {out.path: out.md5}
        with _explained("reading its cache"):
            listing = Path(self.repo.cache.local.oid_to_path(out.md5))
        try:
            data = listing.read_bytes()
        except OSError:
            return None
        if hashlib.md5(data, usedforsecurity=False).hexdigest() + ".dir" != out.md5:
            return None
        return {out.path / PurePosixPath(entry["relpath"]): entry["md5"] for entry in json.loads(data)}

    def _check_names(
        self, place: Path, files: Sequence[PathFile], wanted: Mapping[Path, dict[Path, str] | None]
    ) -> None:
        """Refuse missing files, files that the lock does not have, and files that nothing has."""
        here = {file.top.joinpath(*file.steps) for file in files}
        for out, listed in wanted.items():
            if listed is None and not out.is_relative_to(place):
                mend = f"run `dvc fetch` or pin {self._spoken(out)} as a whole"
                raise UsageError(
                    f"{self._spoken(place)} cannot be checked alone", why="its listing is not here", mend=mend
                )
            due = {file for file in (listed or {}) if file.is_relative_to(place)}
            if gone := sorted(due - here):
                raise _differs(self._spoken(gone[0]), "it is missing")
            if listed is not None and (extra := sorted(file for file in here - due if file.is_relative_to(out))):
                raise _differs(self._spoken(extra[0]), "the lock does not have it")
        for file in sorted(here):
            if not any(file.is_relative_to(out) for out in wanted) and not self._is_committed(file):
                mend = "make it an output of a stage, or commit it"
                raise UsageError(f"{self._spoken(file)} is tracked neither by DVC nor by git", mend=mend)

    def _check_lock(self, out: Out) -> None:
        name = self._spoken(out.lock)
        if out.md5 is None:
            raise StaleLock(f"{self._spoken(out.path)} was never made", why=f"{name} does not have it", mend=REPRO)
        if not self._is_committed(out.lock):
            raise StaleLock(
                f"{name} is not committed",
                why="nobody else could check the pin",
                mend=f"run `git add -f {name}` and commit",
            )

    def _check_fresh(self, stage: str, pinned: Iterable[Out]) -> None:
        """Refuse a stage that DVC would run again, or that follows one."""
        if stage in self._fresh:
            return
        with _explained("asking for its status"):
            status = self.repo.status(targets=[stage], with_deps=True, check_updates=False)
            stages = list(self.repo.stage.collect(stage, with_deps=True))
        locked = {(found.addressing, Path(dep.fs_path)): dep.hash_info.value for found in stages for dep in found.deps}
        outs = {out.path: out for out in self.outs}
        checked = {out.path for out in pinned}
        for address, path, why in self._changes(status):
            # why: the cache is not needed to know whether the lock is current, and what is pinned will be compared with
            # the lock byte by byte, which says more than DVC can.
            if why == "not in cache" or (path in checked and why == "modified"):
                continue
            if why == "deleted" and path in outs:
                raise _not_here(self._spoken(path))
            out = outs.get(path) if why == "modified" else None
            # why: a dependency that is itself an out, and of which the lock speaks with one voice, was not made anew:
            # its bytes were changed behind DVC's back. That is damage, not staleness.
            if out is None or locked.get((address, path), out.md5) != out.md5:
                raise StaleLock(
                    f"stage {address.rsplit(':', 1)[-1]} is not up to date",
                    why=f"{self._spoken(path)}: {why}",
                    mend=REPRO,
                )
            raise self._damaged(out)
        self._fresh.add(stage)

    def _damaged(self, out: Out) -> DigestMismatch:
        """The complaint about an out that DVC found changed, with the file if the listing tells which."""
        for path, value in sorted((self._wanted(out) or {}).items()):
            with contextlib.suppress(OSError), path.open("rb") as content:
                if hashlib.file_digest(content, md5).hexdigest() != value:
                    return _differs(self._spoken(path))
        return _differs(self._spoken(out.path))

    def _changes(self, status: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Path, str]]:
        """Each change in DVC's status: the stage, the path it is about, and what happened to it."""
        here = Path.cwd()
        start = here if here.is_relative_to(self.repo.root_dir) else Path(self.repo.root_dir)
        for address, notes in status.items():
            for note in notes:
                if not isinstance(note, dict):
                    yield address, self.root, str(note)
                    continue
                for changes in note.values():
                    for path, what in changes.items():
                        why = what if isinstance(what, str) else json.dumps(what, sort_keys=True)
                        yield address, Path(os.path.normpath(start / path)), why

    def _is_committed(self, path: Path) -> bool:
        return (
            path.is_relative_to(self.root)
            and self.codebase.committed(path.relative_to(self.root).as_posix()) is not None
        )

    def _spoken(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)


def _out(out: Any) -> Out:
    path, info = Path(out.fs_path), out.hash_info
    stage_file = Path(out.stage.path)
    lock = stage_file.with_suffix(".lock") if stage_file.name == "dvc.yaml" else stage_file
    if info and info.name != "md5":
        mend = "run `dvc cache migrate --dvc-files` and commit"
        raise UsageError(
            f"{path.name} is locked by {info.name}", why="DVC 2 changed line ends before hashing", mend=mend
        )
    return Out(path, info.value if info else None, out.stage.addressing, lock)


def _directory_of(out: Path, read: Mapping[Path, str | None]) -> str:
    inside = {file.relative_to(out).as_posix(): value for file, value in read.items() if file.is_relative_to(out)}
    return directory_md5({path: value or "" for path, value in inside.items()})


def _not_here(what: str) -> NotFetched:
    return NotFetched(f"{what} is not here", why="dvc.lock has it", mend="run `dvc pull` or `dvc checkout`")


def _differs(what: str, why: str = "its bytes changed after `dvc repro`") -> DigestMismatch:
    return DigestMismatch(
        f"{what} is not what dvc.lock says", why=why, mend="run `dvc checkout --force` or `dvc repro`"
    )


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Translate DVC's errors."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.lock import LockError

    try:
        yield
    except LockError as error:
        raise ConflictError(
            "another DVC process is at work", why=str(error), mend="wait for it and try again"
        ) from None
    except NotDvcRepoError:
        raise UsageError("there is no DVC project here", mend="run `dvc init`") from None
    except DvcException as error:
        raise DvcFailed(f"DVC failed at {doing}", why=str(error)) from None
