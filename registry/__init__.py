"""Lockstep: what is in production, why it was allowed there, and exactly what was there before.

    import registry

    lockstep = registry.open(".")
    lockstep.pin("manifests/candidate.yaml")
    lockstep.gate("candidate", "staging").verdict.answer
    lockstep.promote("candidate", "staging", reason="division_hard improved")
    lockstep.pull("staging", "/srv/models")
    lockstep.rollback("staging", reason="answers got slower")

What goes wrong is a `RegistryError`; its `exit_code` says which kind, its `what`, `why` and `mend` say the rest.
"""

from os import PathLike
from typing import TYPE_CHECKING

from registry.errors import (
    ConflictError,
    IntegrityError,
    Refused,
    RegistryError,
    Undecided,
    UsageError,
)

if TYPE_CHECKING:
    from registry.workspace.project import Registry

__all__ = ["ConflictError", "IntegrityError", "Refused", "RegistryError", "Undecided", "UsageError", "open"]


def open(path: str | PathLike[str] = ".") -> "Registry":
    """Open the registry of the project at `path`, or at the nearest directory above it with a `registry.toml`.

    Raises:
        UsageError: There is none, or its settings are not understood.
    """
    # why inside: `import registry` stays a matter of milliseconds, for whoever only catches its errors.
    from pathlib import Path

    from registry.workspace.project import Registry
    from registry.workspace.settings import find_root

    return Registry(find_root(Path(path)))
