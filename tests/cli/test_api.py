"""The Python API does what the command line does."""

import re
from pathlib import Path

import pytest

import registry
from tests.cli.scene import ROOT, Scene

EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(autouse=True)
def keys_of_the_scene(pinned: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs find their key where people do."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(pinned.root.parent / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(pinned.root.parent / "state"))


def test_the_example_of_the_readme_runs(pinned: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """What a reader copies works, from pin to rollback."""
    (example,) = EXAMPLE.findall((ROOT / "README.md").read_text())
    program = example.replace('open(".")', f"open({str(pinned.root)!r})").replace("candidate", "new")
    exec(program.replace("/srv/models", str(pinned.root.parent / "host")), {})

    assert "pass delta.success@1{division_hard}.point" in capsys.readouterr().out
    assert ["bootstrap", "gate", "rollback"] == [
        one.basis for one in registry.open(pinned.root).state.generations("staging")
    ]


def test_a_refusal_is_an_exception_that_knows_its_exit_code(pinned: Scene) -> None:
    """A program tells NO-GO from HOLD by the class."""
    lockstep = registry.open(pinned.root / "manifests")
    lockstep.promote("new", "staging")

    with pytest.raises(registry.Refused) as no:
        lockstep.promote("old", "staging")
    with pytest.raises(registry.Undecided) as hold:
        lockstep.promote("new", "production")

    assert (3, 4) == (no.value.exit_code, hold.value.exit_code)


def test_there_is_no_registry_where_there_is_none(tmp_path: Path) -> None:
    """The error names the file and the command that makes it."""
    with pytest.raises(registry.UsageError, match=r"registry\.toml"):
        registry.open(tmp_path)
