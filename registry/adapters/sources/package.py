"""The source file of an installed module, by which a verifier is pinned."""

import importlib.util
from pathlib import Path

from registry.adapters.sources.path import check_unchanged, files_at
from registry.core.pin import Source
from registry.core.reference import InPackage, NothingThere
from registry.ports import Found


def find_package(location: InPackage) -> Found:
    """Find the one source file of a module, without importing the module itself.

    Raises:
        NothingThere: There is no such module, or it has no source file.
    """
    try:
        spec = importlib.util.find_spec(location.module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not spec.has_location:
        raise NothingThere(f"there is no module {location.module}")
    origin = Path(spec.origin)
    files = files_at(origin.parent.resolve(), origin.name)
    return Found(files, Source(kind="package", location=location.module), lambda tree: check_unchanged(files))
