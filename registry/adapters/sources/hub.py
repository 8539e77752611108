"""A Hugging Face Hub's repository at a commit, every file compared with the hash that the Hub lists for it.

The client library checks only the size of what it downloads. The listing is kept beside the download, so that a pin
can be made again without a network.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.adapters.durable import make_directory, read_plain, replace
from registry.adapters.sources.extra import missing_extra
from registry.adapters.sources.observed import Observed, git_blob
from registry.adapters.sources.path import PathFile, seen_at
from registry.core.canonical import canonical
from registry.core.digest import DigestMismatch
from registry.core.pin import Source
from registry.core.reference import NothingThere, OnHub
from registry.core.tree import Tree, UnsafeName, check_names
from registry.errors import RegistryError
from registry.ports import Found

DROPPED = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
"""Names at the top of a Hub repository that serve its keeping and are no part of the artefact."""


class HubFailed(RegistryError):
    """The Hub could not be reached, or answered with an error."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One file as the Hub lists it: `blob` is git's SHA-1 of it; `sha256` is set where it is kept in LFS or Xet."""

    path: str
    size: int
    blob: str
    sha256: str | None


def find_hub(location: OnHub, *, cache: Path, endpoint: str | None = None) -> Found:
    """Download a repository at a revision into `cache`, or take it from there, and find its files.

    Args:
        location: What to find; branches, tags and pull requests are resolved to a commit first.
        cache: A directory in the Hub's cache layout, ours alone; made if need be.
        endpoint: The Hub's URL; None means HF_ENDPOINT, or huggingface.co.

    Raises:
        NothingThere: No such repository or revision, or no file in it.
        HubFailed: The Hub cannot be reached and the cache has not everything.
    """
    # why: the library reads its settings when it is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise missing_extra("hub", error) from None
    hub = _Hub(HfApi(endpoint=endpoint, library_name="lockstep-registry"), location, cache)
    with _explained(location):
        commit = hub.commit()
        listed = [file for file in hub.listing(commit) if file.path.split("/")[0] not in DROPPED]
        if not listed:
            raise NothingThere(f"{location.repo} is empty at {commit[:12]}")
        check_names([file.path for file in listed])
        snapshot = hub.snapshot(commit)
    files = [_observed(cache, snapshot, file) for file in listed]
    where = f"datasets/{location.repo}" if location.is_dataset else location.repo

    def confirm(tree: Tree) -> None:
        digests = {entry.path: entry.digest for entry in tree.entries}
        for file, read in zip(listed, files, strict=True):
            is_same = digests[file.path] == f"sha256:{file.sha256}" if file.sha256 else _blob(read) == file.blob
            if not is_same:
                mend = f"remove {cache / hub.folder} and pin again"
                raise DigestMismatch(f"{file.path} is not what the Hub lists for {location.repo}", mend=mend)

    return Found(files, Source(kind="hf", location=where, revision=commit), confirm)


@dataclass(frozen=True, slots=True)
class _Hub:
    """The calls that are made of the client library, each for one repository."""

    api: Any
    location: OnHub
    cache: Path

    @property
    def kind(self) -> str:
        return "dataset" if self.location.is_dataset else "model"

    @property
    def folder(self) -> str:
        return f"{self.kind}s--{self.location.repo.replace('/', '--')}"

    def commit(self) -> str:
        asked = self.location.revision
        found = self.api.resolve_revision(
            self.location.repo, repo_type=self.kind, revision=asked, cache_dir=str(self.cache)
        )
        # why: the object is a `str` that spells the branch; only this attribute is the commit.
        return str(found.resolved)

    def listing(self, commit: str) -> Sequence[Listed]:
        """Every file of the commit: from the listing that was kept, else from the Hub, and then kept."""
        kept = self.cache / "listings" / self.folder / f"{commit}.json"
        with contextlib.suppress(OSError, ValueError, TypeError):
            return [Listed(**entry) for entry in json.loads(read_plain(kept))]
        found = self.api.list_repo_tree(self.location.repo, recursive=True, revision=commit, repo_type=self.kind)
        listed = [_listed(file) for file in found if hasattr(file, "blob_id")]
        make_directory(kept.parent)
        rows = [{"path": f.path, "size": f.size, "blob": f.blob, "sha256": f.sha256} for f in listed]
        replace(kept, canonical(rows))
        return listed

    def snapshot(self, commit: str) -> Path:
        from huggingface_hub import snapshot_download

        # why: by the full commit, into a cache: with `local_dir` the library would settle for whatever is there.
        found = snapshot_download(
            self.location.repo,
            repo_type=self.kind,
            revision=commit,
            cache_dir=str(self.cache),
            endpoint=self.api.endpoint,
            ignore_patterns=[pattern for name in sorted(DROPPED) for pattern in (name, f"{name}/*")],
        )
        return Path(found)


def _listed(file: Any) -> Listed:
    return Listed(file.path, file.size, file.blob_id, file.lfs.sha256 if file.lfs else None)


def _observed(cache: Path, snapshot: Path, listed: Listed) -> "PathFile | Observed":
    """A file of the snapshot. The cache's layout has symlinks; they may lead to the cache's own blobs only."""
    top = cache.resolve()
    target = (snapshot / listed.path).resolve()
    if not target.is_relative_to(top):
        raise UnsafeName(f"{listed.path!r} leads out of the download cache", why="only its own blobs are read")
    if not target.is_file():
        raise HubFailed(f"{listed.path} was not downloaded", mend="pin again")
    file = seen_at(top, target.relative_to(top).parts, listed.path)
    return file if listed.sha256 else Observed(file, git_blob(file.size))


def _blob(read: "PathFile | Observed") -> str | None:
    return read.found if isinstance(read, Observed) else None


@contextlib.contextmanager
def _explained(location: OnHub) -> Iterator[None]:
    """Translate the library's errors and those of the HTTP client under it."""
    import httpx2
    from huggingface_hub import errors

    failures = (
        OSError,
        ValueError,
        RuntimeError,
        httpx2.HTTPError,
        errors.HfHubHTTPError,
        errors.RevisionResolutionError,
    )
    try:
        yield
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        why = " ".join(str(error).split())[:300]
        raise NothingThere(f"the Hub has no {location.repo} at {location.revision}", why=why) from None
    except RegistryError:
        raise
    except failures as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        mend = "check the network, or pin where the cache has it"
        raise HubFailed(f"{location.repo} could not be read from the Hub", why=why, mend=mend) from None
