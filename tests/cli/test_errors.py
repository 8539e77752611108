"""What the command line says where there is no project, and in what form."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import registry
from registry.cli import COMMANDS
from registry.cli.output import columns, size
from registry.errors import RegistryError

ARGUMENTS = {
    "pin": ["x.yaml"],
    "add": ["llm", "x"],
    "show": ["x"],
    "gate": ["x", "--to", "staging"],
    "promote": ["x", "--to", "staging"],
    "rollback": ["staging", "--reason", "x"],
    "bundle": ["x", "y"],
    "pull": ["staging", "y"],
}


def typed(words: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    """Type `registry WORDS` in an empty directory, as somebody without any key."""
    environment = {
        **os.environ,
        "XDG_CONFIG_HOME": str(where / "config"),
        "XDG_STATE_HOME": str(where / "state"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "registry", *words]
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_refuses_to_work_nowhere(name: str, tmp_path: Path) -> None:
    """Without a project, or without a key to found one with: exit 2, what and mend on stderr, nothing written."""
    done = typed([name, *ARGUMENTS.get(name, [])], tmp_path)

    assert 2 == done.returncode
    assert done.stderr.startswith("error: ")
    assert "mend:" in done.stderr
    assert [] == list(tmp_path.iterdir())


def test_an_error_is_one_json_line_where_json_was_asked_for(tmp_path: Path) -> None:
    """A program reads the same what, why and mend as a person."""
    done = typed(["status", "--json"], tmp_path)
    told = json.loads(done.stderr)

    assert ("registry.error/1", "NoProject", 2) == (told["form"], told["kind"], told["exit_code"])


@pytest.mark.parametrize("words", [[], ["key"], ["gate"], ["evidence"], ["policy"], ["ledger"]])
def test_who_names_no_command_is_told_which_there_are(words: list[str], tmp_path: Path) -> None:
    """The help itself and no error around it; exit 2, for nothing was done."""
    done = typed(words, tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("Usage: ")
    assert "Commands:" in done.stderr
    assert "mend:" not in done.stderr


def test_every_error_is_one_of_the_seven_exits() -> None:
    """Whatever goes wrong, the exit code means what the documentation says."""
    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not module.name.startswith(("registry.training", "registry.__main__")):
            importlib.import_module(module.name)

    def below(kind: type[RegistryError]) -> set[type[RegistryError]]:
        return {kind, *(one for child in kind.__subclasses__() for one in below(child))}

    assert {1, 2, 3, 4, 5, 6} >= {kind.exit_code for kind in below(RegistryError)}


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_147_483_648, "2.1 GB")])
def test_sizes_are_read_by_people(count: int, text: str) -> None:
    """Powers of 1000, one decimal."""
    assert text == size(count)


def test_columns_stand_below_each_other() -> None:
    """Plain text that a shell can cut."""
    assert "A   B\nxx  y" == columns(("A", "B"), [("xx", "y")])
