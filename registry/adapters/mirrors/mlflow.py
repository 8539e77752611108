"""MLflow's model registry: a version for each manifest, tags that say which, and an alias for each stage.

Only versions that bear our tag, and aliases that are called like a stage, are ours; everything else is left alone.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from registry.core.digest import hex_of, short
from registry.core.ledger.picture import Picture, Version
from registry.errors import RegistryError, UsageError

MANIFEST = "lockstep.manifest"
"""The tag that makes a version ours."""

_PAGE = 1000


class MlflowUnreachable(RegistryError):
    """MLflow cannot be asked, or will not do what it is asked."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What MLflow shows: each manifest's version and tags, and where the stages' aliases point."""

    versions: Mapping[str, tuple[str, Mapping[str, str]]]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MlflowRegistry:
    """The model registry at `uri`, such as `http://127.0.0.1:5000`; `stages` are all that there are."""

    uri: str
    stages: tuple[str, ...]

    def differences(self, picture: Picture) -> Sequence[str]:
        """Where the registered model is not what the picture says."""
        with _explained(self.uri):
            return list(_differences(picture, self._shown(self._client(), picture.name), self.stages))

    def mend(self, picture: Picture) -> Sequence[str]:
        """Make versions, set tags and move aliases until they are the picture's."""
        with _explained(self.uri):
            client = self._client()
            told = list(_differences(picture, self._shown(client, picture.name), self.stages))
            if told:
                self._mend(client, picture)
        return told

    def _mend(self, client: Any, picture: Picture) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.get_registered_model(picture.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            client.create_registered_model(picture.name, description="Shown here by Lockstep; the ledger decides.")
        numbers = {}
        shown = self._shown(client, picture.name)
        for version in picture.versions:
            numbers[version.manifest] = self._mend_version(
                client, picture, version, shown.versions.get(version.manifest)
            )
        for stage, number in shown.aliases.items():
            if stage not in picture.serving or numbers[picture.serving[stage].version.manifest] != number:
                client.delete_registered_model_alias(picture.name, stage)
        for stage, move in picture.serving.items():
            client.set_registered_model_alias(picture.name, stage, numbers[move.version.manifest])

    def _mend_version(  # noqa: PLR0917 - one version, as it is due and as it is
        self, client: Any, picture: Picture, version: Version, shown: tuple[str, Mapping[str, str]] | None
    ) -> str:
        tags = tags_of(picture, version)
        if shown is None:
            made = client.create_model_version(picture.name, f"lockstep:///{hex_of(version.manifest)}", tags=tags)
            return str(made.version)
        number, here = shown
        for key, value in tags.items():
            if here.get(key) != value:
                client.set_model_version_tag(picture.name, number, key, value)
        for key in here:
            if key.startswith("lockstep.") and key not in tags:
                client.delete_model_version_tag(picture.name, number, key)
        return number

    def _shown(self, client: Any, name: str) -> _Shown:
        from mlflow.exceptions import MlflowException

        try:
            model = client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return _Shown({}, {})
        versions = {
            one.tags[MANIFEST]: (str(one.version), dict(one.tags)) for one in _all(client, name) if MANIFEST in one.tags
        }
        aliases = {alias: str(number) for alias, number in model.aliases.items() if alias in self.stages}
        return _Shown(versions, aliases)

    def _client(self) -> Any:
        # why: MLflow starts its telemetry when it is imported.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # why: it would try for minutes to reach a server that is down, and nobody waits so long for a mirror.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            mend = "pip install 'lockstep-registry[mlflow]'"
            raise UsageError("a mirror in MLflow needs MLflow", why=str(error), mend=mend) from None
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)


def tags_of(picture: Picture, version: Version) -> dict[str, str]:
    """The tags of a version: its manifest and commit, and for each stage that served it the verdict behind that."""
    found = {MANIFEST: version.manifest, "lockstep.model": version.model, "lockstep.commit": version.commit}
    for move in picture.moves:
        if move.version.manifest == version.manifest:
            one = move.generation
            found |= {
                f"lockstep.{one.stage}.verdict": one.verdict or "none",
                f"lockstep.{one.stage}.answer": one.answer or "none",
                f"lockstep.{one.stage}.generation": str(one.number),
            }
    return found


def _differences(picture: Picture, shown: _Shown, stages: tuple[str, ...]) -> Iterator[str]:
    for version in picture.versions:
        if version.manifest not in shown.versions:
            yield f"version {version.number} ({version.manifest}) is missing"
            continue
        number, here = shown.versions[version.manifest]
        due = tags_of(picture, version)
        odd = sorted(key for key in {*due, *here} if key.startswith("lockstep.") and due.get(key) != here.get(key))
        if odd:
            yield f"version {number} has other tags: {', '.join(odd)}"
    for stage in stages:
        move = picture.serving.get(stage)
        due_at = shown.versions.get(move.version.manifest, ("",))[0] if move else None
        if (found := shown.aliases.get(stage)) != due_at:
            wanted = f"the version of {short(move.version.manifest)}" if move else "nothing"
            yield f"alias {stage} is at {found or 'nothing'}, not at {wanted}"


def _all(client: Any, name: str) -> Iterator[Any]:
    """Every version of the registered model, oldest first, so that of two with one manifest the newest counts."""
    token, found = None, []
    while True:
        page = client.search_model_versions(f"name='{name}'", max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return iter(sorted(found, key=lambda one: int(one.version)))


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Tell MLflow's faults, and those of the network under it, as what, why and mend."""
    try:
        yield
    except RegistryError:
        raise
    except Exception as error:  # noqa: BLE001 - MLflow lets through what its stores and its HTTP library raise
        mend = "start the server, or run `registry mirror --repair` when it can be reached"
        raise MlflowUnreachable(f"MLflow at {uri} did not do it", why=str(error)[:300], mend=mend) from None
