"""What is measured with: a made-up model of the wanted size, and a small project whose config names it."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
FILES = 50
SETTLE_S = 0.1
QUIET_CORES = 0.2
QUIET_TRIES = 20
REGISTRY = (sys.executable, "-m", "registry")
SLICE = """\
form: registry.slice/1
name: sums
behaviour: adding
max_new_tokens: 8
verifiers:
- {name: tag, arguments: {tag: answer}}
"""
GATE = 'form: registry.gate/1\nstage: dev\nrules: ["success@1(sums).point >= 0.5"]\n'
CONFIG = {"llm_sha": "models/base", "tokenizer_sha": "models/tokenizer"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took, its children's share included, and what it printed.

    `seconds` of wall time, `work` in seconds of all cores in user and system mode, `peak` bytes of memory.
    """

    seconds: float
    work: float
    peak: int = 0
    out: str = ""


class CommandFailed(Exception):
    """A measured command did not succeed, so there is nothing to measure."""


def run(command: Sequence[str], place: Path, **more: str) -> Ran:
    """Run `command` in `place` with an environment of its own, and time it.

    Raises:
        CommandFailed: It did not exit with 0.
    """
    with (place.parent / "talk").open("w+") as talk:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=place, env=environment(place.parent) | more, stdout=subprocess.PIPE, stderr=talk, text=True
        )
        try:
            out = process.stdout.read() if process.stdout else ""
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        talk.seek(0)
        if process.returncode != 0:
            raise CommandFailed(f"{' '.join(command)}: exit code {process.returncode}\n{out}{talk.read()}")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Ran(seconds, used.ru_utime + used.ru_stime, peak, out)


def environment(home: Path) -> dict[str, str]:
    """A home that nothing was ever done in, and no word to anybody's statistics."""
    who = {f"GIT_{role}_{part}": "bench" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    quiet = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    places = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "XDG_CACHE_HOME": str(home / "cache")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", **who, **quiet, **places}


def make_base(directory: Path, size: int) -> None:
    """Write a base of about `size` bytes in safetensors files: one with half of it, and fifty with the rest.

    Of 10 GB that is a file of 5 GB, and fifty of 100 MB. No two pieces are alike.
    """
    directory.mkdir(parents=True)
    block = random.Random("bench").randbytes(MIB)  # noqa: S311 - filler
    index, first = {}, 0
    for number in range(FILES + 1):
        name = f"model-{number + 1:05}-of-{FILES + 1:05}.safetensors"
        count = max(1, size // 2 // MIB // (1 if number == 0 else FILES))
        tensor = f"model.layers.{number}.mlp.down_proj.weight"
        index[tensor] = name
        info = {"dtype": "U8", "shape": [count, MIB], "data_offsets": [0, count * MIB]}
        header = json.dumps({tensor: info}, separators=(",", ":")).encode()
        with (directory / name).open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            for piece in range(first, first + count):
                file.write(piece.to_bytes(8, "little") + block[8:])
        first += count
    write(directory / "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": index}))
    write(directory / "config.json", json.dumps({"model_type": "llama", "hidden_size": MIB}))


def make_small(directory: Path, count: int) -> None:
    """Write `count` small files, a thousand in a directory, of 0.2 to 3 kB; no two are alike."""
    dice = random.Random("small")  # noqa: S311 - filler
    for number in range(count):
        text = json.dumps({"id": number, "text": dice.randbytes(dice.randint(100, 1500)).hex()})
        write(directory / f"{number // 1000:04}" / f"{number:07}.json", text)


def make_project(place: Path, base: Path) -> None:
    """Make a git repository at `place` with a founded registry and a config `model` whose base is `base`, linked."""
    shutil.copytree(base, place / "models" / "base", copy_function=os.link)
    write(place / "models" / "tokenizer" / "tokenizer.json", '{"version":"1.0"}')
    write(place / "models" / "tokenizer" / "tokenizer_config.json", '{"eos_token":"</s>"}')
    write(place / "manifests" / "model.json", json.dumps({"name": "model", **CONFIG}))
    write(place / "manifests" / "heldout" / "sums" / "slice.yaml", SLICE)
    case = json.dumps({"expect": {"answer": "3"}, "id": "sums-1", "prompt": "1+2?"}, separators=(",", ":"))
    write(place / "manifests" / "heldout" / "sums" / "cases.jsonl", f"{case}\n")
    write(place / "manifests" / "gates" / "dev.yaml", GATE)
    write(place / ".gitignore", "models/\n")
    run(("git", "init", "-q"), place)
    if not (place.parent / "config").exists():
        run((*REGISTRY, "key", "new"), place)
    run((*REGISTRY, "init"), place)
    run(("git", "add", "-A"), place)
    run(("git", "commit", "-q", "-m", "a project to measure with"), place)
    time.sleep(SETTLE_S)


def settle(base: Path) -> None:
    """Let the disk finish what others began, and give everybody the same memory to start with.

    A virtual machine pays for memory that it has not used for a while when it touches it again; whoever came first in a
    round would pay for all. So as many bytes are written, as one file, and removed before each measurement, untimed;
    and `base` is read once. Where others work on the machine, we wait for a quiet moment, up to twenty seconds.
    """
    touched = base.parent / "touched"
    for place in (touched, Path(os.devnull)):  # why twice: what was written may have pushed what is read out of memory
        with place.open("wb") as file:
            for path in base.rglob("*"):
                if path.is_file():
                    with path.open("rb") as content:
                        shutil.copyfileobj(content, file, MIB)
        touched.unlink(missing_ok=True)
    os.sync()
    for _ in range(QUIET_TRIES):
        before = _busy_ticks()
        time.sleep(1)
        if (_busy_ticks() - before) / os.sysconf("SC_CLK_TCK") < QUIET_CORES:
            return


def _busy_ticks() -> int:
    """Ticks that all cores together have worked since the start of the machine; 0 where nobody says."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0
    user, nice, system, _idle, _wait, *rest = (int(word) for word in stat.read_text("utf-8").split("\n")[0].split()[1:])
    return user + nice + system + sum(rest[:3])


def write(path: Path, text: str) -> None:
    """Write a small file and the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
