"""Projects to pin, made once and copied."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.pin.project import Project, copy_of, dvc_project, git_project

# why: on a busy machine any test may pause; time is no property of what is tested here.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def _quiet_dvc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """DVC keeps its notes in a place of the tests' own, and reports to nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path_factory.mktemp("dvc-site")))
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        yield


@pytest.fixture(scope="session")
def _ready(tmp_path_factory: pytest.TempPathFactory, _quiet_dvc: None) -> Project:
    return dvc_project(tmp_path_factory.mktemp("ready") / "project")


@pytest.fixture
def project(_ready: Project, tmp_path: Path) -> Project:
    """A project with a DVC pipeline that is up to date and committed."""
    return copy_of(_ready, tmp_path / "project")


@pytest.fixture
def plain(tmp_path: Path) -> Project:
    """A project with git and a suite, and no DVC."""
    return git_project(tmp_path / "plain")
