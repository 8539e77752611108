"""Git tags in the manner of GTO: `assistant@v0.0.3` for a version, `assistant#staging#7` for a move of a stage.

`gto show` and `gto history` read them, and so do pipelines that start on a tag. A version is a commit of its own: the
one that the manifest was pinned at, with `manifests/NAME.lock.json` added. So checking a tag out gives the code and the
exact manifest, and two models that were pinned at one commit are two versions, as GTO demands.

Nobody but this module should write such tags: whatever has the form and is not in the ledger is removed.

Source: https://github.com/iterative/gto, version 1.10; gto.constants.tag_re.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from registry.core.digest import short
from registry.core.ledger.picture import Move, Picture, Version
from registry.errors import RegistryError, UsageError

if TYPE_CHECKING:
    from git import Repo

_WHO = {"NAME": "lockstep", "EMAIL": "registry@localhost"}
_LISTED = "%(refname:strip=2)%00%(*objectname)%00%(*parent)%00%(contents)%01"


class TagsFailed(RegistryError):
    """Git could not read or write tags."""


class CommitMissing(RegistryError):
    """A commit that a model was pinned at is not in this clone, so it cannot be tagged here."""


@dataclass(frozen=True, slots=True)
class Tag:
    """An annotated tag that is due: its name, the version that it is on, what is written in it, and when."""

    name: str
    version: Version
    message: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A tag as it is: its commit, that commit's only parent, and the tag's message."""

    commit: str
    parent: str
    message: str


@dataclass(frozen=True)
class GitTags:
    """The tags of the repository that the project at `root` is in."""

    root: Path

    def differences(self, picture: Picture) -> Sequence[str]:
        """What is missing, changed or foreign among the tags of the picture's name."""
        here, due = self._here(picture.name), {tag.name: tag for tag in tags_of(picture)}
        found = [f"{name} is missing" for name in due if name not in here]
        found += [f"{name} is not in the ledger" for name in here if name not in due]
        changed = (name for name, tag in due.items() if name in here and not self._is_true(tag, here[name]))
        return [*found, *(f"{name} is on another commit, or says otherwise" for name in changed)]

    def mend(self, picture: Picture) -> Sequence[str]:
        """Write and remove tags until they are the picture's.

        Raises:
            CommitMissing: A commit is not in this clone; the other tags are right.
            TagsFailed: Git would not do it.
        """
        told = self.differences(picture)
        here, due = self._here(picture.name), {tag.name: tag for tag in tags_of(picture)}
        for name in (name for name in here if name not in due or not self._is_true(due[name], here[name])):
            self._git("tag", "-d", name)
        absent = []
        for tag in due.values():
            if tag.name in here and self._is_true(tag, here[tag.name]):
                continue
            if self._has(tag.version.commit):
                self._write(tag)
            else:
                absent.append(tag)
        if absent:
            why = f"{absent[0].version.commit[:12]} is not in this clone"
            mend = "fetch the whole history (`git fetch --unshallow`), and mend again"
            raise CommitMissing(f"{absent[0].name} cannot be written", why=why, mend=mend)
        return told

    def _here(self, name: str) -> dict[str, Seen]:
        listed = self._git("for-each-ref", f"--format={_LISTED}", "refs/tags")
        fields = (line.lstrip("\n").split("\0") for line in listed.split("\x01") if line.strip("\n"))
        return {tag: Seen(*rest) for tag, *rest in fields if tag.startswith((f"{name}#", f"{name}@"))}

    def _is_true(self, tag: Tag, seen: Seen) -> bool:
        if (seen.parent, seen.message) != (tag.version.commit, tag.message):
            return False
        lock = self._git("cat-file", "blob", f"{seen.commit}:{self._lock_of(tag.version)}", else_="")
        return lock.encode() == tag.version.lock

    def _has(self, commit: str) -> bool:
        return self._git("cat-file", "-t", commit, else_="").strip() == "commit"

    def _write(self, tag: Tag) -> None:
        commit = self._commit(tag.version)
        self._git("tag", "-a", "--no-sign", "--cleanup=verbatim", "-m", tag.message, tag.name, commit, at=tag.moment)

    def _commit(self, version: Version) -> str:
        """The version's own commit; the same ledger makes the same one in every clone."""
        with tempfile.TemporaryDirectory() as scratch:
            index, lock = f"{scratch}/index", Path(scratch, "lock")
            lock.write_bytes(version.lock)
            blob = self._git("hash-object", "-w", "--no-filters", "--", str(lock)).strip()
            self._git("read-tree", version.commit, index=index)
            self._git("update-index", "--add", "--cacheinfo", f"100644,{blob},{self._lock_of(version)}", index=index)
            tree = self._git("write-tree", index=index).strip()
        message = f"Pin {version.model} as {short(version.manifest)}\n"
        made = self._git("commit-tree", "--no-gpg-sign", "-p", version.commit, "-m", message, tree, at=version.moment)
        return made.strip()

    def _lock_of(self, version: Version) -> str:
        """Where the manifest lies in the repository."""
        top = Path(str(self._repo.working_tree_dir)).resolve()
        return (self.root.resolve().relative_to(top) / "manifests" / f"{version.model}.lock.json").as_posix()

    @cached_property
    def _repo(self) -> "Repo":
        from git import Repo
        from git.exc import GitError

        try:
            return Repo(self.root, search_parent_directories=True)
        except GitError as error:
            raise UsageError("there is no git repository to write tags in", why=str(error)) from None

    def _git(self, *words: str, else_: str | None = None, at: datetime | None = None, index: str | None = None) -> str:
        """Run git and return what it printed; `else_` where it refuses and that is an answer."""
        from git.exc import GitCommandError

        more = {"GIT_INDEX_FILE": index} if index else {}
        if at is not None:
            people = {f"GIT_{who}_{part}": said for who in ("AUTHOR", "COMMITTER") for part, said in _WHO.items()}
            more |= people | {f"GIT_{who}_DATE": f"{int(at.timestamp())} +0000" for who in ("AUTHOR", "COMMITTER")}
        try:
            return str(self._repo.git.execute(["git", *words], strip_newline_in_stdout=False, env=more))
        except GitCommandError as error:
            if else_ is not None:
                return else_
            raise TagsFailed(f"git {words[0]} failed", why=str(error.stderr).strip()) from None


def tags_of(picture: Picture) -> Iterator[Tag]:
    """The tags that show `picture`, in the order in which they were earned."""
    known: set[int] = set()
    for move in picture.moves:
        if move.version.number not in known:
            known.add(move.version.number)
            yield _of_version(picture.name, move.version)
        yield _of_move(picture.name, move)


def _of_version(name: str, version: Version) -> Tag:
    message = f"{version.model} {short(version.manifest)}\n\nmanifest: {version.manifest}\n"
    return Tag(f"{name}@v0.0.{version.number}", version, message, version.moment)


def _of_move(name: str, move: Move) -> Tag:
    one = move.generation
    lines = {
        "manifest": one.manifest,
        "generation": one.number,
        "basis": one.basis,
        "answer": one.answer or "none",
        "verdict": one.verdict or "none",
        "entry": one.index,
    }
    told = "".join(f"{key}: {value}\n" for key, value in lines.items())
    message = f"{one.stage} serves {move.version.model} {short(one.manifest)}\n\n{told}"
    # why a second later: GTO orders tags by their time, and a version comes before the move to it.
    return Tag(f"{name}#{one.stage}#{move.number}", move.version, message, move.moment + timedelta(seconds=1))
