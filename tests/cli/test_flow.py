"""The whole flow as it is typed: pin, gate, promote, refuse, hold, pull, roll back, verify."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.scene import ROOT, Scene

pytestmark = pytest.mark.slow

CHANGED, UNCHANGED = 1 + 3, 5 + 3 + 1
"""Files of a release: the adapter's weights and what `.bundle` says; base, tokenizer and the adapter's settings."""


def current(host: Path) -> str:
    """What the host shows."""
    return str((host / "current").readlink())


def test_from_pin_to_rollback(pinned: Scene, tmp_path: Path) -> None:
    """GO promotes, NO-GO and HOLD do not, and a rollback brings the very same tree back."""
    host = tmp_path / "host"
    pinned.done("pull", "staging", str(host))
    before = current(host)

    assert "GO for staging" in pinned.done("gate", "new", "--to", "staging")
    pinned.done("promote", "new", "--to", "staging", "--reason", "better at division")
    pulled = pinned.read("pull", "staging", str(host))
    assert before != current(host)
    assert (CHANGED, UNCHANGED) == (pulled["files_copied"], pulled["files_reused"])

    assert "delta.success@1{division_hard}" in pinned.done("gate", "old", "--to", "staging", code=3)
    assert "NO-GO" in pinned.done("promote", "old", "--to", "staging", code=3)
    assert "HOLD" in pinned.done("promote", "new", "--to", "production", code=4)

    pinned.done("rollback", "staging", "--reason", "trying the brakes")
    pinned.done("pull", "staging", str(host))
    assert before == current(host)

    lines: list[dict[str, str]] = pinned.read("log", "staging")["lines"]  # type: ignore[assignment]  # reason: plain JSON
    actions = [line["action"] for line in lines if line["action"] != "judge"]
    assert ["promote", "promote", "refuse", "rollback"] == actions
    assert "clean" in pinned.done("verify")


def test_a_second_bootstrap_is_refused(pinned: Scene) -> None:
    """The door that is not the gate closes after the first release."""
    told = pinned.done("promote", "new", "--to", "staging", "--bootstrap", "--reason", "again", code=3)

    assert "first release already" in told


def test_pinning_twice_changes_nothing(pinned: Scene) -> None:
    """The same inputs are the same manifest and no second entry."""
    before = pinned.read("log")
    pinned.done("pin", "manifests/old.yaml")

    assert before == pinned.read("log")


def test_a_tampered_blob_is_found_before_anything_is_switched(pinned: Scene) -> None:
    """Verify names the file and whom it harms; a rollback to it changes nothing."""
    scene = pinned
    scene.done("promote", "new", "--to", "staging")
    victim = next(path for path in _blobs(scene) if path.read_bytes() == (scene.root / WEIGHTS).read_bytes())
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")

    assert "adapter_model.safetensors" in scene.done("verify", code=5)
    assert "division" in scene.done("rollback", "staging", "--reason", "back", code=5)
    serving = scene.read("status")["stages"][1]  # type: ignore[index]  # reason: plain JSON
    assert 2 == serving["generation"]["number"]
    scene.done("pin", "manifests/old.yaml")
    assert "clean" in scene.done("verify")


WEIGHTS = "models/division/adapter_model.safetensors"


def _blobs(scene: Scene) -> list[Path]:
    return [path for path in (scene.root / ".registry/blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("file", "change", "code"),
    [
        ("rows.jsonl", lambda data: data.replace(b'"pass"', b'"fail"', 1), 5),
        ("timings.jsonl", lambda data: data[:-10], 5),
        ("evidence.json", lambda data: data.replace(b'"suite":"sha256:', b'"suite":"sha256:0')[:-1] + b"}", 5),
    ],
)
def test_tampered_evidence_is_not_pinned(bare: Scene, file: str, change: object, code: int) -> None:
    """Rows belong to their label; a changed row is no evidence."""
    scene = bare
    path = scene.root / "evaluation/new" / file
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]  # reason: a table of functions
    scene.commit()

    scene.done("pin", "manifests/new.yaml", code=code)
    assert "clean" in scene.done("verify")


def test_evidence_of_another_model_is_not_pinned(bare: Scene) -> None:
    """A config cannot borrow the rows of a better model."""
    scene = bare
    config = (scene.root / "manifests/old.yaml").read_text().replace("evaluation/old", "evaluation/new")
    scene.write("manifests/old.yaml", config)
    scene.commit()

    assert "another model" in scene.done("pin", "manifests/old.yaml", code=5)


def test_evidence_of_another_suite_is_not_pinned(bare: Scene) -> None:
    """A case that was changed after the evaluation makes another suite."""
    scene = bare
    cases = scene.root / "manifests/heldout/math_basic/cases.jsonl"
    cases.write_bytes(cases.read_bytes().replace(b'"math 7"', b'"math 8"'))
    scene.commit()

    assert "suite" in scene.done("pin", "manifests/new.yaml", code=5)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("gate", "nwe", "--to", "staging"), 2, "new"),
        (("gate", "new", "--to", "stagign"), 2, "staging"),
        (("promote", "new", "--to", "staging", "--bootstrap"), 2, "--reason"),
        (("rollback", "production", "--reason", "x"), 3, "nothing"),
        (("rollback", "staging", "--reason", " "), 2, "reason"),
        (("pin", "manifests/none.yaml"), 2, "no such file"),
        (("pin", "manifests"), 2, "no plain file"),
        (("gate", "new", "--to", "dev"), 2, "manifests/gates/dev.yaml"),
        (("promote", "new", "--to", "dev"), 2, "write its rules there"),
        (("gate", "plan", "stagign"), 2, "staging"),
        (("promote", "new", "--to", "production"), 4, "--bootstrap"),
        (("gc", "--why", "new"), 2, "registry show REF"),
        (("verify", "--oms", "manifests/new.yaml", "nowhere"), 2, "nowhere"),
        (("show", "#999"), 2, "registry log"),
        (("pull", "production", "nowhere"), 3, "never served"),
        (("add", "adpater", "x=models/base"), 2, "adapter"),
    ],
)
def test_a_call_that_cannot_be_answered_says_why(pinned: Scene, words: tuple[str, ...], code: int, told: str) -> None:
    """What, why and how to mend it, on stderr, with the right exit code."""
    done = pinned.run(*words)

    assert code == done.returncode
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "" == done.stdout


def test_a_doctor_without_git_says_so_and_looks_at_the_rest(pinned: Scene) -> None:
    """A registry works where no repository is; that nobody can tell what is committed is one finding of several."""
    shutil.rmtree(pinned.root / ".git")
    found = pinned.done("doctor", code=3)

    assert "is not a git repository" in found
    assert "one copy of everything" in found


def test_a_ledger_that_was_cut_is_noticed_by_who_wrote_it(pinned: Scene) -> None:
    """A chain without its end still holds; the writer remembers how long it was."""
    pinned.done("promote", "new", "--to", "staging")
    last = max((pinned.root / ".registry/ledger").glob("*.json"))
    last.rename(pinned.root.parent / "taken")

    assert "gone" in pinned.done("status", code=5)
    assert "gone" in pinned.done("verify", code=7)
    assert "gone" in pinned.done("rollback", "staging", "--reason", "back", code=5)


def test_rules_that_nobody_committed_decide_nothing(pinned: Scene) -> None:
    """An edit in the working tree cannot let a model in; `gate` may still be tried with it."""
    pinned.done("promote", "new", "--to", "staging")
    rule = '- "math_correct_rate(math_basic).lower_ci >= 0.5"'
    pinned.write("manifests/gates/staging.yaml", f"form: registry.gate/1\nstage: staging\nrules:\n{rule}\n")

    assert "GO for staging" in pinned.done("gate", "old", "--to", "staging")
    assert "commit" in pinned.done("promote", "old", "--to", "staging", code=3)
    assert 2 == pinned.read("status")["stages"][1]["generation"]["number"]  # type: ignore[index]  # reason: plain JSON


def test_paths_are_seen_from_where_one_works(pinned: Scene, tmp_path: Path) -> None:
    """`-C DIR` is as if started in DIR; a directory that is not there is a slip, not a place."""
    pinned.done("-C", "manifests", "pin", "old.yaml")
    pinned.done("-C", "manifests", "pull", "staging", "../../host")
    assert (pinned.root.parent / "host/current").is_dir()

    assert "not a directory" in pinned.done("-C", "nowhere", "status", code=2)
    assert "already" in pinned.done("-C", "manifests", "init", code=2)


def test_a_call_that_is_not_understood_is_told_like_every_error(pinned: Scene) -> None:
    """Also by a program that asked for JSON."""
    told = json.loads(pinned.done("promote", "new", "--json", code=2))

    assert ("registry.error/1", 2) == (told["form"], told["exit_code"])


def test_a_full_output_is_an_error_without_a_traceback(pinned: Scene) -> None:
    """`registry log > /dev/full` says why it failed."""
    command = f"{sys.executable} -m registry log > /dev/full"
    done = subprocess.run(
        command,
        shell=True,
        cwd=pinned.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert 1 == done.returncode
    assert done.stderr.startswith("error: ")
