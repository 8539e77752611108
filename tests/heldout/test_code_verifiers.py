"""The verifiers that read code and tool calls: deprecation, unit_tests, json_schema."""

import time
from collections import Counter

import pytest

from registry.adapters.sandbox import LocalSandbox
from registry.core.canonical import canonical
from registry.core.heldout.verifiers.look import Instruments, VerifierFailed
from registry.core.heldout.verifiers.markup import python_blocks
from tests.heldout.rows import NOTHING, ask, no_run, no_score

FENCE = "```"
TESTS = b"assert double(2) == 4\nassert double(-1) == -2\n"


def code(*lines: str, language: str = "python") -> str:
    """A fenced block."""
    return "\n".join(("Do this:", f"{FENCE}{language}", *lines, FENCE, "Done."))


USES = (
    "legacy_lookup('x')",
    "client.legacy_lookup('x')",
    "a.b.c.legacy_lookup()",
    "from search import legacy_lookup\nlegacy_lookup()",
    "from search import legacy_lookup as f\nf()",
    "import search.legacy_lookup as f\nf()",
    "f = client.legacy_lookup\nf()",
    "f = g = legacy_lookup\ng()",
    "f = legacy_lookup\ng = f\nh = g\nh()",
    "f: object = legacy_lookup\nf()",
    "a, f = 1, legacy_lookup\nf()",
    "[a, (b, f)] = [1, (2, legacy_lookup)]\nf()",
    "self.f = client.legacy_lookup\nself.f()",
    "(f := legacy_lookup)(1)",
    "getattr(client, 'legacy_lookup')('x')",
    "f = getattr(client, 'legacy_lookup')\nf()",
    "map(legacy_lookup, xs)",
    "table = {'a': legacy_lookup}",
    "def g():\n    return legacy_lookup",
    "@legacy_lookup\ndef g(): pass",
    "def g(f=legacy_lookup): pass",
    "f = lambda: client.legacy_lookup()",
    "f'{client.legacy_lookup()}'",
    "async def g():\n    await client.legacy_lookup()",
    "legacy_lookup.__call__()",
)
NO_USES = (
    "client.query('x')",
    "# legacy_lookup() is gone\nclient.query('x')",
    "print('legacy_lookup()')",
    '"""Was legacy_lookup() before."""',
    "from search import legacy_lookup",
    "f = client.legacy_lookup",
    "client.legacy_lookup = None",
    "def legacy_lookup(): pass",
    "my_legacy_lookup()",
    "legacy_lookup_2()",
    "hasattr(client, 'legacy_lookup')",
    "",
)


@pytest.mark.parametrize("lines", USES)
def test_a_use_of_a_deprecated_name_is_seen(lines: str) -> None:
    """By name, attribute, alias or `getattr`; called or handed on."""
    assert ask("deprecation", code(lines), names=("legacy_lookup",)).verdict == "fail"


@pytest.mark.parametrize("lines", NO_USES)
def test_a_mention_is_no_use(lines: str) -> None:
    """Comments, strings, imports, definitions and other names are none."""
    assert ask("deprecation", code(lines), names=("legacy_lookup",)).verdict == "pass"


def test_prose_is_not_code() -> None:
    """Outside a block, and in a block of another language, a name is a mention."""
    assert ask("deprecation", "Do not call legacy_lookup().", names=("legacy_lookup",)).verdict == "pass"
    assert ask("deprecation", code("legacy_lookup()", language="bash"), names=("legacy_lookup",)).verdict == "pass"
    assert ask("deprecation", "", names=("legacy_lookup",)).verdict == "pass"


