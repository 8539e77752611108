"""Faults at single calls of the system: the N-th call of a class fails with an error, or the process is killed there.

`strace` counts for each thread of its own, so with N every thread is struck at its N-th call.
"""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.crash.scenes import VERBS, Scene
from tests.crash.victim import Ended, Victims

CLASSES: dict[str, str] = {
    "open": "openat",
    "read": "read,pread64",
    "list": "getdents64",
    "stat": "newfstatat,fstat,lstat,stat,statx",
    "write": "write,pwrite64",
    "sync": "fsync,fdatasync,syncfs",
    "link": "link,linkat,symlink,symlinkat",
    "rename": "rename,renameat,renameat2",
    "unlink": "unlink,unlinkat,rmdir",
    "mkdir": "mkdir,mkdirat",
    "mode": "fchmod,chmod,fchmodat,utimensat",
    "lock": "flock",
    "close": "close",
    "net": "connect,sendto,recvfrom,sendmsg,recvmsg,writev,readv",
}
"""Calls of the system by what they do."""

MUTATING = ("write", "sync", "link", "rename", "unlink", "mkdir", "mode", "close")
LINE_ERRORS = ("ECONNRESET", "EIO", "gone")
"""What a line does: it breaks once, or from a call on for good."""

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR")
WHY_NOT = (
    None
    if shutil.which("strace") and os.geteuid() == 0
    else "strace is not installed, or may not be attached without root, so no single call can be struck"
)
_CALL = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)
_CLASS_OF = {call: kind for kind, calls in CLASSES.items() for call in calls.split(",")}


@dataclass(frozen=True, slots=True)
class Point:
    """Strike `verb` at its `number`-th call of the class `kind`: with an error, or SIGKILL."""

    verb: str
    kind: str
    number: int
    strike: str

    @property
    def injection(self) -> str:
        """As strace reads it. A call that is killed is not done; the one that fails is not either."""
        if self.strike == "gone":
            return f"inject={CLASSES[self.kind]}:error=ENETUNREACH:when={self.number}+"
        how = "signal=KILL" if self.strike == "KILL" else f"error={self.strike}"
        return f"inject={CLASSES[self.kind]}:{how}:when={self.number}"


def count_calls(scene: Scene, victims: Victims, log: Path) -> dict[str, int]:
    """How many calls of each class the verb makes, in the thread that makes most of them; the scene is used up."""
    ended = _traced(scene, victims, f"trace={','.join(CLASSES.values())}", log)
    assert ended.code == 0, ended
    called = [(thread, _CLASS_OF[call]) for thread, call in _CALL.findall(log.read_text())]
    counts = Counter(called)
    return {kind: max((count for (_, k), count in counts.items() if k == kind), default=0) for kind in CLASSES}


def strike(scene: Scene, victims: Victims, point: Point, log: Path) -> tuple[Ended, bool]:
    """Run the verb of `scene` and strike it; how it ended, and whether there was such a call."""
    ended = _traced(scene, victims, f"trace={CLASSES[point.kind]}", log, "-e", point.injection)
    told = log.read_text()
    return ended, "(INJECTED)" in told or ended.code == -signal.SIGKILL


def _traced(scene: Scene, victims: Victims, trace: str, log: Path, *more: str) -> Ended:
    project = scene.project
    with scene.served():
        pid = victims.start(project.root, project.environment, *VERBS[scene.verb], is_stopped=True)
        words = ["strace", "-f", "-o", str(log), "-p", str(pid), "-e", trace, "-e", "signal=none", *more]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr
            first = tracer.stderr.readline()
            assert "attached" in first, first
            os.kill(pid, signal.SIGCONT)
            ended = victims.end(pid)
            tracer.stderr.read()
    return ended
