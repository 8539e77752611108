"""The page about configs tells the truth."""

import re
from pathlib import Path

import pytest

from registry.core.config import KEYS, parse_config
from registry.core.reference import parse_reference
from registry.verbs.gather import PICKLES
from tests.pin.test_config import VERBATIM

PAGE = (Path(__file__).parents[2] / "docs" / "configs.md").read_text()


def test_every_key_is_on_the_page_and_nothing_else() -> None:
    """In the table, each once."""
    table = PAGE.split("| key |")[1].split("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(KEYS)


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_the_examples_are_configs(kind: str) -> None:
    """As they stand."""
    (example,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)

    assert parse_config(example.encode(), f"assistant.{kind}").name == "assistant"
    assert kind == "yaml" or example == VERBATIM


def test_every_form_of_a_value_is_one() -> None:
    """Those in the table."""
    table = PAGE.split("| written |")[1].split("\n\n")[0]
    written = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)

    assert len(written) == 8
    for text in written:
        assert parse_reference(text.replace("LOCATION", "models/x").replace("URL", "https://host/x")).name


def test_every_refused_suffix_is_on_the_page() -> None:
    """So that nobody has to guess."""
    assert {suffix for suffix in PICKLES if f"`{suffix}`" in PAGE} == PICKLES
