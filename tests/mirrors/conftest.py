"""A project with a history, and an MLflow server."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import pinned, templates
from tests.cli.scene import Scene

__all__ = ["pinned", "templates"]  # fixtures


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a real MLflow server on SQLite."""
    place, port = tmp_path_factory.mktemp("mlflow"), 5000 + os.getpid() % 20_000 + 1000
    words = ("server", "--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1", "--port", str(port))
    log = (place / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", place / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def _wait(url: str, log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(log.read_text()[-2000:])


def reflect(scene: Scene, **mirrors: str) -> None:
    """Name mirrors in the settings of a project, and commit them."""
    settings = (scene.root / "registry.toml").read_text()
    lines = "".join(f"{name} = {value}\n" for name, value in mirrors.items())
    scene.write("registry.toml", f'{settings}\n[mirrors]\nname = "assistant"\n{lines}')
    scene.commit()
