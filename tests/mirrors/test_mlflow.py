"""MLflow's registry follows the ledger: versions, tags and aliases, on a real server."""

import contextlib
from typing import Any

import pytest

from tests.cli.scene import Scene
from tests.mirrors.conftest import reflect

pytestmark = pytest.mark.slow


@pytest.fixture
def client(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server, whose registered model of earlier tests is gone."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    found: Any = MlflowClient(tracking_uri=server, registry_uri=server)
    with contextlib.suppress(MlflowException):
        found.delete_registered_model("assistant")
    return found


@pytest.fixture
def shown(pinned: Scene, server: str, client: Any) -> Scene:
    """A project that MLflow shows; `new` went to staging."""
    reflect(pinned, mlflow=f'"{server}"')
    pinned.done("promote", "new", "--to", "staging")
    return pinned


def test_the_alias_and_the_tags_follow_promotion_and_rollback(shown: Scene, client: Any) -> None:
    """Who asks MLflow for `assistant@staging` learns the manifest and the verdict that let it in."""
    promoted = client.get_model_version_by_alias("assistant", "staging")
    verdict = promoted.tags["lockstep.staging.verdict"]
    shown.done("rollback", "staging", "--reason", "slower")
    back = client.get_model_version_by_alias("assistant", "staging")

    assert ("new", "GO") == (promoted.tags["lockstep.model"], promoted.tags["lockstep.staging.answer"])
    assert "verdict" == shown.read("show", verdict)["kind"]
    assert "old" == back.tags["lockstep.model"]
    assert shown.read("show", "staging")["digest"] == back.tags["lockstep.manifest"]
    shown.done("mirror", "--check")


def test_drift_is_found_and_mended_and_what_is_not_ours_is_left_alone(shown: Scene, client: Any) -> None:
    """A moved alias, a changed tag, an alias of a stage that serves nothing, a deleted version."""
    staging = client.get_model_version_by_alias("assistant", "staging")
    other = client.create_model_version("assistant", "s3://bucket/elsewhere")
    client.set_registered_model_alias("assistant", "staging", other.version)
    client.set_registered_model_alias("assistant", "production", other.version)
    client.set_registered_model_alias("assistant", "champion", other.version)
    client.set_model_version_tag("assistant", staging.version, "lockstep.staging.answer", "NO-GO")
    client.set_model_version_tag("assistant", staging.version, "owner", "us")
    client.delete_model_version("assistant", "1")
    found = shown.done("mirror", code=3)
    shown.done("mirror", "--repair")
    shown.done("mirror")
    aliases = client.get_registered_model("assistant").aliases
    tags = client.get_model_version("assistant", staging.version).tags

    assert 4 == found.count("differs")
    assert {"staging": str(staging.version), "champion": str(other.version)} == {
        name: str(number) for name, number in aliases.items()
    }
    assert ("GO", "us") == (tags["lockstep.staging.answer"], tags["owner"])


def test_a_server_that_is_down_holds_up_no_decision(pinned: Scene) -> None:
    """The ledger has decided; the mirror is told of, and can be mended later."""
    reflect(pinned, mlflow='"http://127.0.0.1:9"')
    done = pinned.run("promote", "new", "--to", "staging")

    assert 0 == done.returncode
    assert "registry mirror --repair" in done.stderr
    assert "as generation 2 instead of" in pinned.done("log", "staging")
    assert "did not do it" in pinned.done("mirror", code=1)
