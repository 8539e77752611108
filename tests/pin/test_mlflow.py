"""MLflow as a source, with the real client on SQLite."""

from pathlib import Path
from typing import Any

import pytest

from registry.adapters.sources.mlflow import find_mlflow
from registry.adapters.sources.workspace import WorkspaceSources
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import digest_of
from registry.core.reference import InMlflow, NothingThere
from registry.errors import UsageError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with two versions of a judge, the older of which is the champion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        place = tmp_path_factory.mktemp("mlflow")
        found = f"sqlite:///{place}/mlflow.db"
        client: Any = MlflowClient(tracking_uri=found, registry_uri=found)
        client.create_registered_model("judge")
        for number in (1, 2):
            source = place / str(number)
            (source / "deep").mkdir(parents=True)
            (source / "config.json").write_text(f"version {number}")
            (source / "deep" / "model.safetensors").write_text("weights")
            client.create_model_version("judge", source.as_uri())
        client.set_registered_model_alias("judge", "champion", "1")
        return found


@pytest.mark.parametrize("location", [InMlflow("judge", alias="champion"), InMlflow("judge", version="1")])
def test_a_version_is_read_whole_and_nothing_is_added(uri: str, tmp_path: Path, location: InMlflow) -> None:
    """An alias can be moved, so the pin keeps the version."""
    found = find_mlflow(location, scratch=tmp_path, uri=uri)
    tree = MemoryStore().put_files(found.files)
    found.confirm(tree)

    assert ("mlflow", "judge", "1") == (found.source.kind, found.source.location, found.source.revision)
    assert {"config.json": digest_of(b"version 1"), "deep/model.safetensors": digest_of(b"weights")} == {
        entry.path: entry.digest for entry in tree.entries
    }


@pytest.mark.parametrize(
    "location", [InMlflow("judge", alias="nobody"), InMlflow("judge", version="9"), InMlflow("jury", version="1")]
)
def test_what_mlflow_does_not_have_is_told(uri: str, tmp_path: Path, location: InMlflow) -> None:
    """Model, alias and version alike."""
    with pytest.raises(NothingThere, match=location.model):
        find_mlflow(location, scratch=tmp_path, uri=uri)


def test_sources_read_it_too_and_clean_up(uri: str, tmp_path: Path) -> None:
    """What was downloaded for one pin is gone afterwards."""
    sources = WorkspaceSources(tmp_path, tmp_path / "cache", mlflow_uri=uri)
    found = sources.find("mlflow:models:/judge/2")
    tree = MemoryStore().put_files(found.files)
    sources.close()

    assert digest_of(b"version 2") in {entry.digest for entry in tree.entries}
    assert not any((tmp_path / "cache").iterdir())


def test_without_a_registry_the_location_is_refused(tmp_path: Path) -> None:
    """With the setting that names one."""
    with pytest.raises(UsageError, match="cannot be looked up") as caught:
        WorkspaceSources(tmp_path, tmp_path / "cache").find("mlflow:models:/judge/2")
    assert caught.value.mend == "set MLFLOW_TRACKING_URI"
