"""Live traffic written by hand: a canary that did well, until a test says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core.digest import Digest
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.trial import Trial
from registry.core.gate.rows.canary import Canary, Request, Watch, canary_of
from registry.core.gate.verdict import RuleVerdict
from tests.gate.sheet import Sheet, checked, gate_of, suite_of_size

MANIFEST = Digest("sha256:" + "ab" * 32)
DAY_MS = 86_400_000
SUITE = suite_of_size(1)


@dataclass
class Traffic:
    """So many requests, evenly over the time watched, `per_session` in a row to each session.

    `changed` overrides fields of single requests by number, from 0; `every` those of each request whose number is a
    multiple of its key.
    """

    requests: int = 6000
    watched_ms: int = DAY_MS
    per_session: int = 1
    changed: Mapping[int, Mapping[str, object]] = field(default_factory=dict)
    every: Mapping[int, Mapping[str, object]] = field(default_factory=dict)

    @property
    def watch(self) -> Watch:
        """The file's header."""
        return Watch(manifest=MANIFEST, watched_ms=self.watched_ms)

    def lines(self) -> list[Request]:
        """The requests."""
        return [Request.model_validate(self._request(at)) for at in range(self.requests)]

    def read(self) -> Canary:
        """The canary as a gate reads it."""
        return canary_of(self.watch, self.lines())

    def _request(self, at: int) -> dict[str, object]:
        found: dict[str, object] = {
            "request": f"r{at:06}",
            "session": f"s{at // self.per_session:06}",
            "at_ms": at * self.watched_ms // max(1, self.requests),
            "status": "ok",
            "screened": True,
            "latency_ms": "880",
            "cost_usd": "0.0019",
            "tokens": 100,
        }
        for step, change in self.every.items():
            found |= change if at % step == 0 else {}
        found |= self.changed.get(at, {})
        return {key: value for key, value in found.items() if value is not None}


LOST: dict[str, object] = {
    "status": "lost", "screened": False, "latency_ms": None, "cost_usd": None, "tokens": None
}  # fmt: skip
TIMEOUT: dict[str, object] = {"status": "timeout", "latency_ms": None}


def live_verdict(rule: str, canary: Canary | None, **settings: str) -> RuleVerdict:
    """One rule on live traffic, judged."""
    sheet = Sheet(SUITE)
    file = checked(gate_of(rule, "latency_p95_ms.point <= 900", **settings), SUITE)
    return judge(Trial(file.gate, (file.rules[0].rule,), SUITE, sheet.read(), None, canary))[0]
