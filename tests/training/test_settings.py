"""The settings: a typo in params.yaml is told, not ignored."""

import re
from pathlib import Path

import pytest

from registry.errors import UsageError
from registry.training.settings import read_settings

PARAMS = (Path(__file__).parents[2] / "params.yaml").read_text()


def refused(text: str, place: Path) -> UsageError:
    """What is said against params.yaml with this text."""
    (place / "params.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings(place / "params.yaml")
    return caught.value


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    """And those that there are, are named."""
    found = refused(PARAMS.replace("profile: reference", "profile: referenz"), tmp_path)

    assert "no profile 'referenz'" in found.what
    assert "reference, smoke" in found.why


@pytest.mark.parametrize("wrong", ["stepz: 900", "steps: many"])
def test_a_wrong_setting_is_refused_with_its_place(wrong: str, tmp_path: Path) -> None:
    """A setting that is silently the default would make a run that nobody asked for."""
    assert "base.steps" in refused(re.sub(r"steps: \d+", wrong, PARAMS, count=1), tmp_path).why
