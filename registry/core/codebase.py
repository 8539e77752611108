"""The codebase: a git commit as an artefact of the model."""

from registry.core.canonical import canonical
from registry.core.digest import digest_of
from registry.core.pin import Pin, Source

NAME = "repo"


def commit_blob(commit: str) -> bytes:
    """The bytes that stand for a commit in the store; a repo pin's digest is theirs."""
    return canonical({"commit": commit})


def repo_pin(commit: str, label: str | None = None) -> Pin:
    """The pin of the workspace's repository at `commit` (40 or 64 hex); `label` is the tag or branch that named it."""
    blob = commit_blob(commit)
    source = Source(kind="git", location=".", revision=commit)
    return Pin(role="repo", name=NAME, label=label, digest=digest_of(blob), size=len(blob), source=source)
