"""Text that a stranger chose, on a person's terminal: nothing of it is obeyed, hidden or turned round."""

import json
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cli.output import columns, complain, data, document, talk
from registry.core.visible import visible
from registry.errors import RegistryError

HOSTILE = (
    "\x1b[2J\x1b[1;1H",
    "\x9b31m",
    "\r",
    "\x08",
    "\u202egnp.exe",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\U000e0041",
    "\udcff",
)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_a_terminal_would_obey_is_spelled_out(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In what is printed, in what is said, in errors and in tables."""
    data(f"model {text}\nnext")
    talk(text)
    complain(RegistryError(f"{text} failed", why=text))
    data(columns(("NAME",), [(f"{text}\n! false",)]))
    out, err = capsys.readouterr()

    assert all(line.isprintable() for line in [*out.split("\n"), *err.split("\n")])
    assert 4 == out.count("\n")


@given(st.text())
def test_a_document_says_the_same_when_its_signs_are_spelled_out(text: str) -> None:
    """JSON with numbers for signs is the same JSON, beyond the first plane too."""
    spelled = "\n".join(map(visible, document("registry.test/1", {"text": text}).split("\n")))

    assert text == json.loads(spelled)["text"]
    assert visible(text).isprintable()


def test_no_sign_of_any_plane_is_let_through_that_controls_or_hides() -> None:
    """Controls, formats, surrogates and separators; whatever the version of Unicode."""
    bad = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) in ("Cc", "Cf", "Cs", "Zl", "Zp")]

    assert all(visible(sign) != sign for sign in bad)
    assert "naïve 模型 😀" == visible("naïve 模型 😀")


def test_a_stray_file_draws_no_false_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name in the store that somebody put there is one line of `verify`, whatever is in it."""
    from registry.cli.verify import show_report
    from tests.store.estate import Estate

    estate = Estate(tmp_path / "store")
    estate.add()
    (estate.root / "blobs" / "x\nclean\x1b[2K").touch()
    show_report(estate.verify())

    assert r"blobs/x\u000aclean\u001b[2K" in capsys.readouterr().err
