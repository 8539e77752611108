"""Where each pinned file stands in a release directory, and the lock that says so.

The release directory is the root that a server is pointed at: base and tokenizer files beside each other, each adapter
under a name that holds its digest, everything of ours under `.bundle/`. What only evaluation needs (reward model,
verifiers, fixtures) is not shipped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Literal

from pydantic import Field

from registry.core.bundle.report import Report
from registry.core.canonical import MAX_INTEGER
from registry.core.digest import Digest, Sha256, digest_of, short
from registry.core.manifest import Manifest, Sampling
from registry.core.pin import Name, Pin
from registry.core.record import Record
from registry.core.tree import Entry, Tree, UnsafeName, tree_of, write_entries
from registry.errors import Refused

LOCK = ".bundle/bundle.lock.json"
MANIFEST = ".bundle/manifest.json"
REPORT = ".bundle/report.json"
INPUT = ".bundle/input"
ADAPTERS = "adapters"
_RESERVED = frozenset({ADAPTERS, ".bundle"})
_PORTABLE = re.compile(r"[a-z0-9][a-z0-9-]*")
_LONGEST = 63  # why: served names become DNS labels and label values in Kubernetes.

Served = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""What a server calls an adapter. The characters survive in every engine's flags and in a DNS label."""


class LayoutConflict(Refused):
    """The pinned parts cannot stand in one directory."""


class ServedAdapter(Record):
    """One adapter: what people call it, what servers call it, and its tree's digest. It lies in `adapters/<served>`."""

    name: Name
    served: Served
    digest: Sha256


class Lock(Record):
    """What a release holds and how it is to be served. `files` has everything but the lock itself, sorted by path.

    `routes` are the manifest's: a slice or a model name, or `default`, to an adapter's `name`, or `base` for none.
    """

    form: Literal["registry.bundle/1"] = "registry.bundle/1"
    model: Name
    manifest: Sha256
    llm: Sha256
    tokenizer: Sha256
    input: Sha256 | None = None
    adapters: tuple[ServedAdapter, ...]
    routes: dict[str, Name]
    sampling: Sampling
    files: tuple[Entry, ...]

    def canonical(self) -> bytes:
        """The one spelling, as of every record, without a dictionary for each of many files on the way."""
        if any(entry.size > MAX_INTEGER for entry in self.files):
            return super().canonical()  # why: it tells what is wrong with such a number
        # why the first: what comes before the files are adapters, and these have no files of their own.
        before, mark, after = Record.canonical(self.model_copy(update={"files": ()})).partition(b'"files":[]')
        out = BytesIO()
        out.write(before + mark.removesuffix(b"[]"))
        write_entries(self.files, out)
        out.write(after)
        return out.getvalue()


@dataclass(frozen=True, slots=True)
class Plan:
    """A release before it exists: its lock, the bytes of the files that are made for it, and the whole tree.

    `generated` maps the paths below `.bundle/` that are in no pin to their bytes.
    """

    lock: Lock
    generated: Mapping[str, bytes]
    tree: Tree

    @property
    def release(self) -> Digest:
        """The release's identity: the digest of its whole tree, lock included."""
        return self.tree.digest


def shipped(manifest: Manifest) -> tuple[Pin, ...]:
    """The pins whose files go to a server."""
    pins = (manifest.llm_sha, manifest.tokenizer_sha, *manifest.adapters, manifest.input_sha)
    return tuple(pin for pin in pins if pin is not None)


def served_adapters(manifest: Manifest) -> tuple[ServedAdapter, ...]:
    """Name each adapter as servers will know it: `<name>--<12 hex digits of its digest>`.

    Raises:
        LayoutConflict: A name is too long, has no portable spelling, or is spelled like another's or like the base's.
    """
    taken = {"base": "the bare base model"}
    found = []
    for pin in manifest.adapters:
        spelling = _portable(pin.name)
        if spelling in taken:
            why = f"servers would know both it and {taken[spelling]} as {spelling}"
            raise LayoutConflict(f"the adapter name {pin.name!r} is taken", why=why, mend="rename the adapter")
        taken[spelling] = f"the adapter {pin.name!r}"
        found.append(ServedAdapter(name=pin.name, served=f"{spelling}--{short(pin.digest)}", digest=pin.digest))
    return tuple(found)


