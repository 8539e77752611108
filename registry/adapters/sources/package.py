"""The source files of modules of this package, by which verifiers are pinned."""

import importlib.util
from dataclasses import replace
from pathlib import Path

from registry.adapters.sources.path import PathFile, check_unchanged, files_at
from registry.core.pin import Source
from registry.core.reference import InPackage, NothingThere
from registry.ports import Found


def find_package(location: InPackage) -> Found:
    """Find one source file for each module, without importing the modules.

    The files are called by their paths from the directory that holds the package, as `registry/core/tree.py`.

    Raises:
        NothingThere: There is no such module, or it has no source file.
    """
    files = [_file(module) for module in location.modules]
    return Found(
        files, Source(kind="package", location=",".join(location.modules)), lambda tree: check_unchanged(files)
    )


def _file(module: str) -> PathFile:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not spec.has_location:
        raise NothingThere(f"there is no module {module}")
    origin = Path(spec.origin)
    (found,) = files_at(origin.parent.resolve(), origin.name)
    return replace(found, path=f"{module.replace('.', '/')}.py")
