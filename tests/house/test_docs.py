"""Documents cannot lie about what there is."""

import re
from pathlib import Path

import pytest

from registry.cli import COMMANDS, GROUPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#]+)")
CALL = re.compile(r"(?:^|[`$ ])registry ([a-z]+(?:-[a-z]+)*)", re.MULTILINE)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file of this repository."""
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert [] == missing


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    """What stands in code as `registry WORD` can be typed."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL))
    unknown = set(CALL.findall(code)) - {*COMMANDS, *GROUPS}

    assert set() == unknown


def test_every_command_is_documented() -> None:
    """A command that no page shows is a command that nobody finds."""
    shown = set().union(*(CALL.findall(page.read_text()) for page in PAGES))

    assert set() == {*COMMANDS, *GROUPS} - shown