@pytest.mark.parametrize(
    "lines",
    [
        "def",
        "a\0b",
        "(" * 200_000,
        "(" * 5_000,
        "-" * 60_000 + "1",
        "x." * 30_000 + "y",
        "a" + "[0]" * 20_000,
        "x" * 1_000_000,
        "\ud800",
    ],
    ids=range(9),
)
def test_code_that_does_not_parse_fails(lines: str) -> None:
    """Broken, hostile or endless code is judged at once, and never passes."""
    start = time.perf_counter()

    assert ask("deprecation", code(lines), names=("legacy_lookup",)).verdict == "fail"
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```python\na\n```", ("a",)),
        ("```\na\n```", ("a",)),
        ("```py title=x\na\n```", ("a",)),
        ("~~~python\n```\na\n~~~", ("```\na",)),
        ("````python\n```\n````", ("```",)),
        ("```python\na", ("a",)),
        ("```bash\na\n```\n```python\nb\n```", ("b",)),
        ("```python\r\na\r\n```\r\n", ("a\r",)),
        ("text ``` python", ()),
        ("    ```python\na", ()),
        ("```a`b\nc", ()),
        ("", ()),
    ],
)
def test_blocks_are_found_as_commonmark_does(text: str, found: tuple[str, ...]) -> None:
    """Fences of three or more, closed by their own kind, or by the end of the text."""
    assert python_blocks(text) == found


