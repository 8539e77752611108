"""What a deployment host or an on-call person runs stays light."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "mlflow", "dvc", "scipy", "numpy", "transformers", "peft", "huggingface_hub", "git", "pandas"}

PROGRAM = """
import sys
sys.argv = ["registry", *{words!r}]
from registry.cli import app
try:
    app(standalone_mode=False)
except BaseException as error:
    if type(error).__name__ not in ("Exit", "SystemExit", "NoProject"):
        raise
print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""


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
    assert set() == HEAVY & set(done.stderr.split())


def test_importing_the_package_imports_no_more_than_its_errors() -> None:
    """A program that only catches our errors does not pay for the rest."""
    code = "import registry, sys; print(*[name for name in sys.modules if name.startswith('registry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"registry", "registry.errors"} == set(done.stdout.split())
