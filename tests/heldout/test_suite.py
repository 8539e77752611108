"""Reading a suite: one identity, and every fault of every file at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.core.canonical import canonical
from registry.core.heldout.suite import Suite, suite_of
from registry.core.tree import UnsafeName
from registry.errors import Faults

HERE = Path(__file__).parents[2] / "manifests" / "heldout"
PLAIN = b"""form: registry.slice/1
name: sums
behaviour: arithmetic
max_new_tokens: 16
verifiers:
  - {name: numeric, arguments: {tag: answer, tolerance: 0.50}}
  - {name: tag, arguments: {tag: answer}}
"""
TOOLS = b"""form: registry.slice/1
name: tools
behaviour: tool use
samples: 2
max_new_tokens: 16
max_steps: 3
tools: [search]
fixtures: search.json
verifiers:
  - {name: json_schema, arguments: {schema: schema.json}}
  - {name: version_reference}
  - {name: deprecation, arguments: {names: [old, older]}}
  - {name: unit_tests}
"""
FIXTURE = {
    "form": "registry.fixture/1",
    "tool": "search",
    "version": "1",
    "recordings": [{"arguments": {"q": "a"}, "reply": {"r": 1}}],
}
Files = dict[str, bytes]


def case(name: str, **expect: object) -> bytes:
    """One line of `cases.jsonl`."""
    return canonical({"id": name, "prompt": f"the prompt of {name}", "expect": expect}) + b"\n"


def good() -> Files:
    """A suite without a fault."""
    return {
        "sums/slice.yaml": PLAIN,
        "sums/cases.jsonl": case("sums-1", answer="5") + case("sums-2", answer=-7),
        "tools/slice.yaml": TOOLS,
        "tools/cases.jsonl": case("tools-1", version="v1.2", tests="tests/a.py"),
        "tools/tests/a.py": b"assert True\n",
        "tools/schema.json": b"{}",
        "tools/search.json": canonical(FIXTURE),
    }


def refused(files: Files) -> str:
    """What is said of `files`."""
    with pytest.raises(Faults) as caught:
        suite_of(files)
    return str(caught.value)


def test_a_suite_is_read_whole() -> None:
    """Slices by name, cases in file order, numbers as they were typed."""
    suite = suite_of(good())

    assert [one.name for one in suite.slices] == ["sums", "tools"]
    assert [case.id for case in suite.cases["sums"]] == ["sums-1", "sums-2"]
    assert suite.slices[0].verifiers[0].arguments == {"tag": "answer", "tolerance": "0.50"}
    assert suite.slices[1].verifiers[2].arguments == {"names": ("old", "older")}
    assert suite.files_of("tools")["tests/a.py"] == b"assert True\n"
    assert Suite.parse(suite.canonical()) == suite


def test_the_committed_suite_is_sound() -> None:
    """What ships is readable, and has the four slices."""
    files = {path.relative_to(HERE).as_posix(): path.read_bytes() for path in HERE.rglob("*") if path.is_file()}

    assert {"headache_redflags", "math_basic", "division_hard", "debug_search_api"} <= set(suite_of(files).cases)


@pytest.mark.parametrize("path", sorted(good()))
def test_any_changed_byte_is_another_suite(path: str) -> None:
    """The digest covers every file."""
    files = good()
    files[path] += (
        b" " if not path.endswith("cases.jsonl") else case("one-more", answer="1", version="v1", tests="tests/a.py")
    )

    assert suite_of(files).digest != suite_of(good()).digest


def test_the_order_of_the_files_is_nothing() -> None:
    """The digest is of the content alone."""
    assert suite_of(dict(reversed(good().items()))).digest == suite_of(good()).digest


def edit(path: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    """Replace something in one file."""

    def change(files: Files) -> None:
        assert old in files[path]
        files[path] = files[path].replace(old, new)

    return change


def put(path: str, data: bytes) -> Callable[[Files], None]:
    """Write one file anew."""
    return lambda files: files.update({path: data})


def drop(path: str) -> Callable[[Files], None]:
    """Remove one file."""

    def change(files: Files) -> None:
        del files[path]

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit("sums/slice.yaml", b"numeric", b"numerik"), "did you mean 'numeric'?"),
        (edit("sums/slice.yaml", b"tolerance", b"tolerence"), "did you mean 'tolerance'?"),
        (edit("sums/slice.yaml", b"0.50", b"1e-3"), "not a decimal number"),
        (edit("sums/slice.yaml", b"0.50", b".nan"), "not a decimal number"),
        (edit("sums/slice.yaml", b"tag: answer, ", b""), "numeric needs the argument 'tag'"),
        (edit("sums/slice.yaml", b"tag: answer}", b"tag: <answer>}"), "not a word"),
        (edit("sums/slice.yaml", b"behaviour", b"behavior"), "did you mean 'behaviour'?"),
        (edit("sums/slice.yaml", b"name: sums", b"name: other"), "stands in 'sums'"),
        (edit("sums/slice.yaml", b"slice/1", b"slice/2"), "registry.slice/1"),
        (edit("sums/slice.yaml", b"16", b"0"), "max_new_tokens"),
        (edit("sums/slice.yaml", b"16", b"-1"), "not a whole number"),
        (edit("sums/slice.yaml", b"max_new_tokens: 16\n", b""), "'max_new_tokens' is missing"),
        (edit("sums/slice.yaml", b"name: tag", b"name: numeric"), "numeric stands twice"),
        (edit("sums/slice.yaml", b"form:", b"name: x\nform:"), "stands twice"),
        (edit("sums/slice.yaml", b"behaviour:", b"max_steps: 2\nbehaviour:"), "go together"),
        (put("sums/slice.yaml", PLAIN.split(b"verifiers")[0] + b"verifiers: []\n"), "would pass everything"),
        (put("sums/slice.yaml", b"\xff"), "not UTF-8"),
        (put("sums/slice.yaml", b"a: ["), "not YAML"),
        (put("sums/slice.yaml", b""), "is empty"),
        (put("sums/slice.yaml", b"!!python/object:os.system {}"), "tag"),
        (drop("sums/slice.yaml"), "sums/slice.yaml: the file is missing"),
        (drop("sums/cases.jsonl"), "sums/cases.jsonl: the file is missing"),
        (put("sums/cases.jsonl", b""), "is empty"),
        (edit("sums/cases.jsonl", b"sums-2", b"sums-1"), "stands twice"),
        (edit("sums/cases.jsonl", b'"answer"', b'"anser"'), "owes numeric its expect.answer"),
        (edit("sums/cases.jsonl", b'"5"', b'"five"'), "not a decimal number"),
        (edit("sums/cases.jsonl", b'"5"', b"5.0"), "the number 5.0"),
        (edit("sums/cases.jsonl", b'"5"', b'["5"]'), "it is a list"),
        (edit("sums/cases.jsonl", b'"5"', b'"5","answer":"6"'), "stands twice"),
        (edit("sums/cases.jsonl", b'"5"', b' "5"'), "canonical spelling"),
        (edit("sums/cases.jsonl", b'"prompt"', b'"promt"'), "promt"),
        (edit("sums/cases.jsonl", b"the prompt of sums-1", b"\\ud800"), "lone surrogate"),
        (edit("sums/cases.jsonl", b'"sums-1"', b'"../up"'), "id"),
        (edit("sums/cases.jsonl", b"}\n{", b"}\n\n{"), "line 2"),
        (edit("tools/cases.jsonl", b"tests/a.py", b"tests/b.py"), "the slice has no file 'tests/b.py'"),
        (edit("tools/cases.jsonl", b'"version":"v1.2"', b'"x":"y"'), "owes version_reference its expect.version"),
        (edit("tools/slice.yaml", b"schema.json", b"shema.json"), "the slice has no file 'shema.json'"),
        (edit("tools/slice.yaml", b"search.json", b"serch.json"), "did you mean 'search.json'?"),
        (edit("tools/slice.yaml", b"[search]", b"[find]"), "the fixture is of search"),
        (edit("tools/slice.yaml", b"tools: [search]\n", b""), "go together"),
        (edit("tools/slice.yaml", b"[old, older]", b"[]"), "empty list"),
        (edit("tools/search.json", b"fixture/1", b"fixture/2"), "not a fixture"),
        (edit("tools/search.json", b'":[{', b'":[{"arguments":{"q":"a"},"reply":{}},{'), "two ways"),
        (put("tools/search.json", b'{"form":NaN}'), "NaN"),
        (put("README.md", b"hello"), "belongs to no slice"),
        (put("tools/tests/a.py", b"\xff\xfe"), "not UTF-8"),
    ],
)
def test_a_fault_is_told_with_its_place(change: Callable[[Files], None], told: str) -> None:
    """Each is refused before anything is evaluated, in words that help to mend it."""
    files = good()
    change(files)

    assert told in refused(files)


def test_all_faults_are_told_at_once() -> None:
    """Two files, three faults, one refusal."""
    files = good()
    for change in (
        edit("sums/slice.yaml", b"behaviour", b"behavior"),
        edit("sums/cases.jsonl", b"sums-2", b"sums-1"),
        edit("tools/slice.yaml", b"name: unit_tests", b"name: unit_test"),
    ):
        change(files)
    said = refused(files)

    assert all(word in said for word in ("behavior", "sums-1 stands twice", "unit_test"))


def test_a_thousand_faults_do_not_flood_the_reader() -> None:
    """The first fifty are told, the rest counted."""
    files = good() | {"sums/cases.jsonl": b"".join(case(f"sums-{n}") for n in range(1000))}

    assert "and 950 more" in refused(files)


def test_an_empty_suite_is_none() -> None:
    """Nothing to ask is not a suite that everything passes."""
    assert "there is no slice" in refused({})


@pytest.mark.parametrize("path", ["../x/slice.yaml", "/x/slice.yaml", "sums/SLICE.yaml", "a/b\\c"])
def test_a_name_that_could_mean_another_file_is_refused(path: str) -> None:
    """The tree's own rules hold for a suite."""
    with pytest.raises(UnsafeName):
        suite_of({**good(), path: b"x"})
