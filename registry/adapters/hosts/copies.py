"""A host's copy of the ledger's entries, so that whoever lost theirs gets them back: a file for each pull with news.

`ledger/00000000000000000008.jsonl` holds the entries from 8 on that one pull saw for the first time, a line for each.
An entry is canonical JSON, which has no line breaks. The files are written once; whoever reads them verifies all of it.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from registry.adapters import durable
from registry.errors import IntegrityError

LEDGER = "ledger"
_NAME = re.compile(r"([0-9]{20})\.jsonl")


class CopyUnreadable(IntegrityError):
    """A host's copy of the ledger cannot be read."""


def keep_entries(host: Path, entries: Callable[[int], Sequence[bytes]]) -> None:
    """Keep what is new of the ledger in the directory `host`; `entries` gives those from an index on.

    Raises:
        CopyUnreadable: What was kept before cannot be read, so nobody knows what is new.
        WriteFailed: The system would not write it.
    """
    files = _files(host)
    start, last = files[-1] if files else (0, None)
    count = start + _read(last).count(b"\n") if last is not None else 0
    if new := entries(count):
        durable.make_directory(host / LEDGER)
        durable.put_if_absent(host / LEDGER / f"{count:020d}.jsonl", b"".join(entry + b"\n" for entry in new))


def read_copy(host: Path) -> Sequence[bytes]:
    """The entries that the directory `host` has a copy of, unverified; none if it has no copy.

    Raises:
        CopyUnreadable: A file of it is missing, or cannot be read.
    """
    found: list[bytes] = []
    for start, path in _files(host):
        if start != len(found):
            raise CopyUnreadable(f"{host / LEDGER} is not whole", why=f"the entries from {len(found)} on are missing")
        found += _read(path).splitlines()
    return found


def _read(path: Path) -> bytes:
    try:
        return durable.read_plain(path)
    except OSError as error:
        mend = "move it away; the next pull keeps another copy"
        raise CopyUnreadable(f"{path} cannot be read", why=error.strerror or str(error), mend=mend) from None


def _files(host: Path) -> list[tuple[int, Path]]:
    """The files of the copy, by the index of their first entry."""
    if not (host / LEDGER).is_dir():
        return []
    matches = ((_NAME.fullmatch(path.name), path) for path in (host / LEDGER).iterdir())
    return sorted((int(match[1]), path) for match, path in matches if match)
