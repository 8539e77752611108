"""The twins: two names of the same bytes, DVC's md5 and our sha256, as they were once seen together.

A file whose sha256 is the twin of the md5 that the lock wants has the right bytes; its md5 need not be computed again,
and a store that knows the file need not even read it. It is a cache: it may be lost at any time.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from registry.adapters.durable import make_directory, read_plain, replace
from registry.core.canonical import canonical
from registry.core.digest import Digest

_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


class Twins:
    """The pairs that are kept in the file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, md5: str | None) -> Digest | None:
        """The digest of the bytes that had this md5 when they were read, or None."""
        return self._known.get(md5 or "")

    def note(self, pairs: Mapping[str, Digest]) -> None:
        """Remember pairs that were computed of the same bytes in the same reading."""
        if new := {md5: digest for md5, digest in pairs.items() if md5 not in self._known}:
            self._known.update(new)
            make_directory(self.path.parent)
            replace(self.path, canonical(self._known))

    @cached_property
    def _known(self) -> dict[str, Digest]:
        with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
            found = json.loads(read_plain(self.path)).items()
            return {one: Digest(other) for one, other in found if _MD5.fullmatch(one) and _SHA256.fullmatch(other)}
        return {}
