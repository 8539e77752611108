"""The recollection: what a reader keeps of a ledger that it has verified, so as not to verify it again each time.

It is a cache in parts: a part is read only where somebody asks for what is in it, and each is believed only if it has
the digest that the head says. What is spoiled is found out again from the entries themselves.

The first line is the digest of the second, the head; then come the parts.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, Sha256
from registry.core.ledger.chain import Chain
from registry.core.ledger.links import Fetch, Links
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.past import Generation, Past
from registry.core.record import Record

Basis = Literal["signatures", "checkpoint"]
"""What the entries were believed by: each by its signatures, or all by a head key's signature over their root."""

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PARTS = tuple(one.name for one in fields(Past) if one.name != "links")
_DIGESTS, _NOW = "digests", "now"
_HEAD_MOST_BYTES = 65_536


class Tree(Record):
    """What must be kept of a tree so that it can grow."""

    size: Annotated[int, Field(ge=0)]
    roots: tuple[Hash, ...]


class Part(Record):
    """Where a part is in the file, from the end of the head on, and its SHA-256."""

    start: Annotated[int, Field(ge=0)]
    length: Annotated[int, Field(ge=0)]
    sha256: Hash


class Recalled(Record):
    """The head.

    `policy_index` is the last policy's. `checked` is the SHA-256 of a checkpoint that was found to be one of these
    entries. `anchor` is the tree some entries ago, from where on entries are read again each time.
    """

    form: Literal["registry.recalled/1"] = "registry.recalled/1"
    code: Hash
    genesis: Sha256
    basis: Basis
    policy_index: Annotated[int, Field(ge=0)]
    checked: Hash | None = None
    anchor: Tree
    tree: Tree
    parts: dict[str, Part]


@dataclass(frozen=True, slots=True)
class Recollection:
    """A head that was read, and the way to the bytes of the parts: from where, and how many."""

    head: Recalled
    read: Callable[[int, int], bytes]

    @property
    def anchor(self) -> Frontier:
        """The tree from where on entries are read again."""
        return _frontier(self.head.anchor)

    def part(self, name: str) -> bytes | None:
        """The bytes of a part; None if they are not what the head says."""
        found = self.head.parts.get(name)
        data = self.read(found.start, found.length) if found else b""
        return data if found and hashlib.sha256(data).hexdigest() == found.sha256 else None


def open_recollection(read: Callable[[int, int], bytes], *, genesis: Digest, code: str) -> Recollection | None:
    """Read the head of a recollection.

    Args:
        read: Gives the file's bytes: from where, and how many.
        genesis: The ledger that is meant.
        code: Names the program that reads; what another one wrote may mean something else.

    Returns:
        None for what is spoiled, of another ledger, or of another program.
    """
    line, _, rest = read(0, _HEAD_MOST_BYTES).partition(b"\n")
    data = rest.partition(b"\n")[0]
    if hashlib.sha256(data).hexdigest().encode() != line:
        return None
    try:
        head = Recalled.parse(data)
    except NotCanonical:
        return None
    offset = len(line) + 1 + len(data) + 1
    ours = (head.genesis, head.code) == (genesis, code)
    return Recollection(head, lambda start, length: read(offset + start, length)) if ours else None


def recall(found: Recollection, fetch: Fetch, again: Callable[[], Past]) -> Chain | None:
    """A chain that goes on where the recollection ends, without having verified the entries before.

    Args:
        found: What is recalled.
        fetch: Gives entries again.
        again: Finds out anew what the same entries say; for a part that turns out to be spoiled.

    Returns:
        None if the digests of the entries are spoiled.
    """
    digests = found.part(_DIGESTS)
    if digests is None or len(digests) != 32 * found.head.tree.size:
        return None
    past = RecalledPast.of(found, Links(fetch=fetch, digests=digests), again)
    return Chain(found.head.genesis, past, _frontier(found.head.tree))


@dataclass(frozen=True, slots=True)
class About:
    """What is kept about a chain, beside what its entries say. See `Recalled`."""

    code: str
    basis: Basis
    policy_index: int
    checked: str | None
    anchor: Frontier


