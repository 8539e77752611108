"""Where a config may lie, as it is typed."""

import json

import pytest

from tests.cli.scene import Scene

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("place", ["cfg/m.yaml", "manifests/sub/m.yaml", "../m.yaml"])
def test_a_config_elsewhere_is_refused_and_nothing_is_written(bare: Scene, place: str) -> None:
    """Beside it, its lock file would make the tree dirty and every pin another model."""
    bare.write(place, (bare.root / "manifests/old.yaml").read_bytes())
    bare.write("notes.txt", "so that there is something to commit in every case")
    bare.commit()

    assert "manifests/" in bare.done("pin", place, code=2)
    assert not list((bare.root / place).parent.glob("*.lock.json"))
    assert 1 == len(bare.read("log")["lines"])  # type: ignore[arg-type]  # reason: plain JSON


def test_a_config_that_git_ignores_is_refused(bare: Scene) -> None:
    """It is in no commit, so nobody else could make the model."""
    config = (bare.root / "manifests/old.yaml").read_bytes()
    bare.write(".git/info/exclude", "manifests/secret.yaml\n")
    bare.write("manifests/secret.yaml", config)

    assert "git add -f manifests/secret.yaml" in bare.done("pin", "manifests/secret.yaml", code=3)
    bare.git("add", "-f", "manifests/secret.yaml")
    bare.commit()
    bare.done("pin", "manifests/../manifests/secret.yaml")


def test_pin_after_pin_is_the_same_model(bare: Scene) -> None:
    """What pin writes is no change of the code, committed or not."""
    found = []
    for _ in range(2):
        found.append(bare.read("pin", str(bare.root / "manifests/old.yaml"))["digest"])
        bare.commit()
        found.append(json.loads(bare.done("pin", "manifests/old.yaml", "--json"))["digest"])
        bare.write("manifests/other.lock.json", "{}")

    assert 1 == len(set(found))
