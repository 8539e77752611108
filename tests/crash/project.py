"""A small real project, driven only by the command line, as a person would; so that it can be killed at any moment."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from registry.testing.models import adapter_files, base_files
from registry.workspace.project import Registry

ROOT = Path(__file__).parents[2]
SLICE = """\
form: registry.slice/1
name: sums
behaviour: adding
max_new_tokens: 8
verifiers:
- {name: tag, arguments: {tag: answer}}
"""
GATE = """\
form: registry.gate/1
stage: dev
rules: ["success@1(sums).point >= 0.5"]
"""
TOKENIZER = {"tokenizer.json": b'{"version":"1.0"}', "tokenizer_config.json": b'{"eos_token":"<|end|>"}'}


@dataclass(frozen=True, slots=True)
class Project:
    """A git repository at `root` with a registry, its store and ledger at `place`, and configs `one` and `two`."""

    root: Path
    place: Path
    words: tuple[str, ...] = field(default=(sys.executable, "-m", "registry"))

    def command(self, *words: str, under: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start `registry WORDS`, perhaps under another program."""
        return subprocess.Popen(
            [*under, *self.words, *words],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str) -> str:
        """Run `registry WORDS` and return what it printed; it must succeed."""
        process = self.command(*words)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"registry {' '.join(words)}: {process.returncode}\n{out}{err}"
        return out

    @property
    def registry(self) -> Registry:
        """The same registry from within, with the memory of ledgers that this project's home has."""
        return Registry(self.seen_from, environment=self.environment)

    @property
    def seen_from(self) -> Path:
        """The directory whose settings say where store and ledger are."""
        return self.root

    @property
    def environment(self) -> dict[str, str]:
        """The least that a command needs, and a home of its own."""
        home = {"HOME": str(self.root.parent)}
        home |= {f"XDG_{kind}_HOME": str(self.root.parent / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE")}
        who = {f"GIT_{role}_{part}": "tester" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **home, **who}

    def git(self, *words: str) -> None:
        """Run git in the project."""
        subprocess.run(["git", *words], cwd=self.root, env=self.environment, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything, as `pin` wants it."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "as it is")


def make_project(parent: Path, *, place: Path | None = None, wide: int = 64, is_founded: bool = True) -> Project:
    """Make a project below `parent`; its store is in `place`, or inside it. A base has 8 · `wide`² bytes and more."""
    project = Project(parent / "project", place or parent / "project" / ".registry")
    for name in ("one", "two"):
        files = {"base": base_files(wide=wide), "adapter": adapter_files(salt=name, wide=wide), "tokenizer": TOKENIZER}
        for kind, content in files.items():
            _write(project.root / "models" / (name if kind == "adapter" else kind), content)
        config = {"llm_sha": "models/base", "tokenizer_sha": "models/tokenizer", "adapters": {"sums": f"models/{name}"}}
        _write(project.root / "manifests", {f"{name}.json": json.dumps({"name": name, **config}).encode()})
    case = json.dumps({"expect": {"answer": "3"}, "id": "sums-1", "prompt": "1+2?"}, separators=(",", ":"))
    suite = {"slice.yaml": SLICE.encode(), "cases.jsonl": f"{case}\n".encode()}
    _write(project.root / "manifests" / "heldout" / "sums", suite)
    _write(project.root / "manifests" / "gates", {"dev.yaml": GATE.encode()})
    project.git("init", "-q")
    if place is not None:
        (project.root / ".registry").symlink_to(place)
        _write(project.root, {".gitignore": b".registry\n"})
    project.run("key", "new")
    if is_founded:
        project.run("init")
    project.commit()
    return project


def _write(directory: Path, files: dict[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
