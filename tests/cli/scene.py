"""A project on a real disk with small whole models, and evidence from an engine that knows its answers."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.adapters.sandbox import LocalSandbox
from registry.adapters.sources.package import find_package
from registry.adapters.sources.path import find_path
from registry.adapters.stores.memory import MemoryStore
from registry.core.canonical import canonical
from registry.core.digest import Digest, digest_of
from registry.core.heldout.prices import price_book_of
from registry.core.heldout.suite import suite_of
from registry.core.heldout.verifiers import VERIFIERS
from registry.core.manifest import Environment
from registry.core.reference import InPackage
from registry.ports import Reply, Turn
from registry.testing.models import TOKENIZER, adapter_files, base_files
from registry.verbs.evaluate import Evaluation, Plan, Subject, evaluate

ROOT = Path(__file__).parents[2]
CASES = {"math_basic": 400, "division_hard": 300}
RULES = (
    "math_correct_rate(math_basic).lower_ci >= 0.98",
    "delta.success@1{division_hard}.point >= 0.07",
    "delta.success@1{division_hard}.p_value < 0.05",
    "no_regressions_on: ['math_basic']",
)
SKILL = {"division": 40, "division_rl": 80}
"""Of a hundred division cases, how many an adapter gets right."""

SLICE = """\
form: registry.slice/1
name: {name}
behaviour: arithmetic
max_new_tokens: 16
timed: 100
verifiers:
- name: numeric
  arguments: {{tag: answer}}
- name: tag
  arguments: {{tag: answer}}
"""


@dataclass(frozen=True)
class Knows:
    """An engine that answers right as often as its adapter is skilled."""

    def reply(self, turns: Sequence[Turn], sampling: Mapping[str, str]) -> Sequence[Reply]:
        """Right or wrong by the number in the prompt, never by the batch."""
        return [Reply(self._answer(turn), 8, 4, 0.001, finished=True) for turn in turns]

    def score(self, pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
        """Every answer pleases."""
        return ["1.0000" for _ in pairs]

    def _answer(self, turn: Turn) -> str:
        kind, number = turn.messages[-1].content.split()
        skill = 100 if kind == "math" else SKILL.get(turn.adapter or "", 0)
        return f"<answer>{int(number) if int(number) % 100 < skill else 'unknown'}</answer>"


@dataclass(frozen=True)
class Scene:
    """A project at `root`, with keys and everything else of a user's beside it."""

    root: Path

    def write(self, path: str, data: bytes | str) -> None:
        """Write a file of the project."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)

    def git(self, *arguments: str) -> None:
        """Run git there."""
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a change")

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Type `registry WORDS` there, with more variables in the environment."""
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(self.root.parent / "config"),
            "XDG_STATE_HOME": str(self.root.parent / "state"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
            **variables,
        }
        command = [sys.executable, "-m", "registry", *words]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def done(self, *words: str, code: int = 0, **variables: str) -> str:
        """Type `registry WORDS`, expect `code`, and return what it printed."""
        done = self.run(*words, **variables)

        assert code == done.returncode, f"{words}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 or done.stdout else done.stderr

    def read(self, *words: str, code: int = 0) -> dict[str, object]:
        """Type `registry WORDS --json` and return the document."""
        found: dict[str, object] = json.loads(self.done(*words, "--json", code=code))
        return found


def make_scene(root: Path) -> Scene:
    """A project with two models, `old` and `new`, evaluated, committed and ready to be pinned."""
    scene = Scene(root)
    root.mkdir()
    scene.git("init", "-q", "-b", "main")
    _write_models(scene)
    _write_suite(scene)
    for name, adapter in (("old", "division"), ("new", "division_rl")):
        config = {
            "llm_sha": "models/base",
            "adapters": [f"models/{adapter}"],
            "tokenizer_sha": "models/tokenizer",
            "sampling": {"temperature": 0.2, "top_p": 0.9},
            "routes": {"division_hard": adapter, "default": "base"},
            "evidence": f"evaluation/{name}",
        }
        scene.write(f"manifests/{name}.yaml", json.dumps(config, indent=1))
        for file, data in evaluated(scene, adapter).files.items():
            scene.write(f"evaluation/{name}/{file}", data)
    scene.done("key", "new")
    scene.done("init")
    scene.commit()
    return scene


def evaluated(scene: Scene, adapter: str) -> Evaluation:
    """What the engine that knows says of the model with this adapter."""
    files = {str(path.relative_to(scene.root / "manifests/heldout")): path for path in _suite_files(scene)}
    return evaluate(
        Subject(
            llm=digest_at(scene.root, "models/base"),
            tokenizer=digest_at(scene.root, "models/tokenizer"),
            adapters={adapter: digest_at(scene.root, f"models/{adapter}")},
            sampling={"temperature": "0.2", "top_p": "0.9"},
            routes={"division_hard": adapter, "default": "base"},
        ),
        suite_of({name: path.read_bytes() for name, path in files.items()}),
        engine=Knows(),
        sandbox=LocalSandbox(),
        timer=iter(range(10**6)).__next__,
        prices=price_book_of(b'form: registry.price_book/1\nusd_per_hour: {cpu: "0.10"}\n'),
        environment=Environment(python="3.11", platform="test", device="cpu test", packages=digest_of(b"")),
        code={name: code_of(name) for name in ("numeric", "tag")},
        plan=Plan(cross_cases=10),
    )


def digest_at(root: Path, path: str) -> Digest:
    """The tree digest of a directory."""
    return MemoryStore().put_files(find_path(root, path).files).digest


def code_of(verifier: str) -> Digest:
    """The tree digest of a verifier's code."""
    return MemoryStore().put_files(find_package(InPackage(VERIFIERS[verifier].modules)).files).digest


def _write_models(scene: Scene) -> None:
    parts = {"base": base_files(), "tokenizer": TOKENIZER}
    parts |= {adapter: adapter_files(salt=adapter) for adapter in SKILL}
    for part, files in parts.items():
        for name, data in files.items():
            scene.write(f"models/{part}/{name}", data)


def _write_suite(scene: Scene) -> None:
    for name, count in CASES.items():
        kind = name.partition("_")[0]
        lines = [
            canonical({"id": f"{name}-{n:04d}", "prompt": f"{kind} {n}", "expect": {"answer": str(n)}}) + b"\n"
            for n in range(count)
        ]
        scene.write(f"manifests/heldout/{name}/slice.yaml", SLICE.format(name=name))
        scene.write(f"manifests/heldout/{name}/cases.jsonl", b"".join(lines))
    for stage, rules in (("staging", RULES), ("production", (*RULES, "canary.safety_incidents.count == 0"))):
        text = "".join(f'- "{rule}"\n' for rule in rules)
        scene.write(f"manifests/gates/{stage}.yaml", f"form: registry.gate/1\nstage: {stage}\nrules:\n{text}")


def _suite_files(scene: Scene) -> Sequence[Path]:
    return sorted(path for path in (scene.root / "manifests/heldout").rglob("*") if path.is_file())
