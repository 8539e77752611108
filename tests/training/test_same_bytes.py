"""The stages: the same inputs on the same machine give the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.adapters.sources.path import find_path
from registry.core.tree import Entry
from registry.training.hashing import tree_at

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PARAMS = (ROOT / "params.yaml").read_text().replace("profile: reference", "profile: smoke")


def run(stage: str, place: Path, *words: str, hash_seed: str = "0") -> None:
    """Run a stage's script in `place`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(ROOT / "scripts" / f"{stage}.py"), *words]
    ran = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def tree(place: Path, path: str) -> tuple[Entry, ...]:
    """The files at `path`, with their digests."""
    return tree_at(find_path(place, path).files).entries


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the smoke profile, up to the base."""
    place = tmp_path_factory.mktemp("project")
    (place / "manifests").symlink_to(ROOT / "manifests")
    (place / "params.yaml").write_text(PARAMS)
    for stage in ("corpus", "tokenizer", "base"):
        run(stage, place)
    return place


@pytest.mark.parametrize(
    ("stage", "words", "made"),
    [
        ("base", (), "models/base"),
        ("adapter", ("math",), "models/adapters/math"),
        ("rl", (), "models/adapters/division_rl"),
    ],
)
def test_a_stage_run_twice_gives_the_same_bytes(stage: str, words: tuple[str, ...], made: str, place: Path) -> None:
    """Also with another order of Python's sets, which peft builds its module list from."""
    if stage == "rl":
        run("adapter", place, "division")
    found = []
    for hash_seed in ("1", "2"):
        run(stage, place, *words, hash_seed=hash_seed)
        found.append(tree(place, made))

    assert found[0] == found[1]


@pytest.mark.parametrize("path", ["data/corpus", "models/tokenizer"])
def test_the_corpus_and_the_tokenizer_are_the_same_bytes_again(path: str, place: Path) -> None:
    """They depend on the seed and on the code alone, on any machine."""
    first = tree(place, path)
    run("corpus", place, hash_seed="3")
    run("tokenizer", place, hash_seed="3")

    assert first == tree(place, path)
