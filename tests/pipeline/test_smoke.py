"""The pipeline from a clean clone, and the registry over what it made."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from registry.core.heldout.evidence import Row, read_lines
from registry.core.heldout.seeds import seed_of
from registry.core.heldout.suite import suite_of
from registry.ports import Message, Turn
from tests.bundle.stranger import said
from tests.pipeline.conftest import ROOT, Clone

pytestmark = pytest.mark.slow

ROWS = "evaluation/baseline/rows.jsonl"


def test_everything_is_up_to_date_after_a_run(smoke: Clone) -> None:
    """DVC agrees that nothing is left to do, and shows what was measured."""
    assert "up to date" in smoke.run("dvc", "status")
    assert "metrics/heldout/candidate.json" in smoke.run("dvc", "metrics", "show", "--json")
    assert "heldout@candidate" in smoke.run("dvc", "dag")


def test_asking_again_in_other_batches_gives_the_same_rows(smoke: Clone, tmp_path: Path) -> None:
    """Behaviour rows are the same bytes; timings are another file, which may differ."""
    again = Clone(tmp_path / "again")
    shutil.copytree(smoke.root, again.root, ignore=shutil.ignore_patterns(".registry", ".git"))
    params = again.root / "params.yaml"
    params.write_text(re.sub(r"batch_size: \d+, turns: \d+", "batch_size: 7, turns: 50", params.read_text()))
    (again.root / ROWS).unlink()
    again.run(sys.executable, "scripts/heldout.py", "baseline")

    assert (smoke.root / ROWS).read_bytes() == (again.root / ROWS).read_bytes()


def test_an_experiment_changes_one_setting(smoke: Clone, tmp_path: Path) -> None:
    """`dvc exp run -S` runs a stage with another value, without touching the file by hand."""
    other = Clone(tmp_path / "other")
    shutil.copytree(smoke.root, other.root)
    before = (other.root / "data/corpus/base.jsonl").read_bytes()
    other.run("dvc", "exp", "run", "-S", "smoke.corpus.seed=12", "corpus")

    assert before != (other.root / "data/corpus/base.jsonl").read_bytes()


def test_a_few_answers_are_no_evidence(smoke: Clone) -> None:
    """The smoke profile asks a dozen cases of each slice; the rest is missing, so the gate holds."""
    assert "HOLD" in smoke.registry("gate", "candidate", "--to", "staging", code=4)


def test_a_stranger_gets_the_evaluations_answers_from_a_pulled_bundle(smoke: Clone, tmp_path: Path) -> None:
    """Token for token, with transformers and PEFT, in every slice and by every adapter that is routed to."""
    smoke.registry("pull", "staging", str(tmp_path / "host"))
    lock = json.loads((tmp_path / "host/current/.bundle/bundle.lock.json").read_text())
    heldout = ROOT / "manifests/heldout"
    suite = suite_of({str(p.relative_to(heldout)): p.read_bytes() for p in heldout.rglob("*") if p.is_file()})
    rows = [row for row in read_lines((smoke.root / ROWS).read_bytes(), Row) if row.case.endswith(("-0001", "-0002"))]

    assert {"base", *lock["routes"].values()} >= {row.adapter or "base" for row in rows}
    assert 2 * len(suite.slices) == len(rows)
    for row in rows:
        one = next(one for one in suite.slices if one.name == row.slice)
        case = next(case for case in suite.cases[row.slice] if case.id == row.case)
        seed = seed_of(suite.digest, (row.slice, row.case, row.sample), 0)
        turn = Turn((Message("user", case.prompt),), row.adapter, seed, one.max_new_tokens)

        assert row.transcript[0].content == said(tmp_path / "host/current", turn)


def test_pin_refuses_what_the_pipeline_would_make_anew(smoke: Clone, tmp_path: Path) -> None:
    """A changed parameter makes the lock stale; changed bytes are found even where nobody committed anything."""
    other = Clone(tmp_path / "project")
    shutil.copytree(smoke.root.parent, tmp_path, dirs_exist_ok=True)
    params = other.root / "params.yaml"
    params.write_text(params.read_text().replace("steps: 2", "steps: 3"))
    other.commit()
    other.registry("pin", "manifests/candidate.yaml", code=3)

    other.run("git", "revert", "--no-edit", "HEAD")
    weights = other.root / "models/adapters/math/adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.unlink()
    weights.write_bytes(data)
    other.registry("pin", "manifests/candidate.yaml", code=5)
