"""Whatever files come, both stores say the same of them, and it is what a tree says."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, digest_of
from registry.core.store import digest_at, place_of
from registry.core.tree import Entry, Tree, UnsafeName, tree_of
from registry.ports import Store
from registry.testing.store import Offered

NAMES = st.from_regex(r"[a-c]{1,2}(/[0-9]{1,2}){0,2}", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=3000), max_size=12)
DIGESTS = st.binary().map(digest_of)


@settings(max_examples=60, deadline=None)
@given(FILES)
def test_any_files_make_their_tree(files: dict[str, bytes]) -> None:
    """Each store gives the tree of the files or refuses their names, as the tree itself would; and keeps each blob."""
    with tempfile.TemporaryDirectory() as place:
        stores: tuple[Store, ...] = (MemoryStore(), DirectoryStore(Path(place)))
        expected = _tree(files)
        for store in stores:
            assert _taken(store, files) == expected
            kept = {entry.path: store.get(entry.digest) for entry in expected.entries} if expected else {}
            assert kept == (files if expected else {})
            assert expected or not list(store.digests())


@given(DIGESTS)
def test_a_place_is_the_digest_and_nothing_else(digest: Digest) -> None:
    """From a digest to its place and back nothing is lost."""
    assert digest_at(place_of(digest)) == digest


@given(st.text(max_size=100) | DIGESTS.map(lambda digest: place_of(digest) + "x"))
def test_no_other_place_is_a_blob(place: str) -> None:
    """What does not lie exactly where a blob would is none."""
    assert digest_at(place) is None


def _tree(files: dict[str, bytes]) -> Tree | None:
    try:
        return tree_of(Entry(path=p, size=len(data), digest=digest_of(data)) for p, data in files.items())
    except UnsafeName:
        return None


def _taken(store: Store, files: dict[str, bytes]) -> Tree | None:
    try:
        return store.put_files(Offered(path, data) for path, data in files.items())
    except UnsafeName:
        return None
