"""Runs `registry WORDS` in a fork of a warm process, so that thousands of them can be struck, each in its own way.

A fork has imported everything already: what a tracer counts from there on are the calls of the command itself. `serve`
is the process that is forked, `Victims` talks to it, a JSON document a line.
"""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

HUNG_S = 60.0
"""After this long a command counts as hung, and is killed."""

HUNG = 255
"""The exit code of one that hung."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, or minus the signal that killed it; and what it said."""

    code: int
    out: str
    err: str
    took_s: float


class Victims:
    """A warm process that is forked for each command."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it."""
        words = [sys.executable, "-m", "tests.crash.victim"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=dict(environment))

    def run(self, root: Path, environment: Mapping[str, str], *words: str, **how: Any) -> Ended:
        """Run `registry WORDS` in `root` to its end; `how` are the options of `start`."""
        return self.end(self.start(root, environment, *words, **how))

    def start(
        self,
        root: Path,
        environment: Mapping[str, str],
        *words: str,
        is_stopped: bool = False,
        kill_after_s: float | None = None,
        short_writes: int | None = None,
    ) -> int:
        """Begin `registry WORDS` in `root`, and say its process id.

        Args:
            root: Where it works.
            environment: All of its environment.
            words: What is typed.
            is_stopped: It waits for SIGCONT before it does anything, so that a tracer can be attached.
            kill_after_s: It is killed when it has run for so long.
            short_writes: Each write takes only a part of its bytes, drawn from this seed.
        """
        how = {"is_stopped": is_stopped, "kill_after_s": kill_after_s, "short_writes": short_writes}
        return int(self._ask({"root": str(root), "environment": dict(environment), "words": words, **how})["pid"])

    def end(self, pid: int) -> Ended:
        """Wait for the end of the command that was started last."""
        return Ended(**self._ask({"wait": pid}))

    def close(self) -> None:
        """End the warm process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def victims(environment: Mapping[str, str]) -> Iterator[Victims]:
    """A warm process for the time of the block."""
    process = Victims(environment)
    try:
        yield process
    finally:
        process.close()


def serve() -> None:
    """Fork for each command that is asked for on stdin, until that ends."""
    import_all()
    begun: dict[int, tuple[dict[str, Any], tuple[int, int, int], float]] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = _wait(order["wait"], *begun.pop(order["wait"]))
        else:
            out, err, known = (os.memfd_create(name) for name in ("out", "err", "known"))
            pid = os.fork() or _be(order, out, err, known)
            if order["is_stopped"]:
                os.waitpid(pid, os.WUNTRACED)
            begun[pid], answer = (order, (out, err, known), time.monotonic()), {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def import_all() -> None:
    """Import what commands import when they need it; what else they do, the first unharmed one of a kind tells.

    Where the interpreter cannot read a module it falls over, and so it should; nobody is struck there.
    """
    import pkgutil

    import registry

    heavy = ("registry.training", "registry.adapters.engines", "registry.adapters.mirrors")
    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not module.name.startswith(heavy) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # why: so that files are made in batches here, where there are few.
    for many in ("stores.directory", "hosts.filling"):
        importlib.import_module(f"registry.adapters.{many}").FEW = 0  # type: ignore[attr-defined]
    # why: so that what a user recalls of a ledger is written and read here, where ledgers are short.
    importlib.import_module("registry.verbs.reading").NEWS = 1  # type: ignore[attr-defined]


def _be(order: dict[str, Any], out: int, err: int, known: int) -> NoReturn:
    """Be the command; this process ends here."""
    from registry.cli import main

    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(order["root"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["registry", *order["words"]]
    if order["short_writes"] is not None:
        _write_short(random.Random(order["short_writes"]))
    if order["is_stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:  # noqa: BLE001 - as the interpreter does it
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    if code == 0 and _is_unharmed(order):
        os.write(known, "\n".join(sys.modules).encode())
    os._exit(code)


def _is_unharmed(order: dict[str, Any]) -> bool:
    return not order["is_stopped"] and order["kill_after_s"] is None and order["short_writes"] is None


def _write_short(draw: random.Random) -> None:
    real = os.write

    def write(fd: int, data: Any) -> int:
        view = memoryview(data)
        return real(fd, view[: draw.randint(1, len(view))] if len(view) else view)

    os.write = write


def _wait(pid: int, order: dict[str, Any], said: tuple[int, int, int], began: float) -> dict[str, Any]:
    limit = order["kill_after_s"] if order["kill_after_s"] is not None else HUNG_S
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() - began > limit:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    took_s = time.monotonic() - began
    code = os.waitstatus_to_exitcode(ended[1])
    is_hung = code == -signal.SIGKILL and order["kill_after_s"] is None and took_s > HUNG_S
    out, err, known = map(_read, said)
    for name in known.split("\n"):
        if name and name not in sys.modules:
            with suppress(ImportError):
                importlib.import_module(name)  # why: the next fork has it, so that no call of an import is struck
    return {"code": HUNG if is_hung else code, "out": out, "err": err, "took_s": took_s}


def _read(fd: int) -> str:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(fd, "rb") as said:
        return said.read().decode(errors="replace")


if __name__ == "__main__":
    serve()
