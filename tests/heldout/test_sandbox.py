"""The sandbox: what a program may do, and what the fences stop. Real processes, no mocks."""

import os
import socket
import time
from pathlib import Path

import pytest

from registry.adapters.sandbox import LocalSandbox

SANDBOX = LocalSandbox(wall_s=20, cpu_s=1)


def test_a_program_runs_and_its_output_is_told() -> None:
    """Exit code and output come back."""
    ran = SANDBOX.run("print('hello')\nraise SystemExit(7)")

    assert (ran.exit_code, ran.output, ran.timed_out) == (7, "hello\n", False)


def test_the_environment_and_the_directory_are_empty() -> None:
    """Nothing of the caller leaks in but a fixed hash seed and the locale."""
    ran = SANDBOX.run("import os\nprint(sorted(os.environ), os.listdir('.'))")

    assert ran.output == "['LC_ALL', 'PYTHONHASHSEED'] []\n"


def test_a_set_has_one_order() -> None:
    """The hash seed is fixed, so a program is as repeatable as Python allows."""
    program = "print({str(n) for n in range(50)})"

    assert SANDBOX.run(program).output == SANDBOX.run(program).output


def test_files_of_its_own_may_be_written_and_read() -> None:
    """The fresh directory belongs to the program, and is gone afterwards."""
    ran = SANDBOX.run(
        "import os, tempfile\nopen('a', 'w').write('x')\ntempfile.TemporaryFile().close()\nprint(os.getcwd())"
    )

    assert ran.exit_code == 0
    assert not Path(ran.output.strip()).exists()


def test_the_standard_library_is_there_and_nothing_else() -> None:
    """Site packages and the caller's own code cannot be imported."""
    assert SANDBOX.run("import json, re, dataclasses, unittest, decimal, asyncio").exit_code == 0
    assert SANDBOX.run("import pydantic").output.rstrip().endswith("No module named 'pydantic'")
    assert SANDBOX.run("import registry").exit_code == 1


@pytest.mark.parametrize(
    "program",
    [
        "import os; os.fork()",
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.kill(os.getppid(), 9)",
        "import multiprocessing as m; p = m.Process(target=print); p.start()",
        "import socket; socket.socket()",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')",
        "open('/etc/passwd').read()",
        "open('../output').read()",
        "open('/proc/self/environ').read()",
        "import os; os.listdir('/')",
        "import os; os.symlink('/etc/passwd', 'x'); open('x').read()",
        "import os; os.remove('/tmp/something')",
        "import ctypes",
        "x = bytearray(10**10)",
        "open('big', 'wb').write(bytes(10**7))",
        "while True: print('x' * 1000)",
        "def f(): f()\nf()",
        "print(input())",
        "def",
        "a\0b",
        "\ud800 =",
        "(" * 100_000,
    ],
)  # fmt: skip
def test_what_the_fences_stop_fails(program: str) -> None:
    """Processes, sockets, foreign files, too much memory, too much output, and code that is none."""
    ran = SANDBOX.run(program)

    assert ran.exit_code != 0
    assert len(ran.output) <= 4096


def test_endless_work_is_stopped_by_the_cpu_limit() -> None:
    """A loop ends after the CPU time, also where it ignores the signal."""
    assert SANDBOX.run("while True: pass").timed_out
    assert SANDBOX.run("import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass").timed_out


def test_sleep_is_stopped_by_the_wall_clock() -> None:
    """Time that costs no CPU is bounded too."""
    start = time.monotonic()
    ran = LocalSandbox(wall_s=1).run("import time; time.sleep(600)")

    assert ran.timed_out
    assert time.monotonic() - start < 10


def test_nothing_reaches_a_server_on_this_host() -> None:
    """Even past the audit hook's import list, no connection arrives."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(1)
        port = server.getsockname()[1]
        ran = SANDBOX.run(f"import _socket\ns = _socket.socket()\ns.connect(('127.0.0.1', {port}))")

        assert ran.exit_code != 0
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_callers_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable of the caller is not in the child."""
    monkeypatch.setenv("REGISTRY_SECRET", "hunter2")
    ran = SANDBOX.run("import os; print(os.environ.get('REGISTRY_SECRET'))")

    assert ran.output == "None\n"
    assert os.environ["REGISTRY_SECRET"] == "hunter2"
