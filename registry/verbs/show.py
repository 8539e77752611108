"""show: a manifest, a ledger entry or any record of the store, by what people call it."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from registry.core.canonical import NotCanonical, load
from registry.core.card import card_of
from registry.core.digest import Digest, parse_digest
from registry.core.gate.verdict import Verdict
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.core.store import Missing
from registry.errors import UsageError
from registry.ports import Store

Kind = Literal["manifest", "entry", "verdict", "evidence", "tree", "policy", "preflight", "commit"]
_ENTRY = re.compile(r"(?:entry:|#)([0-9]{1,20})|([0-9]{1,5})")
# why five: six digits are the start of a manifest's digest.
_FORMS: dict[str, Kind] = {
    "registry.manifest/1": "manifest",
    "registry.verdict/1": "verdict",
    "registry.evidence/1": "evidence",
    "registry.tree/1": "tree",
    "registry.preflight/1": "preflight",
}


class NotShown(UsageError):
    """A reference leads to nothing that can be shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was found: its kind, the digest of its exact bytes, and its content as plain JSON."""

    kind: Kind
    digest: Digest
    document: dict[str, Any]


def show(ref: str, *, state: State, store: Store) -> Shown:
    """Find what `ref` means and read it, verified.

    Args:
        ref: `#N`, `entry:N` or a number of up to five digits is entry N of the ledger, unless a model has that name.
            `sha256:…` is an entry, or any record of the store: manifest, verdict, evidence, tree. Anything else is a
            manifest as `State.resolve` takes it: a model, `model@hex`, a stage, `stage@N`, six hex digits or more.
        state: What the ledger says.
        store: Where the records are.

    Raises:
        NotShown: There is no such entry, or the blob is no record.
        UsageError: Nothing, or more than one manifest, is called that.
        IntegrityError: The blob is missing, or has other bytes than its name says.
    """
    if ref not in state.models and (found := _ENTRY.fullmatch(ref)):
        return _entry(int(found[1] or found[2]), state)
    digest = parse_digest(ref) if ref.startswith("sha256:") and len(ref) == 71 else state.resolve(ref)
    if link := next((link for link in state.entries if link.digest == digest), None):
        return _entry(link.entry.index, state)
    return read_record(digest, store=store)


def card(ref: str, *, state: State, store: Store) -> dict[str, Any]:
    """The manifest that `ref` means, in the short form that people write.

    Raises:
        NotShown: It means something else than a manifest.
        UsageError, IntegrityError: As `show`.
    """
    shown = show(ref, state=state, store=store)
    if shown.kind != "manifest":
        raise NotShown(f"{ref} has no card", why=f"its kind is {shown.kind}, and only a manifest has one")
    return card_of(Manifest.of(shown.document))


def verdict(ref: str, *, state: State, store: Store) -> Verdict:
    """The verdict that `ref` means: its digest, or a decision that rests on one.

    Raises:
        NotShown: It means something else.
        UsageError, IntegrityError: As `show`.
    """
    shown = show(ref, state=state, store=store)
    if shown.kind == "entry" and (found := shown.document.get("verdict")):
        shown = read_record(parse_digest(str(found)), store=store)
    if shown.kind != "verdict":
        raise NotShown(f"{ref} has no report", why=f"its kind is {shown.kind}, and only a verdict has one")
    return Verdict.of(shown.document)


def read_record(digest: Digest, *, store: Store) -> Shown:
    """Read a record of the store by its digest, and tell its kind by its form.

    Raises:
        NotShown: There is no such blob, or it is a file of some artefact and no record.
    """
    try:
        with store.open(digest) as content:
            # why: the weights of a model are blobs too; they are not read into memory to learn that they are no record.
            is_object = content.read(1) == b"{"
        document = load(store.get(digest)) if is_object else None
    except Missing as error:
        raise NotShown(f"there is no {digest}", why=error.why, mend="see `registry log`") from None
    except NotCanonical:
        document = None
    kind = _kind(document)
    if kind is None or document is None:
        raise NotShown(f"{digest} is no record", why="it is the content of a file", mend="see its tree or manifest")
    return Shown(kind, digest, document)


def _kind(document: Any) -> Kind | None:
    if not isinstance(document, dict):
        return None
    return "commit" if document.keys() == {"commit"} else _FORMS.get(str(document.get("form")))


def _entry(index: int, state: State) -> Shown:
    if index >= len(state.entries):
        why = f"the ledger has the entries 0 to {len(state.entries) - 1}"
        raise NotShown(f"there is no entry {index}", why=why, mend="see `registry log`")
    link = state.entries[index]
    return Shown("entry", link.digest, load(link.entry.canonical()))
