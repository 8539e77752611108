"""Git: the repository around the workspace, and any repository's tree at a revision, read with GitPython."""

import contextlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from registry.adapters.sources.observed import Observed, git_blob
from registry.core.digest import DigestMismatch
from registry.core.pin import Source
from registry.core.reference import InGit, NothingThere
from registry.core.tree import Tree, UnsafeName, check_names
from registry.errors import RegistryError, UsageError
from registry.ports import Found

_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/]+@[^/]+:")
_LOCK = re.compile(r"manifests/[^/]+\.lock\.json")
_MODES = {0o120000: "a symlink", 0o160000: "a submodule"}


class GitFailed(RegistryError):
    """Git could not do what it was asked."""


class GitCodebase:
    """The git repository that `root` is in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._repo: Any = None
        self._code: str | None = None

    @property
    def repo(self) -> Any:
        """The repository, opened when it is first needed; raises UsageError if there is none."""
        if self._repo is None:
            self._repo = _open(self.root, search=True)
        return self._repo

    def head(self) -> str:
        """The commit of the code, passing over commits that change nothing but `manifests/*.lock.json`; asked once."""
        if self._code is None:
            self._code = self._find_head()
        return self._code

    def resolve(self, revision: str) -> str | None:
        """The commit that `revision` names here, or None."""
        return _commit_of(self.repo, revision)

    def dirty(self) -> Sequence[str]:
        """Changed, staged, unmerged and untracked paths, also changed ones that git was told not to look at."""
        with _explained("looking for changes"):
            status = self.repo.git.status("--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
            changed = {line[3:] for line in _split(status)}
            listed = _split(self.repo.git.ls_files("-v", "-z"))
            hidden = {line[2:] for line in listed if self._hides_change(line[0], line[2:])}
        return sorted(path for path in changed | hidden if not self._is_lock(path))

    def committed(self, path: str) -> bytes | None:
        """A file's bytes as of HEAD, by its path in the workspace; None if it is not committed."""
        with _explained(f"reading {path}"):
            if not self._has_commit():
                return None
            try:
                blob = self.repo.head.commit.tree / f"{self._prefix()}{path}"
            except KeyError:
                return None
            return bytes(blob.data_stream.read()) if blob.type == "blob" else None

    def _has_commit(self) -> bool:
        """Whether HEAD is a commit; a git that died is no answer."""
        words = ("--verify", "--quiet", "HEAD^{commit}")
        status, *_ = self.repo.git.rev_parse(*words, with_extended_output=True, with_exceptions=False)
        if status not in (0, 1):
            raise GitFailed("git failed at reading HEAD", why=f"it ended with {status}", mend="run `git fsck` there")
        return bool(status == 0)

    def _find_head(self) -> str:
        with _explained("reading the last commit"):
            if not self._has_commit():
                raise UsageError("there is no commit yet", mend="run `git commit`")
            commit = self.repo.head.commit
            while len(commit.parents) == 1 and self._only_locks(commit.hexsha):
                commit = commit.parents[0]
            return str(commit.hexsha)

    def _hides_change(self, mark: str, path: str) -> bool:
        """Whether `ls-files -v` marks `path` as one that status does not look at, and it is not as git has it.

        The mark is in lower case after `update-index --assume-unchanged`, and S after `--skip-worktree`, which sparse
        checkouts set on files that they leave out.
        """
        if not (mark.islower() or mark == "S"):
            return False
        file = Path(self.repo.working_tree_dir, path)
        if not os.path.lexists(file):
            return mark not in "Ss"
        if file.is_symlink() or not file.is_file():
            return True
        # why: as `git status` compares, so that line ends and filters count as they do elsewhere.
        return bool(self.repo.git.hash_object("--", path) != self.repo.git.rev_parse(f":0:{path}"))

    def _only_locks(self, commit: str) -> bool:
        names = _split(self.repo.git.diff_tree("--no-commit-id", "--name-only", "-r", "-z", commit))
        return bool(names) and all(self._is_lock(name) for name in names)

    def _is_lock(self, path: str) -> bool:
        prefix = self._prefix()
        return path.startswith(prefix) and _LOCK.fullmatch(path.removeprefix(prefix)) is not None

    def _prefix(self) -> str:
        """The workspace's place below the top of the repository, with a slash, or nothing."""
        inside = self.root.resolve().relative_to(Path(self.repo.working_tree_dir).resolve()).as_posix()
        return "" if inside == "." else f"{inside}/"


