"""The report of a verdict as it is asked for: a page, Markdown, JSON, now and years later."""

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Protocol

import pytest
from rich.console import Console

from registry.cli.report import _list, _table
from registry.core.gate.report import Line, lines_of
from tests.cli.scene import Scene
from tests.gate.worked import judged


class Layout(Protocol):
    """How rules are laid out."""

    def __call__(self, console: Console, lines: Sequence[Line], *, explain: bool) -> None:
        """Print them."""


def test_a_gate_writes_its_page_beside_what_it_prints(pinned: Scene) -> None:
    """The answer on stdout, the page in the file, and where it is on stderr."""
    done = pinned.run("gate", "new", "--to", "staging", "--html", "report.html")
    text = (pinned.root / "report.html").read_text(encoding="utf-8")

    assert (0, "the report is in report.html\n") == (done.returncode, done.stderr.replace(f"{pinned.root}/", ""))
    assert "GO for staging" in done.stdout
    assert text.startswith("<!DOCTYPE html>")
    assert text.endswith("</html>\n")


def test_a_dash_prints_the_page_and_nothing_else(pinned: Scene) -> None:
    """The exit code stays that of the answer."""
    done = pinned.run("gate", "old", "--to", "staging", "--html", "-")

    assert (3, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.endswith("</html>\n")


def test_a_page_can_be_made_of_an_old_verdict(pinned: Scene) -> None:
    """By its digest, or by the decision that rests on it; the same bytes as on the day."""
    pinned.done("gate", "new", "--to", "staging", "--html", "then.html")
    digest = str(pinned.read("gate", "new", "--to", "staging")["digest"])
    pinned.done("promote", "new", "--to", "staging")
    promotion = len(json.loads(pinned.done("log", "--json"))["lines"]) - 1
    then = (pinned.root / "then.html").read_text(encoding="utf-8")

    assert then == pinned.done("show", digest, "--html", "-")
    assert f"registry gate --replay {digest}" in then
    assert "<title>GO for staging" in pinned.done("show", f"#{promotion}", "--html", "-")


def test_only_a_verdict_has_a_page(pinned: Scene) -> None:
    """Of anything else the command says what it is."""
    assert "its kind is manifest, and only a verdict has one" in pinned.done("show", "new", "--html", "-", code=2)
    assert "its kind is entry, and only a verdict has one" in pinned.done("show", "#1", "--html", "-", code=2)


def test_a_page_that_cannot_be_written_is_an_error(pinned: Scene) -> None:
    """What failed and why, and no half page."""
    said = pinned.run("gate", "new", "--to", "staging", "--html", "nowhere/report.html")

    assert 1 == said.returncode
    assert "nowhere" in said.stderr
    assert "Traceback" not in said.stderr


def test_markdown_and_json_go_to_stdout_alone(pinned: Scene) -> None:
    """One document each."""
    text = pinned.done("gate", "old", "--to", "staging", "--markdown", code=3)

    assert text.startswith("**NO-GO for staging")
    assert not text.endswith("\n\n")
    assert "registry.judged/1" == pinned.read("gate", "old", "--to", "staging", code=3)["form"]


def test_explain_says_every_rule_in_a_sentence(pinned: Scene) -> None:
    """Without it, only those that did not pass."""
    plain, told = (pinned.done("gate", "new", "--to", "staging", *more) for more in ((), ("--explain",)))

    assert "with 95 % confidence" not in plain
    assert "with 95 % confidence" in told
    assert "A model that is no different would pass" in told
    assert [] == [line for line in told.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(("width", "lay_out"), [(40, _list), (80, _list), (130, _table)])
def test_no_word_is_lost_on_a_narrow_terminal(width: int, lay_out: Layout) -> None:
    """Rules stand in columns where there is room, and below each other where there is not."""
    console = Console(width=width, file=StringIO(), highlight=False)
    lines = lines_of(judged().verdict)
    lay_out(console, lines, explain=True)
    assert isinstance(console.file, StringIO)
    shown = "".join(console.file.getvalue().split())

    assert all("".join(line.rule.split()) in shown for line in lines)
    assert all(line.value in shown for line in lines)
    if lay_out is _list:
        assert all("".join(line.sentence.split()) in shown for line in lines)


def test_a_rule_without_a_number_leaves_no_empty_line_on_a_narrow_terminal() -> None:
    """What is undecided for want of data has its sentence right below it."""
    console = Console(width=60, file=StringIO(), highlight=False)
    _list(console, [replace(lines_of(judged().verdict)[0], value="", interval="", n="")], explain=True)
    assert isinstance(console.file, StringIO)

    assert "" not in [line.strip() for line in console.file.getvalue().splitlines()]
