"""The page about the suite: every verifier with its version, and examples that are true."""

import re
from pathlib import Path

import pytest

from registry.core.heldout.case import Value
from registry.core.heldout.verifiers import VERIFIERS
from tests.heldout.rows import NOTHING, ask

PAGE = (Path(__file__).parents[2] / "docs" / "heldout.md").read_text()
TOLD: dict[str, dict[str, Value]] = {
    "tag": {"tag": "answer"},
    "numeric": {"tag": "answer", "tolerance": "0.0005", "ANSWER": "1.769"},
    "version_reference": {"version": "3.2.1"},
    "span": {"SPAN": "SearchClient.query"},
}
SECTIONS = dict(re.findall(r"^### (\w+) v[0-9.]+\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = [
    (name, verdict, answer)
    for name, section in SECTIONS.items()
    for verdict, answer in re.findall(r"^- (passes|fails): `(.*?)`", section, re.MULTILINE)
]


def test_every_verifier_is_told_with_its_version() -> None:
    """Neither a verifier nor a version can change without its page."""
    assert set(SECTIONS) == set(VERIFIERS)
    assert all(f"### {name} {verifier.version}\n" in PAGE for name, verifier in VERIFIERS.items())


@pytest.mark.parametrize(("name", "verdict", "answer"), EXAMPLES)
def test_the_examples_are_true(name: str, verdict: str, answer: str) -> None:
    """What the page says passes does pass."""
    expected = {"passes": "pass", "fails": "fail"}[verdict]

    assert ask(name, answer, instruments=NOTHING, **TOLD.get(name, {})).verdict == expected
