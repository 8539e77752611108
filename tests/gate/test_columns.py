"""What is counted in columns is what was counted row by row: golden numbers, and both readings of a line agree."""

import json
from pathlib import Path
from random import Random

import pytest

from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.pairs import flips_of
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import read_gate
from registry.core.gate.rows.rows import read_rows
from registry.core.heldout.suite import Suite
from tests.gate.sheet import Sheet, gate_of, lines, suite_of_size

GOLDEN = Path(__file__).parent / "golden" / "columns.json"
"""Written by the row-by-row reading that stood here before the columns; nobody edits it."""

RULES = (
    "success@1(math_basic).lower_ci >= 0.9",
    "success@1(headache_redflags).upper_ci <= 0.95",
    "success@1(debug_search_api).count >= 3",
    "aggregate.success@1.lower_ci >= 0.8",
    "ruleViolationRate(headache_redflags).point <= 0.3",
    "ruleViolationRate(debug_search_api).upper_ci <= 0.5",
    "math_correct_rate(math_basic).lower_ci >= 0.5",
    "format_pass_rate(math_basic, tag='<answer>').lower_ci >= 0.5",
    "tool_call_correctness.schema(debug_search_api).lower_ci >= 0.5",
    "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.5",
    "steps_to_solve_median(debug_search_api).point <= 5",
    "latency_p95_ms.point <= 900",
    "latency_p95_ms(math_basic).point <= 900",
    "cost_per_1k_tokens_usd.point <= 0.020",
    "cost_per_1k_tokens_usd(division_hard).upper_ci <= 0.020",
    "delta.success@1{division_hard}.point >= 0.01",
    "delta.success@1{division_hard}.lower_ci >= 0",
    "delta.ruleViolationRate{headache_redflags}.upper_ci <= 0.1",
    "delta.tool_call_correctness.schema{debug_search_api}.lower_ci >= -0.1",
    "no_regressions_on: ['headache_redflags', 'debug_search_api', 'math_basic']",
)
SINGLE = (
    "delta.success@1{division_hard}.p_value < 0.05",
    "latency_p95_ms.upper_ci <= 900",
    "steps_to_solve_median(debug_search_api).upper_ci <= 5",
)
FIELDS = ("rule", "verdict", "value", "point", "lower", "upper", "p_value", "n", "parts")


def messy(suite: Suite, seed: int) -> tuple[bytes, bytes]:
    """Evidence as life makes it: wrong, lost and late answers, several calls in a row, prices of many decimals."""
    die, sheet = Random(seed), Sheet(suite)
    rows, timings = sheet.rows(), sheet.timings()
    for row in rows:
        row["status"] = die.choices(("ok", "error", "timeout", "invalid"), (970, 3, 2, 25))[0]
        row["steps"] = die.randint(1, 9)
        findings = row["findings"]
        assert isinstance(findings, dict)
        for name, finding in findings.items():
            finding["verdict"] = die.choices(("pass", "fail", "error"), (85, 15, 0.2))[0]
            finding["seen"] = die.choice(("v3.2.1", "v3.2, v3.2.1", "v3.2.1, v3.1.0", '…\n"x"', ""))
            if name == "json_schema":
                finding["total"] = die.randint(0, 4)
                finding["passed"] = die.randint(0, finding["total"])
        if row["status"] in {"error", "timeout"}:
            row["findings"] = {}
    for timing in timings:
        timing["status"] = die.choices(("ok", "timeout"), (995, 5))[0]
        timing["latency_ms"] = f"{die.randint(1, 1200)}" + die.choice(("", ".5", f".{die.randint(100, 999)}"))
        timing["cost_usd"] = f"0.00{die.randint(10, 99)}" + die.choice(("", f"{die.randint(0, 10**9)}5"))
        timing["tokens"] = die.randint(0, 400)
    keep = [row for row in rows if die.random() > 0.004]
    return lines(keep), lines([timing for timing in timings if die.random() > 0.004])


def counted(samples: int, cases: int) -> list[dict[str, object]]:
    """What a gate of every kind of rule counts on such evidence."""
    suite = suite_of_size(cases, samples=samples)
    file = read_gate(gate_of(*RULES, *(SINGLE if samples == 1 else ())))
    new, old = (read_rows(*messy(suite, seed), suite) for seed in (1, 2))
    trial = Trial(file.gate, tuple(placed.rule for placed in file.rules), suite, new, old)
    told = [rule.model_dump(mode="json", include=set(FIELDS), exclude_none=True) for rule in judge(trial)]
    flips = [f"{flip.slice}/{flip.case}/{flip.sample}" for flip in flips_of(trial)]
    return [*told, {"flips": flips}]


@pytest.mark.parametrize(("samples", "cases"), [(1, 400), (3, 150), (2, 8)])
def test_the_columns_count_what_the_rows_did(samples: int, cases: int) -> None:
    """Every kind of metric and statistic, on messy evidence, to the last decimal."""
    golden = json.loads(GOLDEN.read_text())

    assert golden[f"{samples}x{cases}"] == json.loads(json.dumps(counted(samples, cases)))
