"""What is measured: each contender does the same work on the same bytes, and says what it took."""

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench_project import REGISTRY, Ran, make_base, make_project, make_small, run, settle

MLFLOW = """
import sys, time
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[2]}/mlflow.db")
if mlflow.get_experiment_by_name("bench") is None:
    mlflow.create_experiment("bench", artifact_location=f"file://{sys.argv[2]}/artifacts")
mlflow.set_experiment("bench")
with mlflow.start_run():
    began = time.perf_counter(), time.process_time()
    if len(sys.argv) > 3:
        mlflow.log_artifacts(sys.argv[1])
    print(time.perf_counter() - began[0], time.process_time() - began[1])
"""
PROMOTE = ("promote", "model", "--to", "dev", "--bootstrap", "--reason", "the first")
PIN = (*REGISTRY, "pin", "manifests/model.json")
Costs = dict[str, Ran]
Contender = Callable[[Path, Path], Ran]


def keeping(base: Path, room: Path, turn: int) -> Costs:
    """Take a model in: what `registry pin`, DVC, MLflow, a hash and a copy take; `turn` says who begins."""
    contenders = {
        "registry pin": _pin,
        "dvc add": _dvc_add,
        "mlflow log_artifacts": _mlflow,
        "openssl dgst": _openssl,
        "cp + sync": _copy_and_sync,
    }
    return _each(contenders, base, room, turn=turn)


def many_small(base: Path, room: Path, turn: int) -> Costs:
    """The same for a tree of many small files, as far as there is a target; what they made stays in `room`.

    An ext4 without a journal looks twice at each inode that was freed in the last minutes before it uses it again, so
    who came after a large removal would pay for it.
    """
    contenders = {
        "registry pin, small files": _pin,
        "dvc add, small files": _dvc_add,
        "cp + sync, small files": _copy_and_sync,
    }
    return _each(contenders, base, room / str(turn), turn=turn, is_kept=True)


def sharing(base: Path, disk: Path, turn: int) -> Costs:
    """Take a model in on a file system that can share blocks; `base` is on another one."""
    here = disk / "base"
    if not here.exists():
        shutil.copytree(base, here)
    names = {"registry pin, shared blocks": _pin, "openssl dgst, there": _openssl}
    return _each(names, here, disk / "keep", turn=turn)


def delivering(base: Path, room: Path) -> Costs:
    """Hand a model out, do it again, take it in again and check it: what the registry, DVC and a copy take."""
    return {**_pull(base, room / "pull"), **_dvc_checkout(base, room / "dvc"), **_copy(base, room / "copy")}


def remembering(room: Path, files: int) -> Costs:
    """What each command takes over a model of which so many small files are a part, one after the other."""
    base, project = room / "base", room / "project"
    make_base(base, 0)
    make_small(base / "small", files)
    make_project(project, base)
    kept, host, copy = project / ".registry", str(room / "host"), str(room / "copy")
    found = {"pin": run(PIN, project)}
    run(("git", "add", "-A"), project)
    run(("git", "commit", "-q", "-m", "the lock"), project)
    run((*REGISTRY, *PROMOTE), project)
    for name, *words in (
        ("pin, warm", "pin", "manifests/model.json"),
        ("pull", "pull", "dev", host),
        ("pull, warm", "pull", "dev", host),
        ("verify", "verify"),
        ("gc", "gc"),
        ("push", "push", copy),
        ("push, warm", "push", copy),
    ):
        found[name] = run((*REGISTRY, *words), project)
    shutil.rmtree(kept / "blobs")
    found["fetch"] = run((*REGISTRY, "fetch", copy), project)
    shutil.rmtree(room)
    return {f"registry {name}, {files:,} files": took for name, took in found.items()}


def starting(room: Path, times: int) -> dict[str, list[float]]:
    """How long commands take that do next to nothing, in seconds."""
    project = room / "start" / "project"
    empty = room / "start" / "empty"
    empty.mkdir(parents=True)
    make_project(project, empty)
    commands = {"registry status": (*REGISTRY, "status"), "dvc --version": ("dvc", "--version")}
    commands["mlflow --version"] = ("mlflow", "--version")
    return {name: [run(words, project).seconds for _ in range(times)] for name, words in commands.items()}


