"""`registry evidence` as it is typed: a suite from a log, the log as evidence, the gate, and what is refused."""

import json
from pathlib import Path

import pytest

from registry.core.gate.rows.canary import Watch, write_canary
from registry.testing.models import TOKENIZER, base_files
from tests.cli.scene import Scene
from tests.evidence.logs import LOGS, RAN_AS, RESULTS
from tests.gate.traffic import Traffic

pytestmark = pytest.mark.slow
HARNESS, SUMS = str(LOGS / "lm_eval"), str(LOGS / "inspect" / "sums.eval")
MAKE = ("evidence", "import", HARNESS, "--make-suite", "manifests/heldout")
METRICS = ("--metric", "sums=exact_match,first", "--metric", "choices=acc,none")
IMPORT = ("evidence", "import", HARNESS, "--for", "assistant")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A project with a model, and no suite yet."""
    made = Scene(tmp_path_factory.mktemp("imported") / "project")
    made.root.mkdir()
    made.git("init", "-q", "-b", "main")
    for part, files in {"base": base_files(), "tokenizer": TOKENIZER}.items():
        for name, data in files.items():
            made.write(f"models/{part}/{name}", data)
    config = {"llm_sha": "models/base", "tokenizer_sha": "models/tokenizer", "sampling": {"temperature": 1.0}}
    made.write("manifests/assistant.yaml", json.dumps(config))
    rules = '- "success@1(sums).count >= 7"\n- "canary.safety_incidents.count == 0"\n'
    made.write("manifests/gates/staging.yaml", f"form: registry.gate/1\nstage: staging\nrules:\n{rules}")
    made.done("key", "new")
    made.done("init")
    made.commit()
    return made


def test_from_a_log_to_a_verdict(scene: Scene, tmp_path: Path) -> None:
    """Make the suite, commit, pin, import, show, gate; then live traffic beside it."""
    assert "has not one metric" in scene.done(*MAKE, code=2)
    assert "heldout/sums" in scene.done(*MAKE, *METRICS)
    assert "is there already" in scene.done(*MAKE, *METRICS, code=2)
    scene.commit()
    scene.done("pin", "manifests/assistant.yaml")
    assert "--ran-as" in scene.done(*IMPORT, code=2)
    assert "another model" in scene.done(*IMPORT, "--ran-as", "other", code=5)
    brought = scene.read(*IMPORT, "--ran-as", RAN_AS)

    assert [(11, 3), (20, 7)] == [(one["scheduled"], one["passed"]) for one in brought["slices"]]  # type: ignore[attr-defined] # reason: plain JSON
    assert "no slice of the suite" in scene.done(
        "evidence", "import", SUMS, "--for", "assistant", "--ran-as", "hf/tiny", code=2
    )
    assert "by lm_eval 0.4.12" in scene.done("evidence", "show", "assistant")
    assert "HOLD" in scene.done("gate", "assistant", "--to", "staging", code=4)

    traffic = Traffic()
    manifest = scene.read("show", "assistant")["digest"]
    data = write_canary(Watch(manifest=manifest, watched_ms=traffic.watched_ms), traffic.lines())  # type: ignore[arg-type] # reason: plain JSON
    (tmp_path / "canary.jsonl").write_bytes(data)
    shown = scene.done("evidence", "import", str(tmp_path / "canary.jsonl"), "--for", "assistant", "--canary")

    later = write_canary(Watch(manifest=manifest, watched_ms=traffic.watched_ms + 1), traffic.lines())  # type: ignore[arg-type] # reason: plain JSON
    (tmp_path / "later.jsonl").write_bytes(later)
    scene.done("evidence", "import", str(tmp_path / "later.jsonl"), "--for", "assistant", "--canary")
    again = scene.run("evidence", "import", str(tmp_path / "canary.jsonl"), "--for", "assistant", "--canary")

    assert "canary: 6,000 requests" in shown
    assert "a gate judges the newest" in again.stderr
    assert "GO for staging" in scene.done("gate", "assistant", "--to", "staging")
    scene.done("verify")


REFUSED = {
    "no model": ((HARNESS,), 2, "--for REF"),
    "no log": (("nowhere.eval", "--for", "assistant", "--ran-as", "x"), 2, "no such file"),
    "a bar chosen too late": ((HARNESS, "--for", "assistant", "--pass", "score>0"), 2, "no meaning"),
    "a model for a new suite": ((HARNESS, "--make-suite", "x", "--for", "assistant"), 2, "no meaning"),
    "a slice that is no pair": ((HARNESS, "--for", "assistant", "--ran-as", "x", "--slice", "sums"), 2, "TASK=SLICE"),
    "a bar that is none": ((SUMS, "--make-suite", "x", "--pass", "great"), 2, "score >= 0.5"),
    "an unknown model": ((HARNESS, "--for", "nobody", "--ran-as", "x"), 2, "nobody"),
    "two logs for a canary": ((HARNESS, SUMS, "--for", "assistant", "--canary"), 2, "one file"),
}


@pytest.mark.parametrize(("words", "code", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_call_says_what_is_wrong(scene: Scene, words: tuple[str, ...], code: int, why: str) -> None:
    """No traceback, the right code, and nothing is written."""
    before = scene.done("log")

    assert why in scene.done("evidence", "import", *words, code=code)
    assert before == scene.done("log")


def test_a_results_file_brings_its_samples(scene: Scene) -> None:
    """Naming the one run is enough."""
    made = scene.read("evidence", "import", f"{HARNESS}/{RESULTS}", "--make-suite", "other", *METRICS)

    assert [str(scene.root / "other" / name) for name in ("choices", "sums")] == made["slices"]
