"""Smallness is defended in numbers, from the first commit."""

import ast
import tokenize
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "registry"
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_CODE_LINES_IN_THE_PACKAGE = 25_000
MOST_LINES_IN_A_FILE = 400
MOST_LINES_IN_A_BODY = 40


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, however deep."""
    tree = ast.parse(module.read_text())
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body; its signature and its docstring are not counted."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def code_lines(module: Path) -> int:
    """Lines that the interpreter acts on: blank lines, comments and docstrings are free."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    with module.open("rb") as file:
        found = [token for token in tokenize.tokenize(file.readline) if token.type != tokenize.ENCODING]
    for before, token in pairwise([found[-1], *found]):  # the last token, ENDMARKER, stands in before the first
        is_docstring = token.type == tokenize.STRING and before.type in skipped
        if token.type not in skipped and not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def test_the_package_stays_within_its_budget() -> None:
    """Raising this number takes a paragraph in docs/DECISIONS.md."""
    assert sum(map(code_lines, MODULES)) <= MOST_CODE_LINES_IN_THE_PACKAGE


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ROOT)))
def test_a_file_is_read_in_one_sitting(module: Path) -> None:
    """No file above the cap, no function that cannot be seen at once."""
    long = [f"{node.name}: {body_lines(node)}" for node in functions(module) if body_lines(node) > MOST_LINES_IN_A_BODY]

    assert len(module.read_text().splitlines()) <= MOST_LINES_IN_A_FILE
    assert [] == long
