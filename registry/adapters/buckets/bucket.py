"""A bucket: look, list, read, create and write objects below one prefix."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from registry.adapters.buckets.address import Address, may_speak_plainly
from registry.adapters.buckets.faults import Changed, Gone, TooLong, told
from registry.adapters.buckets.reader import Origin, Reader
from registry.errors import UsageError

PART_BYTES = 8 * 1024 * 1024
"""What is sent at once; an object above it is sent in parts, two of which are on their way at a time."""

TIMEOUT_S = 300
"""For one span of 32 MiB or one part of 8 MiB: a line slower than 1 Mbit/s is none, and a server that drips is left."""

SILENCE_S, PATIENCE_S = 20, 60
"""A service that says nothing for so long is asked again, until it has been silent for so long; then it is left."""

_MOST_PARTS = 9000
_PAGE = 1000
_CHUNK_BYTES = 1024 * 1024
_RETRIES = 5


@dataclass(frozen=True, slots=True)
class Look:
    """How an object looks to the service: its size in bytes, a text that changes with its bytes, and when they came.

    `version` is there where the service counts the writings of an object.
    """

    size: int
    state: str
    e_tag: str | None
    modified: datetime
    version: str | None = None

    def is_same(self, other: "Look | None") -> bool:
        """Whether nobody has written to the object between the two looks, not even the same bytes."""
        if other is None or self.state != other.state:
            return False
        # why to the second: listings and single looks tell the time with different precision.
        return self.modified.replace(microsecond=0) == other.modified.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in a bucket; keys count from its prefix. Usable from several threads.

    `steady` asks again where that cannot do harm; so does `brief`, for what is answered at once, and it does not wait
    long. `once` never does, so that what it says of a conditional write is about this one attempt. `checks_sha256` says
    that the service refuses bytes that were damaged on their way.
    """

    address: Address
    steady: Any
    brief: Any
    once: Any
    checks_sha256: bool

    def look(self, key: str) -> Look | None:
        """How the object looks, or None if there is none."""
        import obstore

        try:
            with told(f"look at {self._named(key)}"):
                return _look_of(obstore.head(self.brief, self.address.at(key)))
        except FileNotFoundError:
            return None

    def listed(self, folder: str, *, after: str | None = None) -> Iterator[tuple[str, Look]]:
        """The key and looks of each object below `folder`, or only of those whose keys come after a certain one.

        Raises:
            TooLong: The service begins again where it was before, and would never end.
        """
        import obstore

        start, offset = len(self.address.at("")), self.address.at(after) if after else None
        firsts: set[str] = set()
        with told(f"list {self._named(folder)}"):
            for page in obstore.list(self.brief, self.address.at(folder) + "/", offset=offset, chunk_size=_PAGE):
                if page[0]["path"] in firsts:
                    why = f"{page[0]['path']} was listed before"
                    raise TooLong(f"the list of {self._named(folder)} never ends", why=why)
                firsts.add(page[0]["path"])
                yield from ((found["path"][start:], _look_of(found)) for found in page)

    def folders(self, folder: str) -> list[str]:
        """The keys of what seems to be a folder in `folder`, sorted."""
        import obstore

        start = len(self.address.at(""))
        with told(f"list {self._named(folder)}"):
            found = obstore.list_with_delimiter(self.brief, self.address.at(folder) + "/")
        return sorted(path[start:].rstrip("/") for path in found["common_prefixes"])

    def read(self, key: str, most_bytes: int) -> bytes | None:
        """A small object's bytes, or None if there is none.

        Raises:
            TooLong: It has more than `most_bytes`, or other than announced.
        """
        import obstore

        try:
            with told(f"read {self._named(key)}"):
                found = obstore.get(self.brief, self.address.at(key))
                size = found.meta["size"]
                if size > most_bytes:
                    raise TooLong(f"{self._named(key)} is too long", why=f"{size} bytes; {most_bytes} are the most")
                return b"".join(self._pieces(key, found, size))
        except FileNotFoundError:
            return None

    def open(self, key: str) -> Reader | None:
        """An object as a stream, or None if there is none."""
        look = self.look(key)
        return None if look is None else self.reader(key, look)

    def reader(self, key: str, look: Look, instead: "Callable[[], tuple[str, Look] | None]" = lambda: None) -> Reader:
        """The object that looks so, as a stream; where the service has ETags, every piece is of that version.

        When it is removed meanwhile, what follows is read from what `instead` names, if it names anything.
        """

        def stream(start: int, end: int) -> Iterator[bytes]:
            try:
                yield from self._span(key, look, (start, end))
            except Gone:
                if (other := instead()) is None:
                    raise
                yield from self._span(*other, (start, end))

        return Reader(stream, look.size, Origin(self.address.service, self.address.at(key)))

    def create(self, key: str, data: bytes) -> bool:
        """Make `data` the object if there is none; False if there is one. Tried once.

        Raises:
            Uncertain: It failed, and may have happened all the same.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with told(f"write {self._named(key)}", is_write=True):
            try:
                obstore.put(self.once, self.address.at(key), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def replace(self, key: str, data: bytes, known: Look | None) -> bool:
        """Make `data` the object if it still looks as it is `known` to, or is not there still; False if not."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        mode: Any = "create"
        if known:
            mode = {name: value for name in ("e_tag", "version") if (value := getattr(known, name))}
        with told(f"write {self._named(key)}", is_write=True):
            try:
                obstore.put(self.steady, self.address.at(key), data, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def write(self, key: str, data: bytes) -> None:
        """Make `data` the object, whatever was there."""
        import obstore

        with told(f"write {self._named(key)}", is_write=True):
            obstore.put(self.steady, self.address.at(key), data, use_multipart=False)

    def stream(self, key: str, pieces: Iterable[bytes], size: int) -> None:
        """Make what `pieces` give the object, in bounded memory. If `pieces` raises, nothing is shown."""
        import obstore

        part = max(PART_BYTES, -(-size // _MOST_PARTS))
        with told(f"write {self._named(key)}", is_write=True):
            where = self.address.at(key)
            obstore.put(self.steady, where, _ahead(pieces), use_multipart=True, chunk_size=part, max_concurrency=2)

    def copy(self, origin: Origin, key: str) -> bool:
        """Let the service copy `origin`, which is in the same bucket, by itself; False if there is no such object."""
        import obstore

        try:
            with told(f"copy to {self._named(key)}"):
                obstore.copy(self.steady, origin.key, self.address.at(key))
        except FileNotFoundError:
            return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one. Tried once: who tries it again should look first what is there now.

        Raises:
            Uncertain: It failed, and may have happened all the same.
        """
        import obstore

        with told(f"delete {self._named(key)}", is_write=True), suppress(FileNotFoundError):
            obstore.delete(self.once, self.address.at(key))

    def _span(self, key: str, look: Look, span: tuple[int, int]) -> Iterator[bytes]:
        """A part of an object, in pieces: where the service has ETags, of that version."""
        import obstore
        from obstore.exceptions import PreconditionError

        wanted: dict[str, Any] = {"if_match": look.e_tag} if look.e_tag else {}
        if span != (0, look.size):
            wanted["range"] = span
        try:
            with told(f"read {self._named(key)}"):
                try:
                    found = obstore.get(self.steady, self.address.at(key), options=wanted)
                except PreconditionError:
                    mend = "run the same command again"
                    raise Changed(f"{self._named(key)} was written to while it was read", mend=mend) from None
                yield from self._pieces(key, found, span[1] - span[0])
        except FileNotFoundError:
            raise Gone(f"{self._named(key)} was removed while it was read") from None

    def _pieces(self, key: str, found: Any, size: int) -> Iterator[bytes]:
        """The bytes of an answer, refused when they are more than `size`, or less."""
        count = 0
        for piece in found.stream(min_chunk_size=_CHUNK_BYTES):
            count += len(piece)
            if count > size:
                break
            yield piece
        if count != size:
            why = f"more than {size} bytes came" if count > size else f"{count} bytes came instead of {size}"
            raise TooLong(f"{self._named(key)} was not given as it was announced", why=why, mend="try again")

    def _named(self, key: str) -> str:
        return f"{self.address}/{key}"


def open_bucket(address: Address, environment: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> Bucket:
    """Open a place in a bucket; nothing is asked of the service yet.

    Credentials come from the environment, as the service's own tools take them.

    Raises:
        UsageError: obstore is not installed, or does not understand what the environment says.
    """
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ImportError as error:
        mend = "pip install 'lockstep-registry[s3]'"
        raise UsageError("the s3 extra is not installed", why=str(error), mend=mend) from None
    kind, config = _settings(address, environment)
    timeout = timedelta(seconds=timeout_s)
    plain = may_speak_plainly(address.endpoint, environment)
    client = {"allow_http": plain, "timeout": timeout, "connect_timeout": min(timeout, timedelta(seconds=10))}
    brief = {**client, "read_timeout": min(timeout, timedelta(seconds=SILENCE_S))}

    def opened(retries: int, client: Mapping[str, Any] = client, again: timedelta = timeout) -> Any:
        config_again = {"max_retries": retries, "retry_timeout": again}
        options = {"config": config, "client_options": client, "retry_config": config_again, **extra}
        return getattr(store, kind)(address.name, **options)

    extra = _profile(environment) if address.scheme == "s3" else {}
    checks = address.scheme == "s3" and config["checksum_algorithm"].upper() == "SHA256"
    patient = min(timeout, timedelta(seconds=PATIENCE_S))
    with told(f"open {address}"):
        try:
            return Bucket(address, opened(_RETRIES), opened(_RETRIES, brief, patient), opened(0), checks)
        except (BaseError, ValueError) as error:
            raise UsageError(f"{address} cannot be opened", why=str(error).partition("\n\n")[0]) from None


def _settings(address: Address, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The class of obstore, and its settings."""
    endpoint = {"endpoint": address.endpoint} if address.endpoint else {}
    match address.scheme:
        case "gs":
            return "GCSStore", {"base_url": address.endpoint} if address.endpoint else {}
        case "az":
            return "AzureStore", endpoint
        case _:
            checksum = environment.get("AWS_CHECKSUM_ALGORITHM", "SHA256")
            region = address.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
            return "S3Store", {"checksum_algorithm": checksum, **({"region": region} if region else {}), **endpoint}


def _profile(environment: Mapping[str, str]) -> dict[str, Any]:
    """The credentials of the profile that AWS_PROFILE names, whichever way it gets them: boto3 knows them all."""
    name = environment.get("AWS_PROFILE")
    if not name or environment.get("AWS_ACCESS_KEY_ID"):
        return {}
    try:
        from boto3.session import Session
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        mend = "pip install boto3, or give the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise UsageError(f"the profile {name} cannot be read", why=str(error), mend=mend) from None
    try:
        return {"credential_provider": Boto3CredentialProvider(Session(profile_name=name))}
    except (BotoCoreError, ValueError) as error:
        raise UsageError(f"the profile {name} cannot be used", why=str(error), mend="see `aws configure`") from None


def _ahead(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces, each taken in another thread while the one before is sent.

    obstore asks for them in a thread of its own, in which nobody may ask obstore for what they are read from.
    """
    with ThreadPoolExecutor(1) as thread:
        left = iter(pieces)
        coming = thread.submit(next, left, None)
        while (piece := coming.result()) is not None:
            coming = thread.submit(next, left, None)
            yield piece


def _look_of(found: Mapping[str, Any]) -> Look:
    # why not the time where there is an ETag: listings and single looks tell it with different precision.
    mark = found["e_tag"] or found["last_modified"].isoformat()
    return Look(found["size"], f"{found['size']}:{mark}", found["e_tag"], found["last_modified"], found.get("version"))
