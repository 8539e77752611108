"""The sources as a workspace has them: one place to ask, which looks at a location and asks the right one."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry.adapters.durable import make_directory
from registry.adapters.sources.dvc import DvcProject
from registry.adapters.sources.git import GitCodebase, find_git
from registry.adapters.sources.hub import find_hub
from registry.adapters.sources.mlflow import find_mlflow
from registry.adapters.sources.package import find_package
from registry.adapters.sources.path import find_path
from registry.adapters.sources.twins import Twins
from registry.core.reference import InGit, InMlflow, InPackage, InPath, OnHub, parse_location
from registry.errors import UsageError
from registry.ports import Codebase, Found, OpenFile

_POINTER = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True)
class WorkspaceSources:
    """Everything that a config may name.

    Args:
        root: The directory of registry.toml; relative paths count from it. Taken without symlinks, as DVC takes it.
        cache: A directory of ours for downloads; git must ignore it.
        mlflow_uri: Where MLflow keeps its registry, such as `sqlite:///mlflow.db`; None refuses `mlflow:` locations.
        hub_endpoint: The Hub's URL; None means HF_ENDPOINT, or huggingface.co.
    """

    root: Path
    cache: Path
    mlflow_uri: str | None = None
    hub_endpoint: str | None = None

    def __post_init__(self) -> None:
        # why: a root in another spelling than DVC's would make its outs look like plain files, and nothing be checked.
        object.__setattr__(self, "root", self.root.resolve())

    @cached_property
    def codebase(self) -> Codebase:
        """The git repository that the workspace is in."""
        return GitCodebase(self.root)

    @cached_property
    def dvc(self) -> DvcProject:
        """The DVC project that the workspace is in."""
        return DvcProject(self.root, self.codebase, Twins(self.cache / "twins.json"))

    @cached_property
    def _scratch(self) -> "tempfile.TemporaryDirectory[str]":
        make_directory(self.cache)
        return tempfile.TemporaryDirectory(dir=self.cache, prefix="download-")

    def find(self, location: str) -> Found:
        """Look `location` up; the files stay readable until `close`.

        Raises:
            UsageError: It is not understood, holds nothing, or needs an extra that is not installed.
        """
        found = self._find(location)
        for file in found.files:
            _refuse_pointer(file, location)
        return found

    def close(self) -> None:
        """Remove what was downloaded for one pin only, and let go of DVC."""
        for name in ("_scratch", "dvc"):
            if name in self.__dict__:
                part = self.__dict__.pop(name)
                part.cleanup() if name == "_scratch" else part.close()

    def _find(self, location: str) -> Found:
        match parse_location(location):
            case InPath(path, must_be_dvc):
                return self._in_path(path, must_be_dvc=must_be_dvc)
            case OnHub() as place:
                return find_hub(place, cache=self._made("hub"), endpoint=self.hub_endpoint)
            case InGit() as place:
                return find_git(self.root, place, scratch=self._empty())
            case InMlflow() as place:
                if self.mlflow_uri is None:
                    mend = "set MLFLOW_TRACKING_URI"
                    raise UsageError(f"{location} cannot be looked up", why="no MLflow is configured", mend=mend)
                return find_mlflow(place, scratch=self._empty(), uri=self.mlflow_uri)
            case InPackage() as place:
                return find_package(place)

    def _in_path(self, path: str, *, must_be_dvc: bool) -> Found:
        """A plain path is checked as a DVC out wherever it is one: its bytes are the same promise however spelled."""
        found = self.dvc.find(path) if must_be_dvc or self.dvc.exists else None
        if found is None and must_be_dvc:
            raise self.dvc.no_out(path)
        return found or find_path(self.root, path)

    def _made(self, name: str) -> Path:
        make_directory(self.cache / name)
        return self.cache / name

    def _empty(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._scratch.name))


def _refuse_pointer(file: OpenFile, location: str) -> None:
    """Refuse a Git LFS pointer: a line of text that stands where the real file should be."""
    if not len(_POINTER) < file.size < 1024:
        return
    with file.open() as content:
        if content.read(len(_POINTER)) == _POINTER:
            why = f"{file.path} is a Git LFS pointer, not the file"
            raise UsageError(f"{location} was not fetched", why=why, mend="run `git lfs pull`, and pin it as a path")
