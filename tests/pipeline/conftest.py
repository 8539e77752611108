"""The real pipeline, run once in a clone of this repository with the smoke profile."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Clone:
    """A clone at `root`, and what is typed there."""

    root: Path

    def run(self, *words: str, code: int = 0) -> str:
        """Run a program of this Python there, expect an exit code, and return what it printed."""
        scripts = Path(sys.executable).parent
        environment = {
            **os.environ,
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root),
            "XDG_CONFIG_HOME": str(self.root.parent / "config"),
            "XDG_STATE_HOME": str(self.root.parent / "state"),
            "DVC_SITE_CACHE_DIR": str(self.root.parent / "dvc-site"),
            "DVC_NO_ANALYTICS": "1",
            "HF_HUB_OFFLINE": "1",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "Test"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "test@example.org"),
        }
        done = subprocess.run(words, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

        assert code == done.returncode, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def registry(self, *words: str, code: int = 0) -> str:
        """Type `registry WORDS` there."""
        return self.run(sys.executable, "-m", "registry", *words, code=code)

    def commit(self) -> None:
        """Commit everything that is not ignored."""
        self.run("git", "add", "--all")
        self.run("git", "-c", "commit.gpgsign=false", "commit", "-q", "-m", "a change")


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the whole pipeline ran, and both releases are pinned; `baseline` is in staging."""
    clone = Clone(tmp_path_factory.mktemp("smoke") / "project")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone.root)], check=True)
    params = clone.root / "params.yaml"
    params.write_text(params.read_text().replace("profile: reference", "profile: smoke", 1))
    clone.run("dvc", "repro")
    clone.registry("key", "new")
    clone.registry("init")
    clone.commit()
    for name in ("baseline", "candidate"):
        clone.registry("pin", f"manifests/{name}.yaml")
    clone.registry("promote", "baseline", "--to", "staging", "--bootstrap", "--reason", "the first release")
    return clone