def _each(contenders: Mapping[str, Contender], base: Path, room: Path, *, turn: int, is_kept: bool = False) -> Costs:
    names = list(contenders)
    found = {}
    for name in names[turn % len(names) :] + names[: turn % len(names)]:
        place = room / name.replace(" ", "-").replace(",", "")
        place.mkdir(parents=True)
        found[name] = contenders[name](base, place)
        if not is_kept:
            shutil.rmtree(place)
    return {name: found[name] for name in names}


def _project(base: Path, room: Path) -> Path:
    make_project(room / "project", base)
    settle(base)
    return room / "project"


def _pin(base: Path, room: Path) -> Ran:
    """Everything that the command does, start-up and fsyncs included, into an empty store."""
    return run(PIN, _project(base, room))


def _dvc(base: Path, room: Path) -> Path:
    """A new DVC repository with a copy of the model, and a state directory that is empty."""
    place = room / "repository"
    shutil.copytree(base, place / "model")
    for words in (("git", "init", "-q"), ("dvc", "init", "-q")):
        run(words, place, DVC_SITE_CACHE_DIR=str(room / "site"))
    settle(base)
    return place


def _dvc_add(base: Path, room: Path) -> Ran:
    return run(("dvc", "add", "-q", "model"), _dvc(base, room), DVC_SITE_CACHE_DIR=str(room / "site"))


def _mlflow(base: Path, room: Path) -> Ran:
    """The time of `log_artifacts` alone: into a database that is there, after MLflow's start-up."""
    run((sys.executable, "-c", MLFLOW, str(base), str(room)), room)
    settle(base)
    seconds, work = run((sys.executable, "-c", MLFLOW, str(base), str(room), "log"), room).out.split()[-2:]
    return Ran(float(seconds), float(work))


def _openssl(base: Path, room: Path) -> Ran:
    settle(base)
    return run(("sh", "-c", f"ls '{base}'/*.safetensors | xargs -P2 -n1 openssl dgst -sha256"), room)


def _copy_and_sync(base: Path, room: Path) -> Ran:
    settle(base)
    return run(("sh", "-c", f"cp -r '{base}' copy && sync"), room)


def _pull(base: Path, room: Path) -> Costs:
    project = _project(base, room)
    run(PIN, project)
    run((*REGISTRY, *PROMOTE), project)
    pull = (*REGISTRY, "pull", "dev", str(room / "host"))
    settle(base)
    _read(project / ".registry" / "blobs")
    found = {"registry pull, cold": run(pull, project), "registry pull, warm": run(pull, project)}
    run(("git", "add", "-A"), project)
    run(("git", "commit", "-q", "-m", "the lock"), project)
    found["registry pin, warm"] = run(PIN, project)
    shutil.rmtree(room / "host")
    _read(project / ".registry" / "blobs")
    found["registry verify"] = run((*REGISTRY, "verify"), project)
    shutil.rmtree(room)
    return found


def _read(place: Path) -> None:
    """Bring `place` into the page cache, where what the others copy from is: `pin` writes past it."""
    run(("sh", "-c", f"find '{place}' -type f -exec cat {{}} + >/dev/null"), place)


def _dvc_checkout(base: Path, room: Path) -> Costs:
    place, state = _dvc(base, room), str(room / "site")
    run(("dvc", "add", "-q", "model"), place, DVC_SITE_CACHE_DIR=state)
    shutil.rmtree(place / "model")
    settle(base)
    cold, warm = (run(("dvc", "checkout", "-q"), place, DVC_SITE_CACHE_DIR=state) for _ in range(2))
    again = run(("dvc", "add", "-q", "model"), place, DVC_SITE_CACHE_DIR=state)
    shutil.rmtree(room)
    return {"dvc checkout, cold": cold, "dvc checkout, warm": warm, "dvc add, warm": again}


def _copy(base: Path, room: Path) -> Costs:
    room.mkdir()
    settle(base)
    plain = run(("cp", "-r", str(base), "plain"), room)
    shutil.rmtree(room / "plain")
    settle(base)
    durable = run(("sh", "-c", f"cp -r '{base}' durable && sync"), room)
    shutil.rmtree(room)
    return {"cp": plain, "cp + sync, after": durable}
