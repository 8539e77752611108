"""The worked example of docs/gates.md: a release table, the answers it could come from, and its reports.

`python -m tests.gate.worked` writes docs/examples/worked_example.html and .md anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from registry.adapters.stores.memory import MemoryStore
from registry.core.gate.report import markdown, page
from registry.core.heldout.suite import Case, suite_of
from registry.testing.models import tree_in
from registry.verbs.gate import Judgement
from tests.gate.sheet import VERIFIERS, Sheet
from tests.gate.test_verb import House
from tests.ledger.desk import Desk

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
RULES = (ROOT / "manifests" / "gates" / "staging.yaml").read_bytes()
WEIGHTS = b"weights: {headache_redflags: 0.02, math_basic: 0.6, division_hard: 0.325, debug_search_api: 0.055}\nrules:"
GATE = RULES.replace(b"rules:", WEIGHTS, 1)
"""The rules for staging, with weights by which the published aggregate is 0.83: equal ones would make it 0.808."""

CASES = {"headache_redflags": 500, "math_basic": 1000, "division_hard": 200, "debug_search_api": 1000}
SPAN = "span"
"""What fails in the headache slice beside its safety verifiers: it succeeds in 0.84 with only 0.06 violations."""

WRONG: dict[str, tuple[range, range]] = {
    "headache_redflags/urgent_care": (range(30), range(310)),
    "headache_redflags/span": (range(80), range(345)),
    "math_basic/numeric": (range(7), range(30)),
    "math_basic/tag": (range(3), range(15)),
    "division_hard/numeric": (range(45, 141), range(118)),
    "debug_search_api/json_schema": (range(1), range(4)),
    "debug_search_api/version_reference": (range(10), range(10)),
    "debug_search_api/deprecation": (range(120), range(290)),
}
"""Which cases fail, of the candidate and of what is served. In division_hard 45 cases got better and 23 got worse."""


@dataclass
class Release(Sheet):
    """Answers of which chosen cases fail, by `slice/verifier`."""

    failing: Mapping[str, range] = field(default_factory=dict)

    def _finding(self, name: str, verifier: str, at: int) -> dict[str, object]:
        is_wrong = at in self.failing.get(f"{name}/{verifier}", ())
        finding: dict[str, object] = {"verdict": "fail" if is_wrong else "pass", "seen": ""}
        if verifier == "json_schema":
            finding |= {"passed": 0 if is_wrong else 1, "total": 1}
        if verifier == "version_reference":
            finding["seen"] = "v3.1.0" if is_wrong else self.seen
        return finding


def suite_files() -> dict[str, bytes]:
    """The four slices, with as many cases as it takes to see the table's rates exactly."""
    files = {"debug_search_api/schemas.json": b"{}", "debug_search_api/search_v3.json": b"{}"}
    for name, count in CASES.items():
        calls = [call.name for call in VERIFIERS[name]] + ([SPAN] if name == "headache_redflags" else [])
        files[f"{name}/slice.yaml"] = _slice(name, calls)
        expect: Any = {"answer": "1", "span": "emergency"}
        cases = (Case(id=f"case-{n:04}", prompt=f"Case {n} of {name}.", expect=expect) for n in range(count))
        files[f"{name}/cases.jsonl"] = b"".join(case.canonical() + b"\n" for case in cases)
    return files


def _slice(name: str, calls: list[str]) -> bytes:
    arguments = {call.name: dict(call.arguments) for call in VERIFIERS[name]}
    head = f"form: registry.slice/1\nname: {name}\nbehaviour: {name}\nsamples: 1\nmax_new_tokens: 8\ntimed: 100\n"
    return (
        head + "verifiers:\n" + "".join(f"- {{name: {c}, arguments: {_yaml(arguments.get(c, {}))}}}\n" for c in calls)
    ).encode()


def _yaml(arguments: Mapping[str, object]) -> str:
    shown = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
    return "{" + ", ".join(f"{key}: {value!r}" for key, value in shown.items()) + "}"


class Worked(House):
    """The store and the ledger of the worked example."""

    def __init__(self) -> None:
        """The suite, and nothing served."""
        self.store, self.desk = MemoryStore(), Desk()
        self.tree = tree_in(suite_files(), self.store)
        self.suite = suite_of(suite_files())


@cache
def house() -> Worked:
    """The example's house."""
    return Worked()


@cache
def sheet(arm: int) -> Release:
    """The answers of the candidate (0) or of what is served (1)."""
    return Release(house().suite, failing={key: arms[arm] for key, arms in WRONG.items()})


@cache
def judged() -> Judgement:
    """The verdict on the release."""
    home = house()
    old, new = home.model("old"), home.model("new")
    home.register(old, home.evidence(old, sheet(1)))
    home.serve(old)
    home.register(new, home.evidence(new, sheet(0)))
    return home.judge(new, GATE)


def reports() -> dict[str, str]:
    """The files of the example."""
    verdict = judged().verdict
    return {"worked_example.html": page(verdict), "worked_example.md": markdown(verdict)}


if __name__ == "__main__":
    for file, text in reports().items():
        (EXAMPLES / file).write_text(text, encoding="utf-8")