def place(manifest: Manifest, trees: Mapping[Digest, Tree]) -> tuple[Entry, ...]:
    """Give each pinned file its path in the release, sorted.

    Args:
        manifest: The model.
        trees: The tree of every shipped pin, by its digest.

    Raises:
        LayoutConflict: Two different files want one path, or a base or tokenizer file wants one of ours.
    """
    placed: dict[str, Entry] = {}
    for whose, entry in _wanted(manifest, trees):
        other = placed.setdefault(entry.path, entry)
        if other != entry:
            why = f"{whose} brings {entry.digest}, another part {other.digest}"
            mend = "pin a base and a tokenizer that agree"
            raise LayoutConflict(f"two different files want to be {entry.path!r}", why=why, mend=mend)
    return _tree(list(placed.values())).entries


def lay_out(manifest: Manifest, trees: Mapping[Digest, Tree], report: Report) -> Plan:
    """Plan the release directory of `manifest`; the same arguments give the same bytes everywhere.

    Args:
        manifest: The model.
        trees: The tree of every shipped pin, by its digest.
        report: What the pre-flight found; it is shipped with the release.

    Raises:
        LayoutConflict: The parts cannot stand in one directory.
    """
    generated = {MANIFEST: manifest.canonical(), REPORT: report.canonical()}
    made = [_entry(path, data) for path, data in generated.items()]
    files = _tree([*place(manifest, trees), *made]).entries
    lock = Lock(
        model=manifest.name,
        manifest=manifest.digest,
        llm=manifest.llm_sha.digest,
        tokenizer=manifest.tokenizer_sha.digest,
        input=manifest.input_sha.digest if manifest.input_sha else None,
        adapters=served_adapters(manifest),
        routes=manifest.routes,
        sampling=manifest.sampling,
        files=files,
    )
    generated[LOCK] = lock.canonical()
    return Plan(lock=lock, generated=generated, tree=tree_of([*files, _entry(LOCK, generated[LOCK])]))


def _wanted(manifest: Manifest, trees: Mapping[Digest, Tree]) -> Iterator[tuple[str, Entry]]:
    """Each file as (whose it is, its entry in the release)."""
    for pin in (manifest.llm_sha, manifest.tokenizer_sha):
        for entry in trees[pin.digest].entries:
            _refuse_reserved(pin, entry)
            yield f"{pin.role} {pin.card}", entry
    for pin, adapter in zip(manifest.adapters, served_adapters(manifest), strict=True):
        for entry in trees[pin.digest].entries:
            yield f"adapter {pin.card}", _below(f"{ADAPTERS}/{adapter.served}", entry)
    if manifest.input_sha is not None:
        for entry in trees[manifest.input_sha.digest].entries:
            yield f"input {manifest.input_sha.card}", _below(INPUT, entry)


def _refuse_reserved(pin: Pin, entry: Entry) -> None:
    first = entry.path.split("/")[0].casefold()
    if first in _RESERVED:
        why = f"{first}/ at the root of a release is for the bundle's own files"
        raise LayoutConflict(f"{pin.card} holds {entry.path!r}", why=why, mend=f"pin the {pin.role} without it")


def _portable(name: str) -> str:
    """The spelling of `name` that survives in every engine's flags."""
    spelling = name.lower().replace("_", "-").replace(".", "-")
    if not _PORTABLE.fullmatch(spelling):
        why = "it needs letters of a to z, digits and hyphens, and starts with one of the first two"
        raise LayoutConflict(f"servers cannot spell the adapter name {name!r}", why=why, mend="rename the adapter")
    if (length := len(spelling) + len("--") + 12) > _LONGEST:
        why = f"with its digest it has {length} characters; names of servers have at most {_LONGEST}"
        raise LayoutConflict(f"the adapter name {name!r} is too long", why=why, mend="rename the adapter")
    return spelling


def _tree(entries: Sequence[Entry]) -> Tree:
    try:
        return tree_of(entries)
    except UnsafeName as error:
        raise LayoutConflict(
            f"the parts do not fit in one directory: {error.what}", why=error.why, mend=error.mend
        ) from None


def _below(directory: str, entry: Entry) -> Entry:
    return Entry(path=f"{directory}/{entry.path}", size=entry.size, digest=entry.digest)


def _entry(path: str, data: bytes) -> Entry:
    return Entry(path=path, size=len(data), digest=digest_of(data))
