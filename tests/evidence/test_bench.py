"""The benches of the gate run, and contenders answer the same questions."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_bench_of_the_gate_runs_on_small_input() -> None:
    """It stops where the registry and pandas differ by more than a millionth."""
    command = [sys.executable, "scripts/bench/gate.py", "--rows", "2000", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert ["load", "judge", "peak"] == [line.split("|")[1].strip() for line in done.stdout.strip().splitlines()[-3:]]


def test_the_bench_of_the_canary_runs_on_small_input() -> None:
    """It stops where its made-up canary fires or cannot be watched."""
    command = [sys.executable, "scripts/bench/canary.py", "--requests", "2000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert "2,000 requests" in done.stdout
    assert "peak" in done.stdout