@pytest.mark.parametrize("unit", ["```", "`", "~~~\n", "```\n", "``` " + " " * 50, "\n"])
def test_a_megabyte_of_fences_is_read_at_once(unit: str) -> None:
    """No fence makes the reader backtrack."""
    start = time.perf_counter()
    python_blocks(unit * (1_000_000 // len(unit)))

    assert time.perf_counter() - start < 5


REAL = Instruments({"tests/double.py": TESTS, "tests/bad.py": b"\xff"}, LocalSandbox(wall_s=20, cpu_s=1).run, no_score)


@pytest.mark.parametrize(
    ("lines", "verdict", "seen"),
    [
        ("def double(x):\n    return 2 * x", "pass", "exit 0"),
        ("def double(x):\n    print('noise')\n    return 2 * x", "pass", "exit 0"),
        ("def double(x):\n    return x", "fail", "exit 1: AssertionError"),
        ("def other(x):\n    return 2 * x", "fail", "exit 1: NameError"),
        ("def double(x:", "fail", "exit 1: SyntaxError"),
        ("import os\nos._exit(0)", "fail", "exit 0 before the tests were done"),
        ("raise SystemExit(0)", "fail", "exit 0 before the tests were done"),
        (
            "import builtins\nbuiltins.exec = builtins.compile = print\ndef double(x): return x",
            "fail",
            "exit 1: AssertionError",
        ),
        ("while True: pass", "fail", "stopped by the limits"),
        ("import os\nos.fork()", "fail", "exit 1: PermissionError"),
        ("import socket\nsocket.socket()", "fail", "exit 1: PermissionError"),
        ("open('/etc/passwd')", "fail", "exit 1: PermissionError"),
        ("x = 'y' * 10**10", "fail", "exit 1: MemoryError"),
    ],
)
def test_the_code_must_pass_the_tests_to_their_end(lines: str, verdict: str, seen: str) -> None:
    """An exit code of 0 is not enough: the tests must have run."""
    finding = ask("unit_tests", code(lines), instruments=REAL, TESTS="tests/double.py")

    assert (verdict, seen) == (finding.verdict, finding.seen)


def test_the_last_block_of_the_final_answer_is_what_runs() -> None:
    """An earlier draft, and an earlier turn, do not count."""
    draft, good = code("def double(x): return x"), code("def double(x): return 2 * x")

    assert ask("unit_tests", draft + "\n" + good, instruments=REAL, TESTS="tests/double.py").verdict == "pass"
    assert ask("unit_tests", good, draft, instruments=REAL, TESTS="tests/double.py").verdict == "fail"


@pytest.mark.parametrize(
    "answer", ["", "no code", code("", language="bash"), code("x = 1", language="text"), code("#" * 70_000)]
)
def test_without_code_nothing_is_run(answer: str) -> None:
    """No block, or a monstrous one, fails without a process."""
    instruments = Instruments({"tests/double.py": TESTS}, no_run, no_score)

    assert ask("unit_tests", answer, instruments=instruments, TESTS="tests/double.py").verdict == "fail"


@pytest.mark.parametrize("path", ["tests/missing.py", "tests/bad.py"])
def test_a_test_file_that_cannot_be_read_is_the_verifiers_failure(path: str) -> None:
    """It says nothing about the answer."""
    with pytest.raises(VerifierFailed):
        ask("unit_tests", code("x = 1"), instruments=REAL, TESTS=path)


SCHEMA = {
    "search_api": {
        "type": "object",
        "properties": {"query": {"type": "string", "maxLength": 20}, "top": {"type": "integer", "minimum": 1}},
        "required": ["query"],
        "additionalProperties": False,
    },
    "remote": {"$ref": "http://127.0.0.1:1/schema.json"},
}
SLICE = Instruments(
    {"tools.json": canonical(SCHEMA), "broken.json": b'{"a":{"type":7}}', "list.json": b"[]"}, no_run, no_score
)
GOOD = '<tool_call>{"name":"search_api","arguments":{"query":"500"}}</tool_call>'


@pytest.mark.parametrize(
    ("turns", "passed", "total"),
    [
        ((GOOD,), 1, 1),
        ((GOOD, GOOD, "done"), 2, 2),
        (('<tool_call>\n {"arguments": {"query": "a", "top": 3}, "name": "search_api"} \n</tool_call>',), 1, 1),
        (("no call",), 0, 1),
        ((), 0, 1),
        ((GOOD, GOOD.replace("search_api", "other")), 1, 2),
        ((GOOD + GOOD.replace('"500"', "500"),), 1, 2),
        ((GOOD.replace('"500"', '"500","limit":1'),), 0, 1),
        ((GOOD.replace('"query":"500"', '"top":1'),), 0, 1),
        ((GOOD.replace('"500"', '"' + "5" * 21 + '"'),), 0, 1),
        ((GOOD.replace('"500"', '"500","top":true'),), 0, 1),
        ((GOOD.replace('"500"', '"500","top":1.0'),), 0, 1),
        ((GOOD.replace('"500"', '"500","top":NaN'),), 0, 1),
        ((GOOD.replace('"500"', '"500","top":1e999'),), 0, 1),
        ((GOOD.replace('"500"', '"500","query":"501"'),), 0, 1),
        ((GOOD.replace('"500"', r'"\ud800"'),), 0, 1),
        ((GOOD.replace("{", "{'", 1),), 0, 1),
        ((GOOD.replace('"arguments"', '"id":1,"arguments"'),), 0, 1),
        (('<tool_call>["search_api"]</tool_call>',), 0, 1),
        (("<tool_call></tool_call>",), 0, 1),
        (("<tool_call>" + GOOD,), 1, 2),
        ((GOOD + "</tool_call>",), 1, 2),
        (("</tool_call>" + GOOD,), 1, 2),
        ((GOOD.removesuffix("</tool_call>"),), 0, 1),
        (("<tool_call>" + "[" * 100_000 + "</tool_call>",), 0, 1),
        (("<tool_call>" + "9" * 10_000 + "</tool_call>",), 0, 1),
        (("<tool_call>" * 50_000,), 0, 50_000),
    ],
)
def test_every_call_is_strict_json_of_a_known_tool_that_fits(turns: tuple[str, ...], passed: int, total: int) -> None:
    """Calls are counted one by one; a run without a call is one failure."""
    finding = ask("json_schema", *turns, instruments=SLICE, schema="tools.json")

    assert (passed, total) == (finding.passed, finding.total)
    assert finding.verdict == ("pass" if passed == total else "fail")


@pytest.mark.parametrize("schema", ["missing.json", "broken.json", "list.json"])
def test_a_schema_that_cannot_be_used_is_the_verifiers_failure(schema: str) -> None:
    """The answer is not to blame."""
    with pytest.raises(VerifierFailed):
        ask("json_schema", GOOD, instruments=SLICE, schema=schema)


def test_a_schema_never_reaches_for_the_network() -> None:
    """A reference to another place is an error, not a download."""
    with pytest.raises(Exception, match="Unresolvable"):
        ask(
            "json_schema",
            '<tool_call>{"name":"remote","arguments":{}}</tool_call>',
            instruments=SLICE,
            schema="tools.json",
        )


def test_verifiers_do_not_change_their_mind() -> None:
    """The same inputs give the same finding."""
    findings = Counter(ask("deprecation", code("f()"), instruments=NOTHING, names="f").canonical() for _ in range(3))

    assert len(findings) == 1
