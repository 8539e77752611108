"""add: keep one artefact under a name and a label, so that a config can name it as `name@label`."""

from collections.abc import Collection
from typing import Literal

from registry.core.codebase import commit_blob, repo_pin
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
        LabelTaken: The label is given to another commit.
    """
    if (commit := codebase.resolve(revision)) is None:
        raise UnknownArtefact(f"there is no commit {revision!r}", mend="run `git fetch --tags`")
    pin = repo_pin(commit, label)
    check_label(pin, state)
    store.put(commit_blob(commit))
    return pin
