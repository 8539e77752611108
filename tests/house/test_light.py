"""What a deployment host or an on-call person runs stays light."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from registry.cli import COMMANDS, GROUPS, command_line

HEAVY = {"torch", "mlflow", "dvc", "scipy", "numpy", "transformers", "peft", "huggingface_hub", "git", "pandas"}
SLOW = {"asyncio", "http", "lark", "multiprocessing", "rich", "sqlite3", "ssl", "unittest", "yaml"}
"""What is always there, and takes as long to import as all that `registry status` does."""

PROGRAM = """
import sys
sys.argv = ["registry", *{words!r}]
from registry.cli import command_line
try:
    command_line(sys.argv[1:])(standalone_mode=False)
except BaseException as error:
    if type(error).__name__ not in ("Exit", "SystemExit", "NoProject"):
        raise
print(*sys.modules, file=sys.stderr)
"""
ROOT = Path(__file__).parents[2]
MOST = 75
"""How many modules of our own `registry status` may import: each takes a third of a millisecond or more."""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["status"],
        ["log"],
        ["rollback", "staging", "--reason", "x"],
        ["rollback", "staging", "--drill"],
        ["at", "staging", "--time", "#1"],
        ["hold", "staging", "--reason", "x"],
        ["verify"],
    ],
)
def test_no_heavy_library_is_imported_where_none_is_needed(words: list[str]) -> None:
    """The commands of a bad night start at once, and run where only the slim core is installed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(words=words)], cwd="/", capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stderr
    assert set() == HEAVY & {name.partition(".")[0] for name in done.stderr.split()}


def test_the_status_is_told_by_few_modules(tmp_path: Path) -> None:
    """In a project, too: no other command is imported, nothing slow, and of our own no more than a share."""
    (project := tmp_path / "project").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_STATE_HOME": str(tmp_path / "state")}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, check=True
        )
        return done.stderr

    run("-m", "registry", "key", "new")
    run("-m", "registry", "init")
    found = run("-c", PROGRAM.format(words=["status"])).split()
    ours = [name for name in found if name.startswith("registry.")]
    commands = {name for name in ours if name.startswith("registry.cli.")}

    assert "registry.adapters.ledgers.directory" in ours, "the ledger was not read"
    assert {"registry.cli.output", "registry.cli.project", "registry.cli.status"} == commands
    assert set() == (HEAVY | SLOW) & {name.partition(".")[0] for name in found}
    assert MOST >= len(ours)


def test_every_command_is_found_by_its_name() -> None:
    """Which module has it stands in a table; all of them are shown, and each alone is the same."""
    everything = typer.main.get_command(command_line([]))
    names = {*COMMANDS, *GROUPS}

    assert names == set(everything.commands)  # type: ignore[attr-defined] # it is a group
    for name in names:
        alone = typer.main.get_command(command_line(["-C", "x", name]))
        assert [name] == list(alone.commands)  # type: ignore[attr-defined] # it is a group


@pytest.mark.parametrize("words", [[], ["-C"], ["-C", "status"], ["--version", "status"], ["stauts", "status"]])
def test_without_a_command_in_the_first_place_all_are_known(words: list[str]) -> None:
    """So that a word which is none can be told from one that was misspelled."""
    found = typer.main.get_command(command_line(words))

    assert {*COMMANDS, *GROUPS} == set(found.commands)  # type: ignore[attr-defined] # it is a group


def test_importing_the_package_imports_no_more_than_its_errors() -> None:
    """A program that only catches our errors does not pay for the rest."""
    code = "import registry, sys; print(*[name for name in sys.modules if name.startswith('registry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"registry", "registry.errors"} == set(done.stdout.split())
