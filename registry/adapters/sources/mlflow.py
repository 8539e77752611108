"""A version of a registered model of MLflow: its artifacts, downloaded and read as files."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from registry.adapters.sources.extra import missing_extra
from registry.adapters.sources.path import check_unchanged, files_at
from registry.core.pin import Source
from registry.core.reference import InMlflow, NothingThere
from registry.errors import RegistryError
from registry.ports import Found


class MlflowFailed(RegistryError):
    """MLflow could not do what it was asked."""


def find_mlflow(location: InMlflow, *, scratch: Path, uri: str) -> Found:
    """Download a model version into `scratch`, an empty directory, and find its files.

    Args:
        location: The model, by alias or version. An alias can be moved at any time; the pin keeps the version.
        scratch: Where to; it must stay until the files were read.
        uri: The tracking and registry URI, such as `sqlite:///mlflow.db`.

    Raises:
        NothingThere: No such model, alias or version, or no file in it.
        MlflowFailed: The server or the artifact store cannot be reached.
    """
    # why: MLflow starts its telemetry when it is imported.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.artifacts import download_artifacts
    except ImportError as error:
        raise missing_extra("mlflow", error) from None
    with _explained(location):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        version = _version(client, location)
        # why: downloading `models:/NAME/VERSION` would add a file that names the version; its storage URI adds none.
        storage = client.get_model_version_download_uri(location.model, version)
        found = download_artifacts(artifact_uri=storage, dst_path=str(scratch), tracking_uri=uri, registry_uri=uri)
    files = files_at(scratch, found)
    source = Source(kind="mlflow", location=location.model, revision=version)
    return Found(files, source, lambda tree: check_unchanged(files))


def _version(client: Any, location: InMlflow) -> str:
    if location.alias:
        return str(client.get_model_version_by_alias(location.model, location.alias).version)
    return str(client.get_model_version(location.model, location.version).version)


@contextlib.contextmanager
def _explained(location: InMlflow) -> Iterator[None]:
    """Translate MLflow's errors and those of the stores under it."""
    from mlflow.exceptions import MlflowException

    wanted = f"{location.model}{f'@{location.alias}' if location.alias else f' version {location.version}'}"
    try:
        yield
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise NothingThere(f"MLflow has no {wanted}", why=error.message) from None
        raise MlflowFailed(f"MLflow could not give {wanted}", why=error.message) from None
    except OSError as error:
        raise MlflowFailed(f"the artifacts of {wanted} cannot be read", why=str(error)) from None
