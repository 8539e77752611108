"""The pipeline's file: every stage declares the code that it runs and the settings that it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry.training.settings import read_settings

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
WATCHED = (
    "registry/training/",
    "registry/adapters/engines/",
    "registry/core/heldout/",
    "registry/workspace/",
    "scripts/",
)
"""Code whose every module must be declared; what lies below (canonical JSON, the doors) changes no result by itself."""


def imported(path: Path, seen: set[Path]) -> set[Path]:
    """The files of this project that `path` imports, directly or not."""
    if path in seen:
        return seen
    seen.add(path)
    for name in names(ast.parse(path.read_text())):
        steps = name.split(".")
        for start in (ROOT, ROOT / "scripts"):
            for place in (start.joinpath(*steps).with_suffix(".py"), start.joinpath(*steps, "__init__.py")):
                if place.is_file():
                    imported(place, seen)
    return seen


def names(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported somewhere in `tree`, and every name from one, which may be a module too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def scripts() -> Iterator[Any]:
    """Each stage with its script and its dependencies."""
    for name, stage in STAGES.items():
        body = stage.get("do", stage)
        script = next(word for word in body["cmd"].split() if word.endswith(".py"))
        yield pytest.param(script, body["deps"], id=name)


@pytest.mark.parametrize(("script", "deps"), list(scripts()))
def test_a_stage_declares_the_code_that_it_runs(script: str, deps: list[str]) -> None:
    """Otherwise `dvc repro` would keep what changed code would not make again."""
    used = {path.relative_to(ROOT).as_posix() for path in imported(ROOT / script, set())}
    watched = {path for path in used if path.startswith(WATCHED) and not path.endswith("__init__.py")}
    declared = {path for path in watched if any(path == dep or path.startswith(f"{dep}/") for dep in deps)}

    assert watched - declared == set()


@pytest.mark.parametrize(("script", "deps"), list(scripts()))
def test_what_a_stage_declares_is_there(script: str, deps: list[str]) -> None:
    """A file that was renamed must be renamed here."""
    made = ("models/", "data/", "evaluation/")
    missing = [dep for dep in deps if "${" not in dep and not dep.startswith(made) and not (ROOT / dep).exists()]

    assert missing == []


@pytest.mark.parametrize("profile", ["reference", "smoke"])
def test_both_profiles_are_whole(profile: str, tmp_path: Path) -> None:
    """Each has every key and no other."""
    text = (ROOT / "params.yaml").read_text().replace("profile: reference", f"profile: {profile}")
    (tmp_path / "params.yaml").write_text(text)

    assert read_settings(tmp_path / "params.yaml").corpus.strict_percent == 15