def recollection_of(chain: Chain, about: About) -> bytes:
    """What to keep of a verified chain; parts that were recalled and not asked for are kept as they were."""
    past = chain.past
    parts = {_DIGESTS: past.links.digests, _NOW: _adapter(_NOW).dump_json(past.now)}
    for name in PARTS:
        kept = past.kept(name) if isinstance(past, RecalledPast) else None
        parts[name] = kept if kept is not None else _adapter(name).dump_json(_pairs(getattr(past, name)))
    placed, start = {}, 0
    for name, data in parts.items():
        placed[name] = Part(start=start, length=len(data), sha256=hashlib.sha256(data).hexdigest())
        start += len(data)
    head = Recalled(
        code=about.code,
        genesis=chain.genesis,
        basis=about.basis,
        policy_index=about.policy_index,
        checked=about.checked,
        anchor=_tree(about.anchor),
        tree=_tree(chain.tree),
        parts=placed,
    ).canonical()
    return b"\n".join((hashlib.sha256(head).hexdigest().encode(), head, b"".join(parts.values())))


class RecalledPast(Past):
    """A past whose parts are read when they are first asked for."""

    __slots__ = ("_again", "_found", "_fresh")

    _found: Recollection
    _again: Callable[[], Past]
    _fresh: Past | None

    @classmethod
    def of(cls, found: Recollection, links: Links, again: Callable[[], Past]) -> "RecalledPast":
        """What is recalled of the entries `links`."""
        past = cls.__new__(cls)
        past.links, past._found, past._again, past._fresh = links, found, again, None
        return past

    def __getattr__(self, name: str) -> Any:
        # why this finds parts: a slot that was never set is no attribute.
        if name not in PARTS:
            raise AttributeError(name)
        data = self._found.part(name)
        value = _value(name, data) if data is not None else None
        if value is None:
            self._fresh = self._fresh or self._again()
            value = getattr(self._fresh, name)
        setattr(self, name, value)
        return value

    @property
    def now(self) -> Mapping[str, Generation | None]:
        """What each stage serves; read by itself, as long as nobody has asked for all that they served."""
        data = self._found.part(_NOW) if not self.is_read("stages") else None
        if data is None:
            return {stage: self.serving(stage) for stage in self.stages}
        found: Mapping[str, Generation | None] = _adapter(_NOW).validate_json(data)
        return found

    def is_read(self, name: str) -> bool:
        """Whether somebody has asked for a part, so that it may have been added to."""
        try:
            object.__getattribute__(self, name)
        except AttributeError:
            return False
        return True

    def kept(self, name: str) -> bytes | None:
        """The bytes of a part that is as it was recalled; None where it may have been added to, or is spoiled."""
        return None if self.is_read(name) else self._found.part(name)

    def as_recalled(self) -> "RecalledPast":
        """The past as it was recalled, without what was added since."""
        return RecalledPast.of(self._found, self.links, self._again)


@lru_cache
def _adapter(name: str) -> TypeAdapter[Any]:
    """How a part is spelled. A dict is a list of pairs, as its keys may be more than text."""
    if name == _NOW:
        return TypeAdapter(dict[str, Generation | None])
    hint: Any = get_type_hints(Past)[name]
    spelled: Any = list[tuple[get_args(hint)]] if get_origin(hint) is dict else hint  # type: ignore[misc] # a form
    return TypeAdapter(spelled)


def _pairs(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value


def _value(name: str, data: bytes) -> Any:
    """What a part says; None if it says nothing that it could."""
    try:
        value = _adapter(name).validate_json(data)
    except ValidationError:
        return None
    return dict(value) if isinstance(value, list) else value


def _tree(tree: Frontier) -> Tree:
    return Tree(size=tree.size, roots=tuple(one.hex() for one in tree.roots))


def _frontier(tree: Tree) -> Frontier:
    return Frontier(tree.size, tuple(bytes.fromhex(one) for one in tree.roots))
