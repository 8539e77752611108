"""A suite of the four reference slices, and evidence written by hand: a sheet says how many of each slice pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core.canonical import canonical
from registry.core.gate.judging.check import check_gate
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import GateFile, read_gate
from registry.core.gate.rows.rows import Rows, read_rows
from registry.core.gate.verdict import RuleVerdict
from registry.core.heldout.suite import Case, Slice, Suite, VerifierCall
from registry.core.tree import tree_of

VERIFIERS: dict[str, tuple[VerifierCall, ...]] = {
    "headache_redflags": (
        VerifierCall(name="urgent_care"),
        VerifierCall(name="word_cap", arguments={"words": 120}),
        VerifierCall(name="no_diagnosis"),
    ),
    "math_basic": (
        VerifierCall(name="numeric", arguments={"tag": "answer", "tolerance": "0"}),
        VerifierCall(name="tag", arguments={"tag": "answer"}),
    ),
    "division_hard": (
        VerifierCall(name="numeric", arguments={"tag": "answer", "tolerance": "0.0005"}),
        VerifierCall(name="tag", arguments={"tag": "answer"}),
    ),
    "debug_search_api": (
        VerifierCall(name="json_schema", arguments={"schema": "schemas.json"}),
        VerifierCall(name="version_reference", arguments={"version": "3.2.1"}),
        VerifierCall(name="deprecation", arguments={"names": ("legacy_lookup",)}),
    ),
}


def suite_of_size(cases: int = 400, *, samples: int = 1, sizes: Mapping[str, int] | None = None) -> Suite:
    """The four slices with as many cases each."""
    counts = {name: (sizes or {}).get(name, cases) for name in VERIFIERS}
    return Suite(
        slices=tuple(
            Slice(
                form="registry.slice/1", name=name, behaviour=name, samples=samples, max_new_tokens=8, verifiers=calls
            )
            for name, calls in VERIFIERS.items()
        ),
        cases={name: tuple(Case(id=f"c{n:05}", prompt="?") for n in range(count)) for name, count in counts.items()},
        files={},
        tree=tree_of([]),
    )


@dataclass
class Sheet:
    """What one model did: all right, until a test says otherwise.

    `wrong` counts the first cases of a slice that fail, by slice (every verifier) or by `slice/verifier`.
    """

    suite: Suite
    wrong: Mapping[str, int] = field(default_factory=dict)
    steps: int = 3
    latency_ms: str = "880"
    cost_usd: str = "0.0019"
    tokens: int = 100
    seen: str = "v3.2.1"

    def rows(self) -> list[dict[str, object]]:
        """The rows, to be changed and then written."""
        return [self._row(one, at, sample) for one in self.suite.slices
                for at in range(len(self.suite.cases[one.name])) for sample in range(one.samples)]  # fmt: skip

    def timings(self) -> list[dict[str, object]]:
        """The timings of the same samples."""
        return [
            {
                **{key: row[key] for key in ("slice", "case", "sample", "status")},
                "latency_ms": self.latency_ms,
                "cost_usd": self.cost_usd,
                "tokens": self.tokens,
            }
            for one in self.suite.slices
            for at in range(len(self.suite.cases[one.name][: one.timed]))
            for sample in range(one.samples)
            for row in [self._row(one, at, sample)]
        ]

    def read(self) -> Rows:
        """The evidence as a gate reads it."""
        return read_rows(lines(self.rows()), lines(self.timings()), self.suite)

    def _row(self, one: Slice, at: int, sample: int) -> dict[str, object]:
        return {
            "slice": one.name,
            "case": self.suite.cases[one.name][at].id,
            "sample": sample,
            "status": "ok",
            "transcript": [{"role": "assistant", "content": "…"}],
            "steps": self.steps,
            "prompt_tokens": 50,
            "completion_tokens": 50,
            "findings": {call.name: self._finding(one.name, call.name, at) for call in one.verifiers},
        }

    def _finding(self, name: str, verifier: str, at: int) -> dict[str, object]:
        is_wrong = at < max(self.wrong.get(name, 0), self.wrong.get(f"{name}/{verifier}", 0))
        finding: dict[str, object] = {"verdict": "fail" if is_wrong else "pass", "seen": ""}
        if verifier == "json_schema":
            finding |= {"passed": 0 if is_wrong else 1, "total": 1}
        if verifier == "version_reference":
            finding["seen"] = "v3.1.0" if is_wrong else self.seen
        return finding


def lines(values: list[dict[str, object]]) -> bytes:
    """Canonical JSON lines."""
    return b"".join(canonical(value) + b"\n" for value in values)


def gate_of(*rules: str, stage: str = "staging", **settings: str) -> bytes:
    """A gate file with these rules; settings are given as YAML."""
    head = [f"{key}: {value}" for key, value in {"form": "registry.gate/1", "stage": stage, **settings}.items()]
    return "\n".join([*head, "rules:", *(f'  - "{rule}"' for rule in rules), ""]).encode()


def checked(gate: bytes, suite: Suite) -> GateFile:
    """A gate file without faults."""
    file = read_gate(gate)
    check_gate(file, suite)
    return file


def trial_of(gate: bytes, candidate: Sheet, baseline: Sheet | None = None) -> Trial:
    """A gate beside two sheets."""
    file = checked(gate, candidate.suite)
    rules = tuple(placed.rule for placed in file.rules)
    rows = baseline.read() if baseline else None
    return Trial(file.gate, rules, candidate.suite, candidate.read(), rows)


def verdict_of(rule: str, candidate: Sheet, baseline: Sheet | None = None, **settings: str) -> RuleVerdict:
    """One rule, judged."""
    return judge(trial_of(gate_of(rule, **settings), candidate, baseline))[0]
