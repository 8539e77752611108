"""DVC outs: what `dvc.lock` says of their bytes, checked while they are read, and whether it is still to be believed.

DVC's own word is not taken for bytes: `dvc checkout`, `pull` and `status` trust a cached object whose mode is 0444.
Its word is taken for staleness, which is a question about commands and parameters.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from registry.adapters.sources.extra import missing_extra
from registry.adapters.sources.observed import md5
from registry.adapters.sources.outs import Out, Promise, differs, listed_in, spoken
from registry.adapters.sources.path import PathFile, failed, files_at
from registry.adapters.sources.twins import Twins
from registry.core.digest import DigestMismatch
from registry.core.document import did_you_mean
from registry.core.reference import NothingThere
from registry.errors import ConflictError, Refused, RegistryError, UsageError
from registry.ports import Codebase, Found

REPRO = "run `dvc repro` and commit dvc.lock"


class StaleLock(Refused):
    """`dvc.lock` does not say what `dvc repro` would make now."""


class NotFetched(UsageError):
    """The lock has an output that is not in the working tree."""


class DvcFailed(RegistryError):
    """DVC could not do what it was asked."""


class DvcProject:
    """The DVC project at or above `root`, whose locks must be committed in `codebase`."""

    def __init__(self, root: Path, codebase: Codebase, twins: Twins) -> None:
        self.root, self.codebase, self.twins = root, codebase, twins
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
        files = self._files(self._spoken(place))
        promise = Promise(self.root, place, files, outs, {out.path: self._listed(out) for out in outs})
        promise.check_names(self._is_committed)
        return promise.found(self.twins)

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

    @cached_property
    def _status(self) -> Mapping[str, Sequence[Any]]:
        """What `dvc status` says of the whole project; asked once, since DVC reads all its files for each question."""
        repo = self.repo
        with _explained("asking for its status"):
            return dict(repo.status(check_updates=False))

    def close(self) -> None:
        """Let go of DVC's files."""
        if "repo" in self.__dict__:
            self.repo.close()

    def _files(self, inside: str) -> Sequence[PathFile]:
        try:
            return files_at(self.root, inside)
        except NothingThere:
            raise _not_here(inside) from None

    def _listed(self, out: Out) -> dict[Path, str] | None:
        with _explained("reading its cache"):
            return listed_in(out, Path(self.repo.cache.local.oid_to_path(out.md5)))

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
        everything = self._status
        with _explained("asking what a stage follows"):
            stages = list(self.repo.stage.collect(stage, with_deps=True))
        reached = {found.addressing for found in stages}
        status = {address: notes for address, notes in everything.items() if address in reached}
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
        for path, value in sorted((self._listed(out) or {}).items()):
            with contextlib.suppress(OSError), path.open("rb") as content:
                if hashlib.file_digest(content, md5).hexdigest() != value:
                    return differs(self._spoken(path))
        return differs(self._spoken(out.path))

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
        return spoken(path, self.root)


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


def _not_here(what: str) -> NotFetched:
    return NotFetched(f"{what} is not here", why="dvc.lock has it", mend="run `dvc pull` or `dvc checkout`")


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
    except PermissionError as error:
        raise failed(str(error.filename), error) from None
    except (DvcException, OSError) as error:
        raise DvcFailed(f"DVC failed at {doing}", why=str(error)) from None
