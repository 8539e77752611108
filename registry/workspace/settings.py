"""`registry.toml`: the file that marks a project's root and says which ledger is ours."""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from registry.core.digest import Sha256
from registry.core.record import Record, faults_of
from registry.core.retention import GRACE, KEEP, LEAST_GRACE, LEAST_KEEP, MOST_GRACE
from registry.errors import UsageError

SETTINGS = "registry.toml"
"""The file that marks a project's root and names its registry."""


PLACE = ".registry"
SUITE, GATES = "manifests/heldout", "manifests/gates"
"""Where store and ledger are, unless the settings say otherwise."""

FOUNDED = """\
# The registry of this project. Commit this file: `genesis` is the ledger's first entry, the anchor of all trust.
genesis = "{genesis}"
"""


Place = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,1024}$")]
"""A path of the project, without control characters; where blobs and entries are, a URL too."""

RemoteName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


_RESTORE = f"restore it with `git checkout {SETTINGS}`"


class NoProject(UsageError):
    """There is no registry here, nor in any directory above."""


class Remote(Record):
    """Another place with a copy of store and ledger: `url` is a directory or a bucket, as `place` is."""

    url: Place


class Collecting(Record):
    """What `registry gc` keeps: so many releases of each stage, and everything younger than so many days."""

    keep: Annotated[int, Field(ge=LEAST_KEEP)] = KEEP
    grace_days: Annotated[int, Field(ge=LEAST_GRACE.days, le=MOST_GRACE.days)] = GRACE.days


class Mirrors(Record):
    """Other registries that show what the ledger says: git tags, and MLflow at a URI.

    `name` is what they call all that this project releases: a registered model, and the first word of each tag.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$")]
    git: bool = False
    mlflow: Place | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.git and self.mlflow is None:
            raise ValueError("name a mirror: git = true, or mlflow = a URI")
        return self


class Settings(Record):
    """What `registry.toml` says: which ledger is ours, where it lives, and where the suite and the gates are.

    `place` is where store and ledger are: a directory, or a bucket as `s3://NAME/PREFIX`. `suite` and `gates` are
    directories of the project. Paths are relative to the project's root. `genesis` is the digest of the ledger's first
    entry, the anchor of all trust. `remotes` are places to push to and to fetch from, by their names. `gc` says how
    much stays, `mirrors` where what the ledger says is shown.
    """

    genesis: Sha256
    place: Place = PLACE
    suite: Place = SUITE
    gates: Place = GATES
    remotes: dict[RemoteName, Remote] = {}
    gc: Collecting = Collecting()
    mirrors: Mirrors | None = None


def read_file(path: Path) -> bytes:
    """Read a file that a person wrote and named.

    Raises:
        UsageError: It is not there, or cannot be read.
    """
    mend = "name a file that is there and that you may read"
    try:
        if not path.is_file():  # why: reading a pipe would wait for ever
            why = "it is no plain file" if path.exists() else "there is no such file"
            raise UsageError(f"{path} cannot be read", why=why, mend=mend)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read", why=str(error), mend=mend) from None


def read_gate(root: Path, gates: str, stage: str) -> bytes:
    """Read the gate file of a stage.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    path = root / gates / f"{stage}.yaml"
    if not path.exists():
        others = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml"))) or "none"
        why = f"there is no {gates}/{stage}.yaml; stages with a gate file: {others}"
        mend = "write its rules there, one a line, such as `- success@1(SLICE).lower_ci >= 0.8`"
        raise UsageError(f"{stage} has no gate file", why=why, mend=mend)
    return read_file(path)


def inside(root: Path, path: Path) -> str:
    """A file's place seen from `root`, with `/` between its steps; an absolute path if it lies elsewhere.

    Symlinks on the way are followed, as git does not; one at the end is not, as git does not either.
    """
    place = path.parent.resolve() / path.name
    return place.relative_to(root.resolve()).as_posix() if place.is_relative_to(root.resolve()) else str(place)


def find_root(start: Path) -> Path:
    """The nearest directory, from `start` upwards, that holds a `registry.toml`.

    Raises:
        NoProject: There is none.
    """
    for place in (start.resolve(), *start.resolve().parents):
        if (place / SETTINGS).is_file():
            return place
    mend = "run `registry init` at the project's root, or name it with `registry -C DIR`"
    raise NoProject(f"there is no {SETTINGS} in {start.resolve()} or above", mend=mend)


def read_settings(path: Path) -> Settings:
    """Read `registry.toml`.

    Raises:
        UsageError: It is not TOML, or has other keys or values than it should.
    """
    try:
        found = tomllib.loads(read_file(path).decode())
        return Settings.model_validate(found)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML", why=str(error), mend=_RESTORE) from None
    except ValidationError as error:
        raise UsageError(f"{path} is not a registry's settings", why=faults_of(error), mend=_RESTORE) from None
