"""The codebase: a git commit as an artefact of the model."""

import re

from registry.core.canonical import canonical
from registry.core.digest import digest_of
from registry.core.pin import Pin, Source

NAME = "repo"
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


def commit_blob(commit: str) -> bytes:
    """The bytes that stand for a commit in the store; a repo pin's digest is theirs."""
    return canonical({"commit": commit})


def repo_pin(commit: str, label: str | None = None) -> Pin:
    """The pin of the workspace's repository at `commit` (40 or 64 hex); `label` is what people call it for good."""
    blob = commit_blob(commit)
    source = Source(kind="git", location=".", revision=commit)
    return Pin(role="repo", name=NAME, label=label, digest=digest_of(blob), size=len(blob), source=source)


def is_label(text: str) -> bool:
    """Whether `text` is spelled as a label."""
    return _LABEL.fullmatch(text) is not None