def find_git(root: Path, location: InGit, *, scratch: Path) -> Found:
    """Find the files of a repository at a revision; a URL is cloned into `scratch`, an empty directory, first.

    Raises:
        NothingThere: No such repository, revision or subdirectory, or no file in it.
        UnsafeName: A symlink or submodule inside, or a name that a tree cannot hold.
        GitFailed: The clone failed.
    """
    repo = _clone(location.url, scratch) if _REMOTE.match(location.url) else _open(root / location.url, search=False)
    commit = _commit_of(repo, location.revision)
    if commit is None:
        raise NothingThere(
            f"{location.url} has no revision {location.revision!r}", mend="run `git fetch --tags` there?"
        )
    with _explained(f"reading {location.url}"):
        files = [_observed(repo, blob, location.subdirectory) for blob in _blobs(repo, commit, location.subdirectory)]
    check_names([file.path for file, _ in files])

    def confirm(tree: Tree) -> None:
        for file, expected in files:
            if file.found != expected:
                raise DigestMismatch(f"git's object for {file.path} holds other bytes", mend="run `git fsck` there")

    where = f"{location.url}#{location.subdirectory}" if location.subdirectory else location.url
    return Found([file for file, _ in files], Source(kind="git", location=where, revision=commit), confirm)


@dataclass(frozen=True, slots=True)
class _Blob:
    repo: Any
    hexsha: str
    path: str
    size: int

    def open(self) -> BinaryIO:
        process = self.repo.git.cat_file("blob", self.hexsha, as_process=True)
        return cast("BinaryIO", _Output(process))


class _Output(io.RawIOBase):
    """What a git process prints; each file has its own process, so that files can be read side by side."""

    def __init__(self, process: Any) -> None:
        self.process = process

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return int(self.process.stdout.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            self.process.stdout.close()
            # why: whether all was read is told by the object's hash; how the process ended adds nothing.
            with contextlib.suppress(Exception):
                self.process.wait()
        super().close()


def _observed(repo: Any, blob: Any, subdirectory: str) -> tuple[Observed, str]:
    if (kind := _MODES.get(blob.mode)) is not None or blob.type != "blob":
        raise UnsafeName(f"{blob.path!r} is {kind or blob.type}", why="only regular files are pinned")
    inside = blob.path[len(subdirectory) + 1 :] if subdirectory else blob.path
    file = _Blob(repo, blob.hexsha, inside or blob.name, blob.size)
    return Observed(file, git_blob(blob.size, wide=len(blob.hexsha) == 64)), str(blob.hexsha)


def _blobs(repo: Any, commit: str, subdirectory: str) -> list[Any]:
    tree = repo.commit(commit).tree
    try:
        found = tree / subdirectory if subdirectory else tree
    except KeyError:
        raise NothingThere(f"commit {commit[:12]} has no {subdirectory}") from None
    blobs = [item for item in found.traverse() if item.type != "tree"] if found.type == "tree" else [found]
    if not blobs:
        raise NothingThere(f"{subdirectory or 'the repository'} is empty at commit {commit[:12]}")
    return blobs


def _commit_of(repo: Any, revision: str) -> str | None:
    from git.exc import GitCommandError

    try:
        return str(repo.git.rev_parse("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"))
    except GitCommandError:
        return None


def _open(path: Path, *, search: bool) -> Any:
    import git

    try:
        repo = git.Repo(path, search_parent_directories=search)
    except (git.exc.NoSuchPathError, git.exc.InvalidGitRepositoryError):
        raise NothingThere(f"{path.name or path} is not a git repository", mend="run `git init` and commit") from None
    # why: `git status` may take the index's lock only to write down what it learned; another git must not fail for it.
    repo.git.update_environment(GIT_OPTIONAL_LOCKS="0", LC_ALL="C")
    return repo


def _clone(url: str, scratch: Path) -> Any:
    import git

    if url.startswith("-"):
        raise UsageError(f"{url!r} is not a git URL")
    with _explained(f"cloning {url}"):
        return git.Repo.clone_from(url, scratch / "clone.git", bare=True, env={"GIT_TERMINAL_PROMPT": "0"})


@contextlib.contextmanager
def _explained(doing: str) -> Iterator[None]:
    """Translate GitPython's errors, with what git itself said; of a git that died, GitPython says almost anything."""
    from git.exc import GitError

    try:
        yield
    except (GitError, ValueError, LookupError, OSError) as error:
        said = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise GitFailed(f"git failed at {doing}", why=said[:500]) from None


def _split(output: str) -> list[str]:
    return [line for line in output.split("\0") if line]
