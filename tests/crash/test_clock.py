"""Clocks that jump by decades: order is the index, never the time, and a host notices that its own clock went back."""

import shutil
from collections.abc import Iterator

import pytest

from tests.crash.bench import Bench
from tests.crash.scenes import Scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed, so no clock can jump"),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Where scenes are made."""
    made = Bench(tmp_path_factory.mktemp("clock") / "bench")
    yield made
    made.close()


@pytest.fixture
def scene(bench: Bench) -> Scene:
    """A stage that served two models, and a host that shows the first."""
    return bench.fresh("rollback")


def _type(scene: Scene, *words: str, days: int) -> tuple[int, str]:
    """Type it on a machine whose clock is so many days off; the exit code and what was said."""
    under = ("env", "NO_FAKE_STAT=1", "faketime", "-f", f"{days:+d}d")
    process = scene.project.command(*words, under=under)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def test_decisions_of_jumping_clocks_stand_in_their_order(scene: Scene) -> None:
    """A hold of 2051, a resume of 2001 and a rollback of now follow each other as they were written."""
    for words, days in (("hold", 9000), ("resume", -9000), ("rollback", 0)):
        code, said = _type(scene, words, "dev", "--reason", "x", days=days)
        assert 0 == code, said
    registry = scene.project.registry
    held, resumed, back = registry.log()[-3:]

    assert ["hold", "resume", "rollback"] == [held.action, resumed.action, back.action]
    assert held.at > back.at > resumed.at
    assert 3 == len(registry.state.generations("dev"))
    assert registry.verify().is_clean


def test_a_host_whose_clock_went_back_says_so_and_keeps_what_it_shows(scene: Scene) -> None:
    """It pulled once in 2051; now it cannot tell old from new."""
    assert 0 == _type(scene, "pull", "dev", "../host", days=9000)[0]
    shown = (scene.host / "current").readlink()
    code, said = _type(scene, "pull", "dev", "../host", days=0)

    assert 4 == code, said
    assert "set back" in said
    assert shown == (scene.host / "current").readlink()


def test_a_collector_whose_clock_went_back_takes_nothing(scene: Scene) -> None:
    """What seems to come from the future is young."""
    before = sorted(path.name for path in (scene.project.place / "blobs").rglob("*"))
    code, said = _type(scene, "gc", "--delete", days=-9000)

    assert 0 == code, said
    assert before == sorted(path.name for path in (scene.project.place / "blobs").rglob("*"))
