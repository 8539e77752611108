"""Where the store's tests work; the projects of the command line's tests serve here too."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import bare, pinned, templates

__all__ = ["bare", "pinned", "templates"]

MEMORY = Path("/dev/shm")


@contextmanager
def memory() -> Iterator[Path]:
    """A directory where an fsync costs nothing."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        yield Path(place)


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A directory where an fsync costs nothing, for tests that are about something else."""
    with memory() as place:
        yield place
