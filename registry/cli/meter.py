"""Showing how far a transfer is: a bar on a terminal, once it takes longer than a second, and nothing elsewhere."""

import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from registry.errors import RegistryError

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE_S = 1.0


class Stopped(RegistryError):
    """Somebody pressed Ctrl-C, so nothing more is moved."""


class Bar:
    """A `Meter` that a person can watch, and stop. Use it in a `with` block, in the main thread."""

    def __init__(self) -> None:
        """Begin to count; nothing is shown yet."""
        self._began, self._lock = time.monotonic(), threading.Lock()
        self._expected = self._moved = 0
        self._shown: Progress | None = None
        self._is_stopped = False

    def __enter__(self) -> "Bar":
        # why: threads that carry blobs hear of no Ctrl-C, and the command would wait for each to end its blob.
        self._before = signal.signal(signal.SIGINT, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        with self._lock:
            if self._shown:
                self._shown.stop()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def expect(self, size_bytes: int) -> None:
        """So much is to be carried in all."""
        with self._lock:
            self._expected = size_bytes

    def moved(self, size_bytes: int) -> None:
        """Count, and show.

        Raises:
            Stopped: Somebody wants it to end.
        """
        if self._is_stopped:
            raise Stopped("the transfer was stopped")
        with self._lock:
            self._moved += size_bytes
            if self._shown is None and self.seconds > _PATIENCE_S and sys.stderr.isatty():
                self._shown = _bar(self._expected)
            if self._shown:
                self._shown.update(self._shown.task_ids[0], completed=min(self._moved, self._expected))

    def _stop(self, *_: object) -> NoReturn:
        self._is_stopped = True
        raise KeyboardInterrupt


def _bar(expected: int) -> "Progress":
    # why here: importing rich takes as long as all the rest of a short transfer.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    shown.add_task("carrying", total=expected)
    shown.start()
    return shown
