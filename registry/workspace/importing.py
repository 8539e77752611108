"""Bringing in what other tools found of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import UsageError
from registry.workspace.place import Place
from registry.workspace.settings import read_file

if TYPE_CHECKING:
    from registry.core.heldout.prices import PriceBook
    from registry.core.heldout.suite import Suite
    from registry.core.manifest import Manifest
    from registry.verbs.evidence import Counted
    from registry.verbs.import_evidence import Brought
    from registry.verbs.suite_from_log import Choice

PRICES = "manifests/price_book.yaml"


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a log: the model's name in it, what it ran on, and by slice the task that fills it."""

    ran_as: str
    device: str | None = None
    tasks: Mapping[str, str] | None = None


class Importing(Place):
    """What reads the logs of other tools."""

    def import_evidence(self, logs: Sequence[Path], ref: str, said: Said) -> "Brought":
        """Read `logs` of the model `ref`, keep rows that a gate can judge, and register them for it."""
        from registry.adapters.logs import digest_of_files, read_files
        from registry.core.foreign.read import read_log
        from registry.core.heldout.evidence import Evidence
        from registry.verbs.import_evidence import Terms, import_evidence
        from registry.verbs.register import Model, register

        state = self.state
        manifest = self._manifest(state.resolve(ref))
        files = read_files(logs)
        earlier = state.evidence(manifest.digest)
        canary = Evidence.parse(self.store.get(earlier[0])).canary if earlier else None
        terms = Terms(said.ran_as, digest_of_files(files), self._prices(said.device), said.device, said.tasks, canary)
        brought = import_evidence(read_log(files), manifest, self._suite(manifest), terms=terms, store=self.store)
        register(Model(None, manifest.digest, (brought.digest,)), **self.doors)
        return brought

    def import_canary(self, path: Path, ref: str) -> "Counted":
        """Put the live traffic in the file `path` beside the newest evidence of the model `ref`, and register it."""
        from registry.core.heldout.evidence import Evidence
        from registry.verbs.evidence import count
        from registry.verbs.import_evidence import import_canary
        from registry.verbs.register import Model, register

        state = self.state
        manifest = self._manifest(state.resolve(ref))
        earlier = state.evidence(manifest.digest)
        if not earlier:
            mend = "import or evaluate its held-out suite first"
            raise UsageError(f"{ref} has no evidence beside which a canary could stand", mend=mend)
        labels = [Evidence.parse(self.store.get(digest)) for digest in earlier]
        before = [label.canary for label in labels if label.canary]
        digest, evidence = import_canary(read_file(path), manifest, labels[0], store=self.store, before=before)
        register(Model(None, manifest.digest, (digest,)), **self.doors)
        return count(digest, evidence, self._suite(manifest), store=self.store)

    def make_suite(self, logs: Sequence[Path], directory: Path, choice: "Choice") -> tuple[Path, ...]:
        """Write the slices that `logs` ask to `directory`, for a person to read and commit; nothing is overwritten."""
        from registry.adapters import durable
        from registry.adapters.logs import read_files
        from registry.core.foreign.read import read_log
        from registry.verbs.suite_from_log import suite_from_log

        files = suite_from_log(read_log(read_files(logs)), choice)
        slices = sorted({name.partition("/")[0] for name in files})
        there = [name for name in slices if (directory / name).exists()]
        if there:
            mend = "a suite is frozen: choose another name with --slice TASK=NAME, or remove it first"
            raise UsageError(f"{directory / there[0]} is there already", mend=mend)
        for name, data in sorted(files.items()):
            durable.make_directory((directory / name).parent)
            durable.replace(directory / name, data)
        return tuple(directory / name for name in slices)

    def evidence(self, ref: str) -> "tuple[Counted, ...]":
        """All evidence that is registered for the model `ref`, counted slice by slice, newest first."""
        from registry.core.heldout.evidence import Evidence
        from registry.verbs.evidence import count

        state = self.state
        manifest = self._manifest(state.resolve(ref))
        suite = self._suite(manifest)
        labels = [(digest, Evidence.parse(self.store.get(digest))) for digest in state.evidence(manifest.digest)]
        return tuple(count(digest, label, suite, store=self.store) for digest, label in labels)

    def newest_evidence(self, ref: str) -> str:
        """The evidence of the model `ref` that a gate judges."""
        state = self.state
        return state.evidence(state.resolve(ref))[0]

    def _manifest(self, digest: str) -> "Manifest":
        from registry.core.digest import parse_digest
        from registry.core.manifest import Manifest

        return Manifest.parse(self.store.get(parse_digest(digest)))

    def _suite(self, manifest: "Manifest") -> "Suite":
        from registry.core.heldout.suite import suite_of
        from registry.core.tree import Tree

        if manifest.suite is None:
            mend = "commit a suite (`registry evidence import LOG --make-suite DIR` writes one), and pin again"
            raise UsageError(f"{manifest.name} was pinned without a suite", mend=mend)
        entries = Tree.parse(self.store.get(manifest.suite)).entries
        return suite_of({entry.path: self.store.get(entry.digest) for entry in entries})

    def _prices(self, device: str | None) -> "PriceBook | None":
        from registry.core.heldout.prices import price_book_of

        path = self.root / PRICES
        if not path.is_file():
            if device is not None:
                raise UsageError(f"there is no price for an hour of {device}", mend=f"write {PRICES}")
            return None
        data = path.read_bytes()
        self.store.put(data)
        return price_book_of(data)
