"""`registry gate` as it is typed: judging, judging again, planning, and the gate's test of itself."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.scene import Scene


def test_a_verdict_is_judged_again_without_a_ledger(pinned: Scene) -> None:
    """Byte for byte; with a row changed in the store it is an integrity fault."""
    found = pinned.read("gate", "new", "--to", "staging")
    digest, verdict = str(found["digest"]), found["verdict"]
    assert isinstance(verdict, dict)
    shutil.rmtree(pinned.root / ".registry" / "ledger")

    assert found == pinned.read("gate", "--replay", digest)
    assert "the same, byte for byte" in pinned.run("gate", "--replay", digest).stderr
    rows = verdict["inputs"]["rows"].removeprefix("sha256:")
    blob = pinned.root / ".registry" / "blobs" / "sha256" / rows[:2] / rows
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b'"pass"', b'"fail"', 1))
    assert "holds other bytes" in pinned.done("gate", "--replay", digest, code=5)


def test_a_look_is_written_down_once_or_said_to_be_missing(pinned: Scene, tmp_path: Path) -> None:
    """Whoever has no key looks all the same, and is told that nobody will know."""
    before = pinned.done("log").count("\n")
    shutil.move(tmp_path / "scene" / "config", tmp_path / "elsewhere")
    quiet = pinned.run("gate", "new", "--to", "staging")
    shutil.move(tmp_path / "elsewhere", tmp_path / "scene" / "config")

    assert (0, before) == (quiet.returncode, pinned.done("log").count("\n"))
    assert "this look is not written into the ledger: there is no key" in quiet.stderr
    for _ in range(2):
        assert "not written" not in pinned.run("gate", "new", "--to", "staging").stderr
    assert before + 1 == pinned.done("log").count("\n")


def test_a_plan_needs_no_registry(bare: Scene, tmp_path: Path) -> None:
    """Only the rules and the suite, as they lie in the working tree."""
    shutil.copytree(bare.root / "manifests", tmp_path / "tree" / "manifests")
    found = json.loads(bare.done("-C", str(tmp_path / "tree"), "gate", "plan", "staging", "--json"))
    stated = bare.done("gate", "plan", "staging", "--rate", "math_correct_rate(math_basic)=0.993", "--chance", "0.8")

    assert {"division_hard": 300, "math_basic": 400} == found["cases"]
    assert [2] == [rule["may_fail"] for rule in found["rules"] if "may_fail" in rule]
    assert "0.993" in stated
    assert "650" in stated


@pytest.mark.parametrize(("words", "told"), [
    (("plan", "staging", "--rate", "x"), "states no rate"),
    (("plan", "staging", "--rate", "math_corect_rate=0.9"), "did you mean 'math_correct_rate'?"),
    (("plan", "staging", "--rate", "math_correct_rate=high"), "takes a number"),
    (("plan", "staging", "--chance", "90"), "between 0 and 1"),
    (("plan", "nowhere"), "nowhere.yaml"),
    (("selftest", "nowhere"), "there is no stage 'nowhere'"),
    (("new",), "takes a model and a stage"),
    (("new", "--replay", "sha256:" + "0" * 64), "leave REF and --to out"),
    (("--replay", "nonsense"), "nonsense"),
])  # fmt: skip
def test_a_call_that_cannot_be_meant_says_why(pinned: Scene, words: tuple[str, ...], told: str) -> None:
    """Usage, exit code 2."""
    assert told in pinned.done("gate", *words, code=2)


def test_a_model_may_be_called_plan(pinned: Scene) -> None:
    """With `--to` it is a model that is meant; there is none of that name here."""
    assert "plan" in pinned.done("gate", "plan", "--to", "staging", code=2)
    assert "NO-GO" in pinned.done("gate", "judge", "old", "--to", "staging", code=3)


def test_a_gate_tests_itself_on_what_is_served(pinned: Scene) -> None:
    """No rule is proven to flip more often than it promises; nothing served cannot be tested."""
    found = pinned.read("gate", "selftest", "staging", "--draws", "40")
    rules = found["rules"]
    assert isinstance(rules, list)

    assert [False, False, False] == [rule["is_broken"] for rule in rules]
    assert "serves nothing yet" in pinned.done("gate", "selftest", "production", code=4)


def test_a_model_is_meant_however_its_stage_is_written(pinned: Scene) -> None:
    """`--to=staging` as well as `--to staging`."""
    assert "nothing is called 'selftest'" in pinned.done("gate", "selftest", "--to=staging", code=2)
