"""What is measured: each contender does the same work on the same bytes, and says what it took."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench_project import REGISTRY, Ran, make_project, run, settle

MLFLOW = """
import sys, time
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[2]}/mlflow.db")
if mlflow.get_experiment_by_name("bench") is None:
    mlflow.create_experiment("bench", artifact_location=f"file://{sys.argv[2]}/artifacts")
mlflow.set_experiment("bench")
with mlflow.start_run():
    began = time.perf_counter()
    if len(sys.argv) > 3:
        mlflow.log_artifacts(sys.argv[1])
    print(time.perf_counter() - began)
"""
PROMOTE = ("promote", "model", "--to", "dev", "--bootstrap", "--reason", "the first")
Seconds = dict[str, float]


def keeping(base: Path, room: Path, turn: int) -> Seconds:
    """Take a model in: what `registry pin`, DVC, MLflow, a hash and a copy take, in seconds; `turn` says who begins."""
    contenders: dict[str, Callable[[Path, Path], Ran | float]] = {
        "registry pin": _pin,
        "dvc add": _dvc_add,
        "mlflow log_artifacts": _mlflow,
        "openssl dgst": _openssl,
        "cp + sync": _copy_and_sync,
    }
    names = list(contenders)
    found = {
        name: _timed(contenders[name], base, room / name.replace(" ", "-"))
        for name in names[turn % len(names) :] + names[: turn % len(names)]
    }
    return {name: found[name] for name in names}


def delivering(base: Path, room: Path) -> Seconds:
    """Hand a model out: what `registry pull`, `dvc checkout` and a copy take for it, cold and warm, in seconds."""
    return {**_pull(base, room / "pull"), **_dvc_checkout(base, room / "dvc"), **_copy(base, room / "copy")}


def starting(room: Path, times: int) -> dict[str, list[float]]:
    """How long commands take that do next to nothing, in seconds."""
    project = room / "start" / "project"
    empty = room / "start" / "empty"
    empty.mkdir(parents=True)
    make_project(project, empty)
    commands = {"registry status": (*REGISTRY, "status"), "dvc --version": ("dvc", "--version")}
    commands["mlflow --version"] = ("mlflow", "--version")
    return {name: [run(words, project).seconds for _ in range(times)] for name, words in commands.items()}


def remembering(base: Path, room: Path) -> dict[str, int]:
    """The most memory that a cold pin and a cold pull have at once, in bytes."""
    project = _project(base, room)
    pinned = run((*REGISTRY, "pin", "manifests/model.json"), project)
    run((*REGISTRY, *PROMOTE), project)
    pulled = run((*REGISTRY, "pull", "dev", str(room / "host")), project)
    shutil.rmtree(room)
    return {"registry pin": pinned.peak, "registry pull": pulled.peak}


def _timed(contender: Callable[[Path, Path], Ran | float], base: Path, room: Path) -> float:
    room.mkdir(parents=True)
    found = contender(base, room)
    shutil.rmtree(room)
    return found.seconds if isinstance(found, Ran) else found


def _project(base: Path, room: Path) -> Path:
    make_project(room / "project", base)
    settle(base)
    return room / "project"


def _pin(base: Path, room: Path) -> Ran:
    """Everything that the command does, start-up and fsyncs included, into an empty store."""
    return run((*REGISTRY, "pin", "manifests/model.json"), _project(base, room))


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


def _mlflow(base: Path, room: Path) -> float:
    """The time of `log_artifacts` alone: into a database that is there, after MLflow's start-up."""
    run((sys.executable, "-c", MLFLOW, str(base), str(room)), room)
    settle(base)
    return float(run((sys.executable, "-c", MLFLOW, str(base), str(room), "log"), room).out)


def _openssl(base: Path, room: Path) -> Ran:
    settle(base)
    return run(("sh", "-c", f"ls '{base}'/*.safetensors | xargs -P2 -n1 openssl dgst -sha256"), room)


def _copy_and_sync(base: Path, room: Path) -> Ran:
    settle(base)
    return run(("sh", "-c", f"cp -r '{base}' copy && sync"), room)


def _pull(base: Path, room: Path) -> Seconds:
    project = _project(base, room)
    run((*REGISTRY, "pin", "manifests/model.json"), project)
    run((*REGISTRY, *PROMOTE), project)
    pull = (*REGISTRY, "pull", "dev", str(room / "host"))
    settle(base)
    cold, warm = run(pull, project).seconds, run(pull, project).seconds
    pin = (*REGISTRY, "pin", "manifests/model.json")
    run(("git", "add", "-A"), project)
    run(("git", "commit", "-q", "-m", "the lock"), project)
    again = run(pin, project).seconds
    shutil.rmtree(room)
    return {"registry pull, cold": cold, "registry pull, warm": warm, "registry pin, warm": again}


def _dvc_checkout(base: Path, room: Path) -> Seconds:
    place, state = _dvc(base, room), str(room / "site")
    run(("dvc", "add", "-q", "model"), place, DVC_SITE_CACHE_DIR=state)
    shutil.rmtree(place / "model")
    settle(base)
    cold, warm = (run(("dvc", "checkout", "-q"), place, DVC_SITE_CACHE_DIR=state).seconds for _ in range(2))
    again = run(("dvc", "add", "-q", "model"), place, DVC_SITE_CACHE_DIR=state).seconds
    shutil.rmtree(room)
    return {"dvc checkout, cold": cold, "dvc checkout, warm": warm, "dvc add, warm": again}


def _copy(base: Path, room: Path) -> Seconds:
    room.mkdir()
    settle(base)
    plain = run(("cp", "-r", str(base), "plain"), room).seconds
    settle(base)
    durable = run(("sh", "-c", f"cp -r '{base}' durable && sync"), room).seconds
    shutil.rmtree(room)
    return {"cp": plain, "cp + sync, after": durable}
