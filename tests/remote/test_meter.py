"""The bar: for people who wait, and for nobody else."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from registry.cli.meter import Bar

ROOT = Path(__file__).parents[2]
PROGRAM = """
import time
from registry.cli.meter import Bar
with Bar() as bar:
    bar.expect(40_000_000)
    for _ in range(8):
        time.sleep({pause})
        bar.moved(5_000_000)
"""


def on_a_terminal(pause: str) -> str:
    """What the bar shows where stderr is a terminal."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-c", PROGRAM.format(pause=pause)]
    with os.fdopen(reader, "rb", buffering=0) as shown:
        subprocess.run(command, env=environment, stderr=writer, check=True, timeout=60)
        os.set_blocking(reader, False)
        os.close(writer)
        try:
            return (shown.read(1 << 16) or b"").decode()
        except OSError:
            return ""  # why: an empty terminal that is closed is an error to read


@pytest.mark.slow
def test_a_long_transfer_shows_bytes_and_bandwidth() -> None:
    """How far it is, and how fast."""
    found = on_a_terminal("0.3")

    assert "40.0 MB" in found
    assert "MB/s" in found


def test_a_short_transfer_shows_nothing() -> None:
    """Within a second nobody asks."""
    assert "" == on_a_terminal("0")


STOPPED = """
import os, signal
from concurrent.futures import ThreadPoolExecutor
from registry.cli.meter import Bar
with Bar() as bar, ThreadPoolExecutor(2) as threads:
    def carry(number):
        while True:
            bar.moved(1)
    carried = list(map(lambda number: threads.submit(carry, number), range(2)))
    os.kill(os.getpid(), signal.SIGINT)
    carried[0].result()
"""


def test_ctrl_c_ends_the_threads_too() -> None:
    """They are told by the meter at the next piece; else the command would wait for the last byte."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", STOPPED], env=environment, capture_output=True, text=True, timeout=30)

    assert -signal.SIGINT == done.returncode
    assert "KeyboardInterrupt" in done.stderr


def test_a_pipe_gets_no_bar(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no terminal is read by a program or kept in a file."""
    monkeypatch.setattr("registry.cli.meter._PATIENCE_S", -1)
    with Bar() as bar:
        bar.expect(10)
        bar.moved(10)

    assert ("", "") == capfd.readouterr()
