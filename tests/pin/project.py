"""A small real project to pin: a git repository, a DVC pipeline in it, a suite, a store and a ledger's state."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from registry.adapters.sources.workspace import WorkspaceSources
from registry.adapters.stores.memory import MemoryStore
from registry.core.canonical import canonical
from registry.core.config import parse_config
from registry.core.digest import digest_of
from registry.core.heldout.evidence import Evidence
from registry.core.manifest import Environment, Manifest
from registry.core.pin import Pin, Role
from registry.verbs.pin import Pinned, pin

HERE = Environment(python="CPython 3.11.2", platform="Linux-x86_64", device="cpu test", packages=digest_of(b"here"))
THERE = HERE.model_copy(update={"device": "cpu of the evaluation"})

CONFIG = """\
llm_sha: models/base
adapters: {math: models/adapters/math}
input_sha: models/tokenizer/chat_template.jinja
tokenizer_sha: dvc:models/tokenizer
sampling: {temperature: 0.2, top_p: 0.90}
verifiers: {json_schema: v4.3}
tools: {search_api: 3.2.1, fixtures: search_v3.json}
routes: {division_hard: math, default: base}
"""

BUILD = """\
from pathlib import Path
for path in ("base/config.json", "base/shards/one.safetensors", "adapters/math/adapter_model.safetensors",
             "tokenizer/tokenizer.json", "tokenizer/chat_template.jinja"):
    file = Path("models") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"content of {path}")
"""

STAGES = """\
stages:
  build:
    cmd: python build.py
    deps: [build.py]
    outs: [models/base, models/adapters, models/tokenizer]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, prepared, models/base]
    outs: [evaluation/one/rows.jsonl, evaluation/one/timings.jsonl]
    metrics:
      - evaluation/one/evidence.json: {cache: false}
"""

COPY = """\
import shutil
from pathlib import Path
for file in Path("prepared").iterdir():
    target = Path("evaluation/one") / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
"""

SLICE = """\
form: registry.slice/1
name: division_hard
behaviour: reasoning accuracy
max_new_tokens: 8
verifiers:
  - {name: tag, arguments: {tag: answer}}
"""


@dataclass
class FakeState:
    """What is registered: as the ledger's state tells it, without a ledger."""

    pins: list[Pin] = field(default_factory=list)

    def artefacts(self, role: Role | None, name: str) -> Sequence[Pin]:
        """The pins under `name`, newest last."""
        return [one for one in self.pins if one.name == name and role in (None, one.role)]


@dataclass
class Project:
    """The project at `root`."""

    root: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    state: FakeState = field(default_factory=FakeState)

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file of the project."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # why: DVC hardlinks or copies from its cache, and what it links is read-only.
        file.unlink(missing_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def git(self, *arguments: str) -> str:
        """Run git there."""
        who = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        return run(["git", *who, *arguments], self.root)

    def dvc(self, *arguments: str) -> str:
        """Run DVC there."""
        return run([sys.executable, "-m", "dvc", *arguments], self.root)

    def commit(self, message: str = "a change") -> str:
        """Commit everything; the new commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def sources(self) -> WorkspaceSources:
        """What can be read there."""
        return WorkspaceSources(self.root, self.root / ".registry" / "cache")

    def pin(self, config: str = CONFIG, file: str = "one.yaml") -> Pinned:
        """Pin a config's text."""
        sources = self.sources()
        try:
            return pin(
                parse_config(config.encode(), file),
                sources=sources,
                codebase=sources.codebase,
                store=self.store,
                state=self.state,
                environment=lambda: HERE,
            )
        finally:
            sources.close()

    def prepare_evidence(self, manifest: Manifest, **changes: object) -> None:
        """Write evidence about `manifest` where the evaluation stage takes it from."""
        rows, timings = b'{"row":1}\n', b'{"timing":1}\n'
        verifiers = {one.name: f"{one.label}@{one.digest}" for one in manifest.verifiers}
        whole = {
            "subject": manifest.subject,
            "suite": manifest.suite,
            "rows": digest_of(rows),
            "timings": digest_of(timings),
            "verifiers": verifiers,
            "price_book": digest_of(b"prices"),
            "environment": THERE,
            "concurrency": 1,
            **changes,
        }
        evidence = Evidence.model_validate(whole)
        self.write("prepared/rows.jsonl", rows)
        self.write("prepared/timings.jsonl", timings)
        self.write("prepared/evidence.json", evidence.canonical())

    def evaluate(self) -> None:
        """Run the pipeline and commit what it made."""
        self.dvc("repro", "-q")
        self.commit("evaluate")


def run(command: list[str], root: Path) -> str:
    """Run a program in `root`; its output, or all it said if it failed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def git_project(root: Path) -> Project:
    """A git repository with one commit and a suite, without DVC."""
    project = Project(root)
    root.mkdir(parents=True, exist_ok=True)
    project.git("init", "-q", "-b", "main")
    project.write(".gitignore", ".registry/\n")
    project.write("manifests/heldout/division_hard/slice.yaml", SLICE)
    project.write(
        "manifests/heldout/division_hard/cases.jsonl",
        canonical({"id": "a", "prompt": "What is 23 / 13?", "expect": {}}) + b"\n",
    )
    project.write("manifests/heldout/division_hard/search_v3.json", '{"form":"registry.fixture/1"}')
    project.commit("begin")
    return project


def dvc_project(root: Path) -> Project:
    """The same with a DVC pipeline that was run, with evidence about CONFIG, all committed."""
    project = git_project(root)
    for path, text in {"build.py": BUILD, "evaluate.py": COPY, "dvc.yaml": STAGES}.items():
        project.write(path, text)
    project.write("prepared/rows.jsonl", "")
    project.write("prepared/timings.jsonl", "")
    project.write("prepared/evidence.json", "{}")
    project.dvc("init", "-q")
    project.dvc("repro", "-q")
    project.commit("build")
    project.prepare_evidence(project.pin().manifest)
    project.evaluate()
    return Project(root)


def copy_of(project: Project, root: Path) -> Project:
    """A copy to spoil; times of change stay."""
    shutil.copytree(project.root, root, symlinks=True)
    return Project(root)
