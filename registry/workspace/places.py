"""Where store and ledger can be, a directory or a bucket, and which adapters open them there."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from registry.adapters.buckets.address import SCHEMES, Address, parse_address
from registry.errors import UsageError

if TYPE_CHECKING:
    from registry.adapters.stores.bucket import BucketStore
    from registry.adapters.stores.directory import DirectoryStore
    from registry.ports import LedgerFile, Replica

Where = Path | Address


def find_place(place: str, root: Path, environment: Mapping[str, str]) -> Where:
    """What a person wrote: a path seen from `root`, `file:///…`, or the URL of a place in a bucket.

    Raises:
        UsageError: It is a URL of another kind, or one that is not understood.
    """
    scheme, is_url, _ = place.partition("://")
    if not is_url:
        return root / place
    if scheme in SCHEMES:
        return parse_address(place, environment)
    if scheme != "file":
        known = ", ".join(f"{one}://" for one in ("file", *SCHEMES))
        mend = "mount a place that is reached by ssh (sshfs), and name its directory"
        raise UsageError(f"{place!r} cannot be opened", why=f"it is no directory, and none of {known}", mend=mend)
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise UsageError(f"{place!r} is no directory", why="it should look like file:///srv/registry")
    return Path(unquote(parts.path))


def open_store(where: Where, cache: Path, environment: Mapping[str, str]) -> "DirectoryStore | BucketStore":
    """Open the store at `where`; `cache` is a directory of this machine's own."""
    if isinstance(where, Path):
        from registry.adapters.stores.directory import DirectoryStore

        return DirectoryStore(where)
    from registry.adapters.buckets.bucket import open_bucket
    from registry.adapters.stores.bucket import BucketStore

    return BucketStore(open_bucket(where, environment), cache / "seen-1.sqlite")


def leased(store: "DirectoryStore | BucketStore") -> "Replica":
    """The same store, of which nothing that was put or read is collected meanwhile, where others can be kept out."""
    from registry.adapters.stores.directory import DirectoryStore
    from registry.adapters.stores.leased import Lease, LeasedStore

    return LeasedStore(store, Lease(store.root)) if isinstance(store, DirectoryStore) else store


def relied_on(store: "DirectoryStore | BucketStore") -> "Replica":
    """The same store, for who decides on what is read there: it is still there when the decision is written down."""
    from registry.adapters.stores.directory import DirectoryStore

    if isinstance(store, DirectoryStore):
        return leased(store)
    from registry.adapters.stores.recalling import RecallingStore

    return RecallingStore(store)


def open_ledger(where: Where, environment: Mapping[str, str]) -> "LedgerFile":
    """Open the ledger at `where`."""
    if isinstance(where, Path):
        from registry.adapters.ledgers.directory import DirectoryLedger

        return DirectoryLedger(where / "ledger")
    from registry.adapters.buckets.bucket import open_bucket
    from registry.adapters.ledgers.bucket import BucketLedger

    return BucketLedger(open_bucket(where, environment))


def memorable(where: Where) -> Path | str:
    """By what a user remembers the ledger at `where`."""
    return where / "ledger" if isinstance(where, Path) else f"{where.endpoint or ''} {where}"


def hidden(directory: Path) -> Path:
    """`directory`, made if need be, and ignored by git; where it cannot be made, it is done without."""
    from registry.adapters import durable

    with suppress(durable.WriteFailed):
        durable.make_directory(directory)
        if not (directory / ".gitignore").exists():
            durable.replace(directory / ".gitignore", b"*\n")
    return directory
