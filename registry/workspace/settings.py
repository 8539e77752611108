"""`registry.toml`: the file that marks a project's root and says which ledger is ours."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from registry.core.digest import Sha256
from registry.core.record import Record, faults_of
from registry.errors import UsageError

SETTINGS = "registry.toml"
"""The file that marks a project's root and names its registry."""


PLACE = ".registry"
"""Where store and ledger are, unless the settings say otherwise."""

FOUNDED = """\
# The registry of this project. Commit this file: `genesis` is the ledger's first entry, the anchor of all trust.
genesis = "{genesis}"
"""


class NoProject(UsageError):
    """There is no registry here, nor in any directory above."""


class Settings(Record):
    """What `registry.toml` says: which ledger is ours, where it lives, and where the suite and the gates are.

    `place` is the directory of store and ledger, `suite` and `gates` are directories of the project; all are relative
    to the project's root. `genesis` is the digest of the ledger's first entry, the anchor of all trust.
    """

    genesis: Sha256
    place: str = PLACE
    suite: str = "manifests/heldout"
    gates: str = "manifests/gates"


def read_file(path: Path) -> bytes:
    """Read a file that a person wrote and named.

    Raises:
        UsageError: It is not there, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read", why=error.strerror or str(error)) from None


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
        found = tomllib.loads(path.read_text("utf-8"))
        return Settings.model_validate(found)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML", why=str(error)) from None
    except ValidationError as error:
        raise UsageError(f"{path} is not a registry's settings", why=faults_of(error)) from None
