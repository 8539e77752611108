"""The page about the ledger tells the truth: its commands run as printed, its tables are complete."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from registry.core.digest import digest_of
from registry.core.ledger.breach import Breach
from registry.core.ledger.entry import Entry
from tests.ledger.desk import ALICE, story

PAGE = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("openssl")), reason="the page's commands need jq, openssl")
def test_the_commands_of_the_page_check_a_ledger_without_us(tmp_path: Path) -> None:
    """sha256sum follows the chain, openssl accepts the signature; and refuses it once a byte was turned."""
    entries = story().entries
    for index, data in enumerate(entries):
        (tmp_path / f"{index:020d}.json").write_bytes(data)
    (tmp_path / "default.pub").write_text(ALICE.public_pem)
    chain, signature = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[:2]
    said = subprocess.run(["bash", "-ec", chain], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert said.split()[0] == said.split()[2].removeprefix("sha256:")
    assert digest_of(entries[3]) == said.split()[2]
    good = subprocess.run(["bash", "-ec", signature], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (good.returncode, good.stdout) == (0, "Verified OK\n")
    entry = tmp_path / f"{3:020d}.json"
    entry.write_bytes(entries[3].replace(b'"payload":"eyJ', b'"payload":"eyK'))
    bad = subprocess.run(["bash", "-ec", signature], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert bad.returncode != 0


def test_every_breach_and_every_action_is_on_the_page() -> None:
    """Nobody meets an error that is not explained."""
    breaches = {kind.__name__ for kind in Breach.__subclasses__()}
    actions = {str(kind.model_fields["action"].default) for kind in get_args(Entry)}

    assert {name for name in breaches if f"`{name}`" not in PAGE} == set()
    assert {name for name in actions if f"| `{name}` |" not in PAGE} == set()
