"""Screen a model for files that could run code when they are loaded, unless the policy lets them in."""

from collections.abc import Iterator

from registry.core.formats import LOADED, Kind, kind_of, named_kind
from registry.core.ledger.policy import Formats, Policy
from registry.core.manifest import Manifest
from registry.core.pin import Pin
from registry.core.tree import Entry, Tree
from registry.errors import Refused
from registry.ports import Store

MOST_TOLD = 10
"""Files that an error names; the rest are counted."""


class RunsCode(Refused):
    """A model has files that could run code when they are loaded."""


def screen(manifest: Manifest, *, policy: Policy, store: Store) -> None:
    """Look at every file of every artefact, by name and by its first bytes; nothing is loaded.

    Raises:
        RunsCode: There are such files, and the policy lets in neither their kind nor them.
        IntegrityError: A list of files, or a file, is missing or damaged.
    """
    formats = policy.formats or Formats()
    found = [
        f"{entry.path} of {pin.role} {pin.name} ({kind}, {entry.digest})"
        for pin in manifest.pins
        if pin.role != "repo"
        for entry, kind in _dangers(pin, store)
        if not formats.lets_in(kind, entry.digest)
    ]
    if found:
        more = [f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
        what = f"{manifest.name} has {len(found)} files that can run code when they are loaded"
        mend = "keep weights as safetensors and code in the repository; or let them in by `formats` of the policy"
        raise RunsCode(what, why="\n        ".join([*found[:MOST_TOLD], *more]), mend=mend)


def _dangers(pin: Pin, store: Store) -> Iterator[tuple[Entry, Kind]]:
    for entry in Tree.parse(store.get(pin.digest)).entries:
        kind = named_kind(entry.path, pin.role)
        if kind is None and pin.role in LOADED:
            with store.open(entry.digest) as content:
                kind = kind_of(content)
        if kind is not None:
            yield entry, kind
