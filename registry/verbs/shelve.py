"""Shelve: put what was found into the store, and say by which digest it is known from then on."""

from dataclasses import dataclass

from registry.core.pin import Pin, Role, Source
from registry.core.reference import Known
from registry.core.tree import Entry, Tree, tree_of
from registry.errors import Refused
from registry.ports import Found, Store
from registry.verbs.gather import Part


class LabelTaken(Refused):
    """A label names other bytes already; labels never move."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store, and what is known to be in it."""

    store: Store
    state: Known

    def keep(self, part: Part) -> Pin:
        """The pin of `part`, every byte of which is in the store.

        Raises:
            Missing: A registered artefact's blobs are not here.
            LabelTaken: The label is given to other bytes.
            IntegrityError, ConflictError: The bytes are not what their place promised, or changed while they were read.
        """
        if isinstance(part.found, Pin):
            self.check_present(part.found)
            return part.found
        tree = self.keep_files(part.found)
        return self._pin(part.role, part.name, tree=tree, label=part.label, source=part.found.source)

    def keep_files(self, found: Found) -> Tree:
        """Read `found` into the store, and keep its tree; confirmed with the place that it came from."""
        tree = self.store.put_files(found.files)
        found.confirm(tree)
        self.store.put(tree.canonical())
        return tree

    def keep_one(self, entry: Entry, role: Role, *, source: Source) -> Pin:
        """The pin of one file whose blob is in the store already, called by the last word of its path."""
        name = entry.path.split("/")[-1]
        tree = tree_of([Entry(path=name, size=entry.size, digest=entry.digest)])
        self.store.put(tree.canonical())
        return self._pin(role, name, tree=tree, source=source)

    def check_present(self, pin: Pin) -> None:
        """Refuse a registered pin of which a blob is not in the store."""
        data = self.store.get(pin.digest)
        if pin.role == "repo":
            return
        for entry in Tree.parse(data).entries:
            self.store.open(entry.digest).close()

    def _pin(self, role: Role, name: str, *, tree: Tree, source: Source, label: str | None = None) -> Pin:
        pin = Pin(role=role, name=name, label=label, digest=tree.digest, size=tree.size, source=source)
        check_label(pin, self.state)
        return pin


def check_label(pin: Pin, state: Known) -> None:
    """Refuse to give a label to other bytes than it has.

    Raises:
        LabelTaken: The label is registered with another digest.
    """
    for known in state.artefacts(pin.role, pin.name):
        if pin.label is not None and known.label == pin.label and known.digest != pin.digest:
            why = f"{pin.name}@{pin.label} is {known.digest}, these bytes are {pin.digest}"
            raise LabelTaken(f"{pin.name}@{pin.label} is taken", why=why, mend="choose another label")
