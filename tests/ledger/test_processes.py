"""Real processes: promoters that race, and what reading a ledger costs at the start of a command."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest
from registry.verbs.reading import read
from tests.ledger.desk import Desk
from tests.ledger.models import model_of

ROOT = Path(__file__).parents[2]


def race(place: Path, *, stages: tuple[str, ...], times: int) -> tuple[Desk, list[Digest], list[str]]:
    """Let one process a stage promote its own model `times` times; the desk, the models, what each process printed."""
    desk, store = Desk(ledger=DirectoryLedger(place / "ledger")), DirectoryStore(place)
    models = [model_of("assistant", store, weights=b"%d" % number).digest for number in range(len(stages))]
    for number, model in enumerate(models):
        desk.register(number, manifest=model)
    commands = [
        [sys.executable, "-m", "tests.ledger.racer", str(place), desk.genesis, "1", model, stage, str(times)]
        for model, stage in zip(models, stages, strict=True)
    ]
    racers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    deadline = time.monotonic() + 60
    while len(list(place.glob("ready-*"))) < len(racers) and time.monotonic() < deadline:
        time.sleep(0.01)
    (place / "go").touch()
    said = [racer.communicate(timeout=120)[0] for racer in racers]

    assert [racer.returncode for racer in racers] == [0] * len(racers)
    return desk, models, said


def test_two_promoters_of_one_stage_make_one_history(tmp_path: Path) -> None:
    """Each promotion that was acknowledged is in the ledger once; each conflict is in it not at all."""
    desk, models, said = race(tmp_path, stages=("dev", "dev"), times=25)
    state = read(desk.ledger, desk.genesis)
    served = Counter(one.manifest for one in state.generations("dev"))

    assert [served[model] for model in models] == [letters.count("P") for letters in said]
    assert [len(letters) for letters in said] == [25, 25]
    assert len(state.entries) == 3 + sum(letters.count("P") for letters in said)


@pytest.mark.slow
def test_eight_promoters_of_one_stage_make_one_history(tmp_path: Path) -> None:
    """200 tries, most of which lose: what was acknowledged is there once, in a line without a gap."""
    desk, models, said = race(tmp_path, stages=("dev",) * 8, times=25)
    generations = read(desk.ledger, desk.genesis).generations("dev")
    served = Counter(one.manifest for one in generations)

    assert [25] * 8 == [len(letters) for letters in said]
    assert [letters.count("P") for letters in said] == [served[model] for model in models]
    assert list(range(1, len(generations) + 1)) == [one.number for one in generations]


def test_promoters_of_different_stages_do_not_stop_each_other(tmp_path: Path) -> None:
    """They race for the same indexes, lose some, and try again: nobody sees a conflict."""
    desk, models, said = race(tmp_path, stages=("dev", "staging"), times=10)
    state = read(desk.ledger, desk.genesis)

    assert said == ["P" + "S" * 9] * 2
    assert [state.resolve("dev"), state.resolve("staging")] == models


def test_reading_the_ledger_loads_nothing_heavy() -> None:
    """A command that only asks starts at once: no YAML, no scipy, no git, and the signature library once at most."""
    program = (
        "import sys; import registry.verbs.status, registry.adapters.ledgers.directory;"
        "print([name for name in ('cryptography', 'yaml', 'scipy', 'git', 'torch', 'lark') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout  # fmt: skip

    assert found.strip() == "[]"
