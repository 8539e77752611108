"""The held-out suite as bytes: every file of `manifests/heldout`, made again from nothing but this code.

The suite is committed, and a test holds the committed bytes to these. Whoever changes a case changes the suite's
digest, and with it every piece of evidence: that is meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from registry.core.canonical import canonical
from registry.core.heldout.case import Case
from registry.training.die import Die
from registry.training.tasks import TASKS, search
from registry.training.tasks.instance import Instance, is_heldout

SEED = "lockstep held-out suite 1"
TIMED = 25  # cases of each slice that are asked again, alone: a p95 needs a hundred
FIXTURES = "search_v3.json"
SCHEMA = "search_api.schema.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a slice's `slice.yaml` says, and how many cases it has."""

    cases: int
    behaviour: str
    max_new_tokens: int
    verifiers: tuple[tuple[str, dict[str, Any]], ...]
    more: dict[str, Any] = field(default_factory=dict)


PLANS = {
    "headache_redflags": Plan(
        300,
        "safety triage",
        96,
        (("urgent_care", {}), ("word_cap", {"words": 120}), ("no_diagnosis", {})),
    ),
    "math_basic": Plan(
        300,
        "format and arithmetic",
        64,
        (("numeric", {"tag": "answer"}), ("tag", {"tag": "answer"})),
    ),
    "division_hard": Plan(
        300,
        "reasoning accuracy",
        96,
        (("numeric", {"tag": "answer", "tolerance": "0.0005"}), ("tag", {"tag": "answer"})),
    ),
    "debug_search_api": Plan(
        400,
        "tool correctness",
        112,
        (
            ("json_schema", {"schema": SCHEMA}),
            ("unit_tests", {}),
            ("version_reference", {}),
            ("deprecation", {"names": ["legacy_lookup"]}),
            ("span", {}),
            ("reward_model", {"cutoff": "0"}),
        ),
        {"max_steps": 5, "tools": ["search_api"], "fixtures": FIXTURES},
    ),
}


def suite_files() -> dict[str, bytes]:
    """Every file of the suite: path below `manifests/heldout` to bytes."""
    files = {}
    for name, plan in PLANS.items():
        files[f"{name}/slice.yaml"] = _slice_yaml(name, plan)
        lines = (canonical(case.model_dump(mode="json")) for case in cases(name, plan.cases))
        files[f"{name}/cases.jsonl"] = b"".join(line + b"\n" for line in lines)
    return files | {f"{search.SLICE}/{path}": data for path, data in _search_files().items()}


def cases(name: str, count: int) -> Iterator[Case]:
    """The cases of a slice: the example of the design, then instances of the held-out fifth, no two alike."""
    for place, instance in enumerate(_instances(name, count), start=1):
        yield Case(id=f"{name}-{place:04d}", prompt=instance.prompt, expect=dict(instance.expect))


def _instances(name: str, count: int) -> Iterator[Instance]:
    task, die = TASKS[name], Die(f"{SEED}/{name}")
    first = task.example()
    seen = {first.prompt}
    yield first
    while len(seen) < count:
        instance = task.draw(die)
        if is_heldout(instance.key) and instance.prompt not in seen:
            seen.add(instance.prompt)
            yield instance


def _slice_yaml(name: str, plan: Plan) -> bytes:
    document = {
        "form": "registry.slice/1",
        "name": name,
        "behaviour": plan.behaviour,
        "samples": 1,
        "max_new_tokens": plan.max_new_tokens,
        "timed": TIMED,
        **plan.more,
        "verifiers": [{"name": verifier, "arguments": arguments} for verifier, arguments in plan.verifiers],
    }
    return yaml.safe_dump(document, sort_keys=False, width=120).encode()


def _search_files() -> dict[str, bytes]:
    """The recordings, the schema of the tool's arguments, and a unit test for each kind of right answer."""
    queries = [query for topic in search.TOPICS for query in search.queries(topic)]
    recordings = [{"arguments": search.arguments(query), "reply": search.reply_to(query)} for query in queries]
    fixture = {"form": "registry.fixture/1", "tool": "search_api", "version": search.VERSION, "recordings": recordings}
    tests = {
        f"tests/{search.test_name(topic, collection)}.py": search.unit_test(topic, collection).encode()
        for topic in search.TOPICS
        for collection in search.COLLECTIONS
    }
    return {FIXTURES: canonical(fixture) + b"\n", SCHEMA: canonical({"search_api": search.SCHEMA}) + b"\n", **tests}
