"""A place to run a short Python program: a process of its own, with limits, for code that a model wrote.

Four fences, from the outside in:

1. A process group that is killed when the wall clock runs out, started in an empty directory with an empty environment
   (a fixed hash seed, so that sets have one order), `python -P -s -S`: no site-packages, no path of the caller.
2. Where the host allows it (`unshare`), a network namespace of its own, with no interface up.
3. Limits of the kernel: CPU time, address space, file size, open files, no new process or thread. Started as root, the
   program runs as nobody (unless only root can read the standard library); root is exempt from the process limit.
4. An audit hook that refuses sockets, processes, ctypes and every path outside the empty directory and the standard
   library. It stops careless code with a clear message. Code that sets out to break the interpreter can pass it; the
   first three stay.

What is not fenced: where `unshare` is not allowed, and the fourth fence is broken, the network can be reached and
files that everybody may read can be read. An evaluation of models that nobody trusts belongs on a host that has
nothing to lose.
"""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from registry.errors import RegistryError
from registry.ports import Ran

_READY = b"ready\n"
_TAIL_BYTES = 4096
_STOPPED = frozenset({-signal.SIGXCPU, -signal.SIGKILL})
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C"}

_LAUNCHER = """
import os, resource, sys
def launch(cpu, memory, size, nobody):
    program = sys.stdin.buffer.read()
    limits = {"CPU": cpu, "AS": memory, "FSIZE": size, "NOFILE": 64, "NPROC": 0, "CORE": 0}
    for name, limit in limits.items():
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit + 1 if name == "CPU" else limit))
    if nobody:
        os.chown(".", nobody, nobody)
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)
    here = os.getcwd()
    library = tuple(path.rstrip("/") for path in sys.path if path)
    def inside(path, roots, absolute=os.path.abspath, fsdecode=os.fsdecode):
        path = absolute(fsdecode(path))
        return any(path == root or path.startswith(root + "/") for root in roots)
    closed = ("socket.", "subprocess.", "ctypes.", "os.fork", "os.exec", "os.posix_spawn", "os.system", "os.spawn",
              "os.kill", "pty.", "os.symlink", "os.link", "os.truncate", "sys.remote_exec", "cpython.remote")
    paths = ("os.", "shutil.", "glob.", "pathlib.")
    reads = {"os.listdir", "os.scandir"}
    def hook(event, values):
        if event.startswith(closed):
            raise PermissionError("the sandbox refuses " + event)
        if event == "open":
            path, mode, flags = values
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            if not isinstance(path, int) and not inside(path, (here,) if writes else (here, *library)):
                raise PermissionError("the sandbox refuses to open a path outside its directory")
        elif event.startswith(paths):
            roots = (here, *library) if event in reads else (here,)
            if any(isinstance(v, (str, bytes)) and not inside(v, roots) for v in values):
                raise PermissionError("the sandbox refuses " + event)
    os.write(1, b"ready\\n")
    code = compile(program, "program.py", "exec", dont_inherit=True)
    sys.addaudithook(hook)
    exec(code, {"__name__": "__main__"})
launch(*map(int, sys.argv[1:]))
"""


class SandboxFailed(RegistryError):
    """The sandbox itself could not start the program; this says nothing about the program."""


@dataclass(frozen=True, slots=True)
class LocalSandbox:
    """Runs each program in a fresh process of this host.

    `wall_s` and `cpu_s` are seconds, `memory` bytes of address space, `size` bytes of one file and of all output.
    """

    wall_s: float = 10.0
    cpu_s: int = 2
    memory: int = 512 * 1024 * 1024
    size: int = 1024 * 1024

    def run(self, program: str) -> Ran:
        """Run `program` and tell its exit code and the last 4 KiB that it printed.

        Raises:
            SandboxFailed: The process could not be set up, so nothing of the program ran.
        """
        with tempfile.TemporaryDirectory(prefix="registry-sandbox-", ignore_cleanup_errors=True) as place:
            work, output = Path(place, "work"), Path(place, "output")
            Path(place).chmod(0o711)  # why: so that nobody can walk, but not look, into it
            work.mkdir()
            with output.open("wb") as sink:
                exit_code, is_late = self._run(program.encode("utf-8", "replace"), work, sink.fileno())
            return _told(output, exit_code, is_late=is_late)

    def _run(self, program: bytes, work: Path, sink: int) -> tuple[int, bool]:
        """The exit code, and whether the wall clock ran out; afterwards nothing of the group is alive."""
        limits = (self.cpu_s, self.memory, self.size, _nobody())
        command = [*_wall(), sys.executable, "-P", "-s", "-S", "-X", "utf8", "-c", _LAUNCHER, *map(str, limits)]
        try:
            process = subprocess.Popen(  # noqa: S603  (the command is ours; the program goes in by stdin)
                command,
                cwd=work,
                env=_ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxFailed("the sandbox could not start", why=str(error)) from None
        try:
            process.communicate(program, timeout=self.wall_s)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL, True
        finally:
            _end(process)
        return process.returncode, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group, whoever of it still lives, and reap the leader."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdin:
        process.stdin.close()
    process.wait()


def _told(output: Path, exit_code: int, *, is_late: bool) -> Ran:
    data = output.read_bytes()
    if not data.startswith(_READY) and not is_late:
        why = data[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        raise SandboxFailed("the sandbox could not set its limits", why=why or f"exit code {exit_code}")
    text = data.removeprefix(_READY)[-_TAIL_BYTES:].decode("utf-8", "replace")
    return Ran(exit_code, text, timed_out=is_late or exit_code in _STOPPED)


@cache
def _wall() -> tuple[str, ...]:
    """The command that takes the network away, if this host has one and allows it."""
    tool = shutil.which("unshare")
    if tool is None:
        return ()
    prefix = (tool, "-n") if os.geteuid() == 0 else (tool, "-c", "-n")
    probe = subprocess.run([*prefix, sys.executable, "-V"], capture_output=True, check=False, timeout=10)  # noqa: S603
    return prefix if probe.returncode == 0 else ()


@cache
def _nobody() -> int:
    """The user to become, or 0 to stay: as root, nobody, if nobody can read the standard library."""
    parents = Path(os.__file__).resolve().parents
    is_open = all(parent.stat().st_mode & stat.S_IXOTH for parent in parents)
    return 65534 if os.geteuid() == 0 and is_open else 0
