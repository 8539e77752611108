"""bundle: lay a model's parts out as the one directory that a server loads."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from registry.core.bundle.layout import Plan, lay_out, place, served_adapters, shipped
from registry.core.bundle.preflight import preflight
from registry.core.bundle.report import PreflightRefused, Report
from registry.core.digest import Digest, DigestMismatch, hashed
from registry.core.ledger.policy import Formats
from registry.core.manifest import Manifest
from registry.core.tree import Entry, Tree
from registry.ports import Delivered, Destination, Store


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was made: the model, the release's plan, what it took, and what the pre-flight found."""

    manifest: Digest
    plan: Plan
    delivered: Delivered
    report: Report

    @property
    def release(self) -> Digest:
        """The release's identity: the digest of its whole tree."""
        return self.plan.release


def bundle(manifest: Manifest, *, store: Store, destination: Destination, formats: Formats | None = None) -> Bundled:
    """Make the bundle of `manifest` at `destination`, each byte verified while it is written.

    `formats` is what the policy lets in of files that run code when they are loaded.

    Raises:
        LayoutConflict: The parts cannot stand in one directory.
        PreflightRefused: A server would refuse them, or load them silently wrong.
        Missing: A blob is not in the store.
        DigestMismatch: A blob holds other bytes; nothing is left at the destination.
    """
    plan, report = plan_of(manifest, store=store, formats=formats)
    delivered = destination.deliver(plan.tree, opener(plan, store=store))
    return Bundled(manifest=manifest.digest, plan=plan, delivered=delivered, report=report)


def plan_of(manifest: Manifest, *, store: Store, formats: Formats | None = None) -> tuple[Plan, Report]:
    """Plan the release of `manifest` and check its parts, without writing anything; `formats` is the policy's.

    Raises:
        LayoutConflict: The parts cannot stand in one directory.
        PreflightRefused: A server would refuse them, or load them silently wrong.
        Missing: A blob that the checks need is not in the store.
        DigestMismatch: A blob that the checks need holds other bytes.
    """
    trees = {pin.digest: Tree.parse(store.get(pin.digest)) for pin in shipped(manifest)}
    entries = place(manifest, trees)
    adapters = served_adapters(manifest)
    report = preflight(entries, adapters, open=lambda entry: store.open(entry.digest), formats=formats)
    if report.refusals:
        # why: a damaged file would be blamed for what it is not; its damage is the answer then, not the refusal.
        for entry in entries:
            _check_blob(entry, store)
        raise PreflightRefused(manifest.name, report.refusals)
    return lay_out(manifest, trees, report), report


def opener(plan: Plan, *, store: Store) -> Callable[[Entry], BinaryIO]:
    """How to open the content of each entry of `plan`: made files from memory, pinned ones from the store."""

    def open(entry: Entry) -> BinaryIO:
        made = plan.generated.get(entry.path)
        return io.BytesIO(made) if made is not None else store.open(entry.digest)

    return open


def _check_blob(entry: Entry, store: Store) -> None:
    with store.open(entry.digest) as content:
        _, found = hashed(content)
    if found != entry.digest:
        why = f"{entry.path} hashes to {found}"
        raise DigestMismatch(f"{entry.digest} holds other bytes", why=why, mend="run `registry verify`")
