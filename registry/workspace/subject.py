"""What a config describes, hashed where it lies: the parts of a model before anybody has pinned them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from registry.adapters.sources.package import find_package
from registry.adapters.sources.path import find_path
from registry.core.config import Config, parse_config
from registry.core.digest import Digest
from registry.core.heldout.suite import Suite, suite_of
from registry.core.pin import Pin, Role
from registry.core.reference import InPackage, InPath, parse_location
from registry.core.tree import Entry, Tree, tree_of
from registry.errors import UsageError
from registry.ports import Found, OpenFile
from registry.training.hashing import tree_at
from registry.verbs.evaluate import Subject
from registry.verbs.gather import Gathered, InSuite, Part, gather

SUITE = "manifests/heldout"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Locations as a stage sees them, below `root`: `dvc:PATH` is the file that an earlier stage has just written."""

    root: Path

    def find(self, location: str) -> Found:
        """Find the files at a path, or the source of a verifier.

        Raises:
            UsageError: The location is somewhere else: a stage depends on files of this project alone.
        """
        match parse_location(location):
            case InPath(path):
                return find_path(self.root, path)
            case InPackage() as place:
                return find_package(place)
            case _:
                raise UsageError(f"{location} is not in this project", why="a stage depends on files that DVC can see")


class Nothing:
    """A registry in which nothing is registered: a stage cannot depend on what is decided elsewhere."""

    pins: Sequence[Pin] = ()

    def artefacts(self, role: Role | None, name: str) -> Sequence[Pin]:
        """There is none."""
        return ()


@dataclass(frozen=True, slots=True)
class Described:
    """A config with its parts found and hashed. `paths` has where the files of each part lie, by role or adapter."""

    config: Config
    subject: Subject
    suite: Suite
    paths: Mapping[str, Path]
    code: Mapping[str, Digest]


def describe(path: Path, root: Path) -> Described:
    """Read the config at `path`, and hash every part that it names below `root`.

    Raises:
        Faults: A part is not there, or the config is not understood.
    """
    config = replace(parse_config(path.read_bytes(), str(path)), evidence=None)
    gathered = gather(config, sources=Outputs(root), state=Nothing(), suite=SUITE)
    suite = suite_of({file.path: _bytes(file) for file in find_path(root, SUITE).files})
    digests = {key: {part.name: _hashed(part).digest for part in parts} for key, parts in gathered.parts.items()}
    one = {key: next(iter(found.values()), None) for key, found in digests.items()}
    llm, tokenizer = one["llm_sha"], one["tokenizer_sha"]
    assert llm
    assert tokenizer
    subject = Subject(
        llm=llm,
        tokenizer=tokenizer,
        adapters=digests["adapters"],
        input=one["input_sha"],
        sampling=config.sampling,
        reward_model=one["reward_model_sha"],
        fixtures=_fixtures(gathered, suite),
        routes=config.routes,
    )
    return Described(config, subject, suite, _paths(gathered), digests["verifiers"])


def _hashed(part: Part) -> Tree:
    assert isinstance(part.found, Found)
    return tree_at(part.found.files)


def _fixtures(gathered: Gathered, suite: Suite) -> Digest | None:
    """As `pin` names them: the tree of the one file, under the last word of its path."""
    match gathered.fixtures:
        case None:
            return None
        case InSuite(path):
            entry = next(entry for entry in suite.tree.entries if entry.path == path)
            return tree_of([Entry(path=path.split("/")[-1], size=entry.size, digest=entry.digest)]).digest
        case Part() as part:
            return _hashed(part).digest


def _paths(gathered: Gathered) -> dict[str, Path]:
    parts = {part.name if key == "adapters" else key: part for key, found in gathered.parts.items() for part in found}
    found = {name: part.found for name, part in parts.items()}
    return {name: Path(one.source.location) for name, one in found.items() if isinstance(one, Found)}


def _bytes(file: OpenFile) -> bytes:
    with file.open() as reader:
        return reader.read()
