"""add: keep one artefact under a name and a label, so that a config can name it as `name@label`."""

from collections.abc import Collection
from typing import Literal

from registry.core.codebase import commit_blob, is_label, repo_pin
from registry.core.pin import Pin
from registry.core.reference import Known, Located, UnknownArtefact, parse_reference
from registry.errors import UsageError
from registry.ports import Codebase, Sources, Store
from registry.verbs.gather import PICKLES, check_pickles, look_up
from registry.verbs.shelve import Shelf, check_label

Addable = Literal["llm", "adapter", "tokenizer", "input", "reward_model", "fixture", "dataset"]


def add(
    role: Addable, text: str, *, sources: Sources, store: Store, state: Known, pickles: Collection[str] = PICKLES
) -> Pin:
    """Read the artefact at a location, keep every byte of it, and return the pin to register.

    Args:
        role: What it is for.
        text: `[NAME[@LABEL]=]LOCATION`, as in a config.
        sources: Where the location is looked up.
        store: Where the bytes are kept.
        state: What is registered already.
        pickles: Suffixes of files to refuse.

    Raises:
        UsageError: `text` is not understood, or leads nowhere.
        LabelTaken: The label is given to other bytes.
        IntegrityError: Bytes are not what dvc.lock, the Hub or git says.
    """
    reference = parse_reference(text)
    if not isinstance(reference, Located):
        why = "it names what is registered already, and no place to read"
        raise UsageError(f"{text!r} has no location", why=why, mend=f"write {text}=LOCATION")
    part = look_up(reference, role, sources=sources, state=state)
    check_pickles(part, pickles)
    return Shelf(store, state).keep(part)


def add_commit(label: str, revision: str, *, codebase: Codebase, store: Store, state: Known) -> Pin:
    """Give a commit of the workspace's repository a label, for `repo_sha`, and return the pin to register.

    Raises:
        UnknownArtefact: There is no such revision.
        UsageError: Git means something by the label that will move, or is another commit already; or it is no label.
        LabelTaken: The label is given to another commit.
    """
    if (commit := codebase.resolve(revision)) is None:
        raise UnknownArtefact(f"there is no commit {revision!r}", mend="run `git fetch --tags`")
    _check_name(label, commit, codebase)
    pin = repo_pin(commit, label)
    check_label(pin, state)
    store.put(commit_blob(commit))
    return pin


def _check_name(label: str, commit: str, codebase: Codebase) -> None:
    """Refuse a label under which `repo_sha` would, now or after the next commit, find two commits."""
    mend = f"choose a label that stays: `registry add repo LABEL={commit[:12]}`"
    if not is_label(label):
        why = "a label has letters, digits and ._+- only, at most 64"
        raise UsageError(f"{label!r} cannot be a label", why=why, mend=mend)
    meant = codebase.resolve(label)
    if meant is None or commit.startswith(label):
        return
    if meant != commit:
        raise UsageError(f"{label} is another commit", why=f"git means {meant[:12]} by it", mend=mend)
    # why: a branch or HEAD is another commit tomorrow, and a label never moves; the two would be ambiguous for ever.
    if label == "HEAD" or codebase.resolve(f"refs/tags/{label}") != commit:
        why = "it moves on with the next commit, and a label never moves"
        raise UsageError(f"{label} cannot be a label", why=why, mend=mend)
