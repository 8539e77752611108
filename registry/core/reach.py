"""What needs what: from a ledger entry down to every blob without which it could not be served or explained."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, short
from registry.core.gate.verdict import Verdict
from registry.core.heldout.evidence import Evidence
from registry.core.ledger.entry import Entry, Judge, Promote, Refuse, Register, Waive
from registry.core.manifest import Manifest
from registry.core.pin import Pin
from registry.core.tree import Tree
from registry.errors import UsageError


@dataclass(frozen=True, slots=True)
class Needed:
    """A blob that something needs.

    `what` names it to people, `size` is in bytes where it is written down. `follow` tells from its bytes what it needs
    in turn; it raises `NotCanonical` or `UsageError` if they are not of the form that they should be. One that
    `may_lack` is written down by its digest, and kept only where somebody wanted to. `scope` tells the ways apart in
    which the same blob is followed.
    """

    digest: Digest
    what: str
    size: int | None = None
    follow: "Callable[[bytes], Iterator[Needed]] | None" = None
    may_lack: bool = False
    scope: Literal["whole", "record", "leased"] = "whole"


def of_entry(entry: Entry) -> Iterator[Needed]:
    """What an entry of the ledger needs; a rollback, for one, needs nothing that is not needed already."""
    match entry:
        case Register():
            if entry.manifest:
                yield of_manifest(entry.manifest)
            yield from _evidence(entry)
            for pin in entry.pins:
                yield from of_pin(pin)
        case Judge() | Waive() | Promote() | Refuse():
            yield Needed(entry.verdict, f"the verdict of entry {entry.index}", follow=_in_verdict)
        case _:
            return


def of_explanation(entry: Entry) -> Iterator[Needed]:
    """What an entry of the ledger cannot be explained without, though what it made known may be gone."""
    if not isinstance(entry, Register):
        yield from of_entry(entry)
        return
    if entry.manifest:
        yield of_record(entry.manifest)
    yield from _evidence(entry)
    for pin in entry.pins:
        if pin.role == "repo":
            yield from of_pin(pin)


def of_manifest(digest: Digest) -> Needed:
    """A manifest, and through it the whole model."""
    return Needed(digest, f"manifest {short(digest)}", follow=_in_manifest)


def of_record(digest: Digest) -> Needed:
    """A manifest, and what explains it without the model: the suite, dvc.lock, the packages, the commit."""
    return Needed(digest, f"manifest {short(digest)}", follow=_in_record, scope="record")


def of_leased(digest: Digest, *, is_record: bool) -> Needed:
    """A blob of which nobody has said yet what it is; if it `is_record`, what it names is needed too."""
    return Needed(digest, f"the blob {short(digest)}", follow=_in_any_record if is_record else None, scope="leased")


def of_pin(pin: Pin) -> Iterator[Needed]:
    """An artefact: its tree, and through it its files. A commit is named and not copied; its blob holds the name."""
    what = f"{pin.role} {pin.name}"
    yield Needed(pin.digest, what) if pin.role == "repo" else _tree(pin.digest, what)


def _evidence(entry: Register) -> Iterator[Needed]:
    for digest in entry.evidence:
        yield Needed(digest, f"evidence {short(digest)}", follow=_in_evidence)


def _in_manifest(data: bytes) -> Iterator[Needed]:
    for pin in Manifest.parse(data).pins:
        yield from of_pin(pin)
    yield from _in_record(data)


def _in_record(data: bytes) -> Iterator[Needed]:
    manifest = Manifest.parse(data)
    yield from of_pin(manifest.repo_sha)
    if manifest.suite:
        yield _tree(manifest.suite, "the held-out suite")
    if manifest.dvc_lock:
        yield Needed(manifest.dvc_lock, "dvc.lock")
    yield Needed(manifest.environment.packages, "the list of installed packages", may_lack=True)


def _in_evidence(data: bytes) -> Iterator[Needed]:
    evidence = Evidence.parse(data)
    for what, digest in (
        ("rows", evidence.rows),
        ("timings", evidence.timings),
        ("cross rows", evidence.cross),
        ("canary", evidence.canary),
    ):
        if digest:
            yield Needed(digest, f"the {what} of the evidence")
    yield _tree(evidence.suite, "the held-out suite")
    yield Needed(evidence.price_book, "the price book", may_lack=True)
    yield Needed(evidence.environment.packages, "the list of installed packages", may_lack=True)


def _in_verdict(data: bytes) -> Iterator[Needed]:
    verdict = Verdict.parse(data)
    yield Needed(verdict.gate_file, f"the gate file of {verdict.stage}")
    yield Needed(verdict.gate, f"the gate of {verdict.stage}")


def _in_any_record(data: bytes) -> Iterator[Needed]:
    """What a record of an unknown kind names; nothing, if it is none."""
    for follow in (_in_manifest, _in_evidence, _in_verdict, lambda data: _in_tree(data, "files")):
        with suppress(NotCanonical, UsageError):
            yield from tuple(follow(data))
            return


def _in_tree(data: bytes, what: str) -> Iterator[Needed]:
    entries = list(reversed(Tree.parse(data).entries))
    del data
    while entries:  # why so: of very many files, each is let go of as it is told
        entry = entries.pop()
        yield Needed(entry.digest, f"{entry.path} of {what}", entry.size)


def _tree(digest: Digest, what: str) -> Needed:
    """A tree, whose files are told with the name of the whole."""
    return Needed(digest, f"the list of files of {what}", follow=lambda data: _in_tree(data, what))
