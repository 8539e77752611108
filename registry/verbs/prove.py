"""Prove that a model can be brought back: read every byte of it from the store, and hash it."""

from collections.abc import Iterator
from dataclasses import dataclass

from registry.core.abreast import abreast
from registry.core.digest import Digest, hashed, short
from registry.core.manifest import Manifest
from registry.core.pin import Pin
from registry.core.tree import Tree
from registry.errors import IntegrityError
from registry.ports import Store


class Damaged(IntegrityError):
    """A part of a model is missing from the store, or is not what it was."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was read: how many blobs, and how many bytes in them."""

    blobs: int
    size: int


def prove(manifest: Digest, *, store: Store, proven: dict[Digest, int] | None = None, readers: int = 2) -> Proof:
    """Read every blob that `manifest` needs, in pieces, and check each against its digest.

    That is the manifest, the tree and the files of each artefact, the held-out suite and dvc.lock; each once.

    Args:
        manifest: The model.
        store: Where the blobs are.
        proven: Blobs that were proved a moment ago, with their sizes in bytes: not read again. Those read are added.
        readers: Blobs that are read at a time.

    Raises:
        Damaged: A blob is missing or other bytes; the file and the artefact are named.
    """
    sizes = {} if proven is None else proven
    names: dict[Digest, str] = {}
    for digest, what in _blobs(manifest, store):
        names.setdefault(digest, what)
    waiting = [digest for digest in names if digest not in sizes]
    found = abreast(lambda digest: _read_through(digest, names[digest], store), waiting, at_once=readers)
    sizes.update(zip(waiting, found, strict=True))
    return Proof(len(names), sum(sizes[digest] for digest in names))


def _blobs(manifest: Digest, store: Store) -> Iterator[tuple[Digest, str]]:
    """Every blob, with what it is to people. Trees are checked before they are believed."""
    what = f"the manifest {short(manifest)}"
    yield manifest, what
    record = Manifest.parse(_get(manifest, what, store))
    for pin in record.pins:
        yield from _of_pin(pin, store)
    if record.suite is not None:
        yield from _of_tree(record.suite, "the held-out suite", store)
    if record.dvc_lock is not None:
        yield record.dvc_lock, "dvc.lock"


def _of_pin(pin: Pin, store: Store) -> Iterator[tuple[Digest, str]]:
    what = f"{pin.role} {pin.name}"
    if pin.role == "repo":
        yield pin.digest, what  # why: a commit is named, not copied; the blob holds its 40 hex digits
    else:
        yield from _of_tree(pin.digest, what, store)


def _of_tree(digest: Digest, what: str, store: Store) -> Iterator[tuple[Digest, str]]:
    yield digest, f"the list of files of {what}"
    for entry in Tree.parse(_get(digest, f"the list of files of {what}", store)).entries:
        yield entry.digest, f"{entry.path} of {what}"


def _get(digest: Digest, what: str, store: Store) -> bytes:
    try:
        return store.get(digest)
    except IntegrityError as error:
        raise _damaged(what, error.what, error.why) from None


def _read_through(digest: Digest, what: str, store: Store) -> int:
    """Hash one blob; its size in bytes."""
    try:
        with store.open(digest) as file:
            size, found = hashed(file)
    except IntegrityError as error:
        raise _damaged(what, error.what, error.why) from None
    except OSError as error:
        raise _damaged(what, f"{digest} cannot be read", error.strerror or str(error)) from None
    if found != digest:
        raise _damaged(what, f"{digest} holds other bytes", f"they hash to {found}")
    return size


def _damaged(what: str, fault: str, why: str) -> Damaged:
    mend = "pin it again where the files still are, put a copy of the blob back, or choose another model"
    return Damaged(f"{what} cannot be brought back", why=f"{fault}: {why}" if why else fault, mend=mend)
