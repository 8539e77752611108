"""Trees: one digest for one content, and names that mean the same file everywhere."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import tree as names
from registry.core.canonical import NotCanonical, canonical
from registry.core.digest import digest_of
from registry.core.record import MalformedRecord, Record
from registry.core.tree import Entry, Tree, UnsafeName, check_names, tree_of
from registry.errors import RegistryError

HOSTILE = {
    "nothing": "",
    "the parent": "..",
    "a parent inside": "a/../b",
    "a dot": "a/./b",
    "absolute": "/etc/passwd",
    "a drive": "C:/x",
    "an empty step": "a//b",
    "a trailing slash": "a/",
    "a backslash": "a\\b",
    "a NUL": "a\0b",
    "a newline": "a\nb",
    "a device": "aux.json",
    "a device below": "a/COM1",
    "a trailing dot": "a./b",
    "a trailing space": "a ",
    "a long step": "x" * 256,
    "a long path": "/".join(["x" * 200] * 6),
    "too deep": "/".join(["x"] * 65),
    "not UTF-8": "a\udc80",
    "not normal form C": "e\u0301",
}

NAMES = st.lists(st.text("abcxyz", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)


def entry(path: str, data: bytes = b"x") -> Entry:
    """An entry of `data` at `path`."""
    return Entry(path=path, size=len(data), digest=digest_of(data))


@pytest.mark.parametrize("path", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_is_refused(path: str) -> None:
    """No name can leave its tree or mean something else on another machine."""
    with pytest.raises(UnsafeName):
        check_names([path])


@pytest.mark.parametrize(
    "paths", [("a", "A"), ("a", "a"), ("dir/x", "DIR/X"), ("stra\u00dfe", "strasse"), ("a", "a/b"), ("A/b", "a")]
)
def test_names_that_collide_somewhere_are_refused(paths: tuple[str, ...]) -> None:
    """A case-blind file system would keep only one of the two."""
    with pytest.raises(UnsafeName):
        check_names(paths)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.randoms())
def test_order_of_reading_does_not_matter(paths: list[str], random: object) -> None:
    """The same files make the same tree, however the directory listed them."""
    try:
        expected = tree_of([entry(path) for path in paths])
    except UnsafeName:
        return
    shuffled = sorted(paths, key=lambda path: digest_of(path.encode()))

    assert expected.digest == tree_of([entry(path) for path in shuffled]).digest


def test_a_tree_is_read_back_from_its_bytes() -> None:
    """Parsing undoes writing, and the digest is of the bytes."""
    tree = tree_of([entry("b"), entry("a/c", b"")])

    assert tree == Tree.parse(tree.canonical())
    assert digest_of(tree.canonical()) == tree.digest


def test_golden_bytes() -> None:
    """Nobody may change the form: every digest ever given out depends on it."""
    tree = tree_of([entry("config.json", b"{}")])

    assert tree.canonical() == (
        b'{"entries":[{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",'
        b'"path":"config.json","size":2}],"form":"registry.tree/1"}'
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"size":1', '"size":-1'),
        lambda text: text.replace('"size":1', '"size":true'),
        lambda text: text.replace("sha256:", "sha256:A", 1),
        lambda text: text.replace('"a"', '"../a"'),
        lambda text: text.replace("tree/1", "tree/2"),
        lambda text: text.replace('"form"', '"extra":null,"form"'),
    ],
)
def test_a_tampered_tree_is_refused(change: object) -> None:
    """A tree that parses is a tree that could have been written."""
    text = tree_of([entry("a"), entry("b")]).canonical().decode()

    with pytest.raises((MalformedRecord, UnsafeName)):
        Tree.parse(change(text).encode())  # type: ignore[operator]  # reason: a table of functions


def test_a_tree_out_of_order_is_refused() -> None:
    """One content, one spelling."""
    value = json.loads(tree_of([entry("a"), entry("b")]).canonical())
    value["entries"].reverse()

    with pytest.raises(MalformedRecord):
        Tree.parse(canonical(value))


@given(st.text(st.sampled_from("abcCOoNnuULlpPtT19.-_ /\u00e9\x07\\:~"), max_size=9))
def test_the_quick_look_at_a_name_lets_nothing_in_that_the_thorough_one_refuses(name: str) -> None:
    """Nearly every name is plain, and is not looked at step by step."""
    assert names._PLAIN.fullmatch(name) is None or names._fault_of(name) is None


@given(st.lists(NAMES, max_size=4, unique=True), st.integers(0, 2**53 - 1))
def test_a_tree_is_spelled_as_every_record_is(paths: list[str], size: int) -> None:
    """Its own way to spell itself is quicker, not another one."""
    made = Tree.model_construct(entries=tuple(Entry(path=path, size=size, digest=digest_of(b"")) for path in paths))

    assert Record.canonical(made) == made.canonical()


def test_a_size_that_no_reader_could_hold_is_refused() -> None:
    """A tree does not spell a number that other readers would round."""
    with pytest.raises(NotCanonical):
        Tree(entries=(Entry(path="a", size=2**53, digest=digest_of(b"")),)).canonical()


def _outcome(parse: Callable[[bytes], Tree], data: bytes) -> object:
    try:
        return parse(data)
    except RegistryError as error:
        return type(error), str(error)


@given(st.lists(st.sampled_from(["a", "b/c", "ä", 'quo"te', "sp ace", "a.json"]), unique=True), st.data())
def test_it_is_read_as_every_record_is(paths: list[str], data: st.DataObject) -> None:
    """The short way gives the same tree, and refuses the same bytes with the same words."""
    right = tree_of(Entry(path=path, size=len(path), digest=digest_of(path.encode())) for path in paths).canonical()
    at = data.draw(st.integers(0, len(right)))
    put = data.draw(st.sampled_from([b"", b" ", b"0", b"\\u0061", b"\xff", b'"', b",", b"-", b"e", b"\n"]))
    bytes_ = right[:at] + put + right[at + data.draw(st.integers(0, 2)) :]

    as_others = partial(Record.parse.__func__, Tree)  # type: ignore[attr-defined] # what a class method is made of

    assert _outcome(as_others, bytes_) == _outcome(Tree.parse, bytes_)
    assert right == Tree.parse(right).canonical()
