"""kill -9 at any moment of pin, promote, rollback and pull: nothing is damaged, and done again it succeeds."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.workspace.project import Registry
from tests.crash.project import Project, make_project

ROUNDS = int(os.environ.get("REGISTRY_CRASH_ROUNDS", "4"))
"""Kills at a random time for each command. Of the calls below every sixth is struck, and each from 24 rounds on."""

STRIDE = max(1, 24 // ROUNDS)
CALLS = ("fsync", "/^link", "/^rename", "/^unlink")
COMMANDS = {
    "pin": ("pin", "manifests/two.json"),
    "promote": ("promote", "one", "--to", "dev", "--bootstrap", "--reason", "the first"),
    "rollback": ("rollback", "dev", "--reason", "the second is worse"),
    "pull": ("pull", "dev", "host"),
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each command a project in which it has something to do."""
    pinned = tmp_path_factory.mktemp("pinned")
    project = make_project(pinned, wide=256)
    project.run("pin", "manifests/one.json")
    project.commit()
    promoted = tmp_path_factory.mktemp("promoted") / "it"
    shutil.copytree(pinned, promoted, symlinks=True)
    at(promoted).run(*COMMANDS["promote"])
    twice = tmp_path_factory.mktemp("twice") / "it"
    shutil.copytree(promoted, twice, symlinks=True)
    _serve_two(at(twice))
    return {"pin": pinned, "promote": pinned, "pull": promoted, "rollback": twice}


def at(parent: Path) -> Project:
    """The project below `parent`."""
    return Project(parent / "project", parent / "project" / ".registry")


def _serve_two(project: Project) -> None:
    """Let dev serve `two` after `one`. There is no evidence for a GO here, so the entry is written past the gate."""
    from registry.core.ledger.entry import Promote
    from registry.core.ledger.text import moment_of
    from registry.verbs.append import append

    project.run("pin", "manifests/two.json")
    project.commit()
    registry = project.registry
    state, doors = registry.state, registry.doors
    verdict = registry.gate("two", "dev")
    entry = Promote(
        index=state.next_index,
        previous=state.head.digest,
        stage="dev",
        stage_previous=state.tips["dev"],
        actor="tester",
        at=moment_of(doors["clock"].now()),
        manifest=state.resolve("two"),
        generation=2,
        replaces=state.resolve("one"),
        verdict=verdict.digest,
        answer="GO",
        basis="gate",
    )
    append(lambda _: entry, ledger=doors["ledger"], genesis=doors["genesis"], signer=doors["signer"])


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_at_any_time_nothing_is_lost(command: str, templates: dict[str, Path], tmp_path: Path) -> None:
    """At a time drawn from a little more than the command takes, so that some are killed and some are done."""
    draw = random.Random(f"kill {command}")
    began = time.monotonic()
    _fresh(templates[command], tmp_path / "timed").run(*COMMANDS[command])
    takes_s = time.monotonic() - began
    killed = 0
    for number in range(ROUNDS):
        project = _fresh(templates[command], tmp_path / str(number))
        process = project.command(*COMMANDS[command])
        try:
            process.communicate(timeout=draw.uniform(0.3, 1.1) * takes_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
        _check(project, command)

    assert killed


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed, so no single call can be struck")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_a_call_nothing_is_lost(command: str, call: str, templates: dict[str, Path], tmp_path: Path) -> None:
    """At each call in turn that makes something durable or gives it a name, before the call is done."""
    struck = 0
    for number in _points():
        project = _fresh(templates[command], tmp_path / str(number))
        inject = f"inject={call}:signal=KILL:when={number}"
        # why without --seccomp-bpf: with it, strace 6.1 sends no signals.
        under = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        process = project.command(*COMMANDS[command], under=under)
        out, err = process.communicate(timeout=120)
        if process.returncode == 0:
            break
        assert process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), out + err
        struck += 1
        _check(project, command)

    assert struck or call != "fsync"  # why: not every command has the other calls


def _points() -> Iterator[int]:
    """Which calls are struck: the first, and from there on every so many."""
    yield from range(1, 1000, STRIDE)


def _fresh(template: Path, parent: Path) -> Project:
    shutil.copytree(template, parent, symlinks=True)
    return at(parent)


def _check(project: Project, command: str) -> None:
    """After the kill all is sound, nothing half done is shown, and the same command succeeds."""
    registry = project.registry
    report = registry.verify()
    assert report.is_clean, report
    if not (command == "rollback" and _is_done(registry)):
        project.run(*COMMANDS[command])
    report = registry.verify()
    assert report.is_clean, report
    if command != "pull":
        assert not [stray for stray in report.strays if "unfinished" in stray], "litter was left"
    if command == "pull":
        project.run(*COMMANDS["pull"])


def _is_done(registry: Registry) -> bool:
    """Whether the rollback was written down before the kill; a second one would go forth again."""
    return len(registry.state.generations("dev")) == 3
