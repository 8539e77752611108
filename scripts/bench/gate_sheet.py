"""What the gate's bench judges: a suite of four slices, the evidence of two models, and twenty rules."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from registry.core.gate.judging.check import check_gate
from registry.core.gate.language.gatefile import GateFile, read_gate
from registry.core.heldout.suite import Case, Slice, Suite, VerifierCall
from registry.core.tree import tree_of

SLICES: dict[str, tuple[VerifierCall, ...]] = {
    "debug_search_api": (
        VerifierCall(name="deprecation", arguments={"names": ("legacy_lookup",)}),
        VerifierCall(name="json_schema", arguments={"schema": "schemas.json"}),
        VerifierCall(name="version_reference", arguments={"version": "3.2.1"}),
    ),
    "division_hard": (
        VerifierCall(name="numeric", arguments={"tag": "answer", "tolerance": "0.0005"}),
        VerifierCall(name="tag", arguments={"tag": "answer"}),
    ),
    "headache_redflags": (
        VerifierCall(name="no_diagnosis"),
        VerifierCall(name="urgent_care"),
        VerifierCall(name="word_cap", arguments={"words": 120}),
    ),
    "math_basic": (
        VerifierCall(name="numeric", arguments={"tag": "answer", "tolerance": "0"}),
        VerifierCall(name="tag", arguments={"tag": "answer"}),
    ),
}
RULES = (
    "aggregate.success@1.lower_ci >= 0.82",
    "no_regressions_on: ['headache_redflags', 'debug_search_api']",
    "ruleViolationRate(headache_redflags).point <= 0.05",
    "ruleViolationRate(headache_redflags).upper_ci <= 0.1",
    "math_correct_rate(math_basic).lower_ci >= 0.9",
    "math_correct_rate(division_hard).lower_ci >= 0.9",
    "format_pass_rate(math_basic, tag='<answer>').lower_ci >= 0.9",
    "success@1(division_hard).lower_ci >= 0.8",
    "success@1(headache_redflags).upper_ci <= 0.99",
    "delta.success@1{division_hard}.point >= 0.01",
    "delta.success@1{division_hard}.lower_ci >= 0.01",
    "delta.success@1{math_basic}.lower_ci >= -0.01",
    "tool_call_correctness.schema(debug_search_api).lower_ci >= 0.9",
    "api_version_match_rate(debug_search_api, '3.2.1').lower_ci >= 0.9",
    "steps_to_solve_median(debug_search_api).point <= 5",
    "steps_to_solve_median(division_hard).point <= 5",
    "latency_p95_ms.point <= 900",
    "latency_p95_ms(math_basic).point <= 900",
    "cost_per_1k_tokens_usd.point <= 0.020",
    "cost_per_1k_tokens_usd(division_hard).upper_ci <= 0.020",
)
SAID = "The question asks for one number. Working it out step by step gives the value below, as asked."


def suite_of_rows(rows: int, samples: int) -> Suite:
    """The four slices with so many samples in all."""
    cases = max(1, rows // (len(SLICES) * samples))
    one = {"form": "registry.slice/1", "behaviour": "bench", "samples": samples, "max_new_tokens": 8}
    return Suite.model_construct(
        slices=tuple(Slice.model_validate({**one, "name": name, "verifiers": calls}) for name, calls in SLICES.items()),
        cases={name: tuple(Case(id=f"c{n:07}", prompt="?") for n in range(cases)) for name in SLICES},
        files={},
        tree=tree_of([]),
    )


def gate_for(suite: Suite) -> GateFile:
    """The twenty rules, checked."""
    text = "".join(f'  - "{rule}"\n' for rule in RULES)
    file = read_gate(f"form: registry.gate/1\nstage: staging\nrules:\n{text}".encode())
    check_gate(file, suite)
    return file


def write_evidence(suite: Suite, directory: Path, *, seed: int, skill: float) -> None:
    """Rows and timings of one model, as canonical lines in the suite's order."""
    die = Random(seed)  # noqa: S311 - made-up evidence, no secret
    for name, lines in (("rows", _rows(suite, die, skill)), ("timings", _timings(suite, die))):
        with (directory / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(lines)


def _rows(suite: Suite, die: Random, skill: float) -> Iterator[str]:
    for one in suite.slices:
        for case in suite.cases[one.name]:
            for sample in range(one.samples):
                findings = ",".join(_finding(call.name, die, skill) for call in one.verifiers)
                yield (
                    f'{{"case":"{case.id}","completion_tokens":{die.randrange(9, 120)},"findings":{{{findings}}},'
                    f'"prompt_tokens":{die.randrange(20, 400)},"sample":{sample},"slice":"{one.name}","status":"ok",'
                    f'"steps":{die.randrange(1, 9)},"transcript":[{{"content":"{SAID}","role":"assistant"}}]}}\n'
                )


def _finding(verifier: str, die: Random, skill: float) -> str:
    is_good = die.random() < skill
    counted = ('"passed":1,', '"total":1,') if verifier == "json_schema" and is_good else ("", "")
    if verifier == "json_schema" and not is_good:
        counted = ('"passed":0,', '"total":1,')
    seen = {"numeric": str(die.randrange(5000)), "version_reference": "v3.2.1" if is_good else "v3.1.0"}
    verdict = "pass" if is_good else "fail"
    return f'"{verifier}":{{{counted[0]}"seen":"{seen.get(verifier, "")}",{counted[1]}"verdict":"{verdict}"}}'


def _timings(suite: Suite, die: Random) -> Iterator[str]:
    for one in suite.slices:
        for case in suite.cases[one.name]:
            for sample in range(one.samples):
                yield (
                    f'{{"case":"{case.id}","cost_usd":"0.000{die.randrange(1000, 9999)}",'
                    f'"latency_ms":"{die.randrange(100, 999)}.{die.randrange(100, 999)}","sample":{sample},'
                    f'"slice":"{one.name}","status":"ok","tokens":{die.randrange(40, 500)}}}\n'
                )
