"""The doors to the world: what the verbs may ask for, and what an adapter must keep.

Each door is a small Protocol. Behaviour is added by wrapping, and each door's contract is a test class in
`registry.testing`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, runtime_checkable

from registry.core.digest import Digest
from registry.core.ledger.recall import Recollection

if TYPE_CHECKING:  # why: the nouns behind them would be read for each command, and few need them
    from registry.core.bundle.trust import SeenLedger
    from registry.core.ledger.picture import Picture
    from registry.core.pin import Source
    from registry.core.store import Stock
    from registry.core.tree import Entry, Tree


class OpenFile(Protocol):
    """One file that can be read once, by name: what a source offers and a store takes in."""

    @property
    def path(self) -> str:
        """Relative POSIX path inside its tree."""

    @property
    def size(self) -> int:
        """Bytes that the place says it has; the store counts for itself."""

    def open(self) -> BinaryIO:
        """Open it for reading, unbuffered, never through a symlink."""


@runtime_checkable
class KnownFile(OpenFile, Protocol):
    """A file whose digest is known before it is read; `size` is what it must have."""

    @property
    def digest(self) -> Digest:
        """What its bytes must hash to."""


class Store(Protocol):
    """Blobs by digest. A blob never changes; what cannot be read back exactly is never acknowledged."""

    def put(self, data: bytes) -> Digest:
        """Keep small `data` durably; done only when it would survive a power cut."""

    def put_files(self, files: Iterable[OpenFile]) -> "Tree":
        """Keep each file durably, hashing while copying, and return the tree that they make.

        A `KnownFile` that gives other bytes than it must is refused with `DigestMismatch`, and nothing of it is kept.
        """

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading, unverified; raises `registry.core.store.Missing` if there is none."""

    def get(self, digest: Digest) -> bytes:
        """Read a small blob, verified; raises `Missing` or `DigestMismatch`."""

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here, in no order."""


class Replica(Store, Protocol):
    """A store that blobs are brought to."""

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole: of that size in bytes, and hashed now or when they looked the same."""

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose, here or where blobs were brought from; whoever misses it need not worry."""

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Note, durably, what was deleted on purpose where blobs were brought from."""


class Meter(Protocol):
    """Somebody who wants to know how far the carrying of blobs is."""

    def expect(self, size_bytes: int) -> None:
        """So much is to be carried in all."""

    def moved(self, size_bytes: int) -> None:
        """So much more was read from where it comes from. May be called from several threads."""


class Attic(Protocol):
    """What lies behind a store: where blobs go that are not wanted in their place, and from where they come back."""

    def stocktaking(self) -> "AbstractContextManager[Callable[[], Stock]]":
        """Keep writers and other collectors out, where they can be kept out; what it gives says what is here.

        That is asked after the ledger was read, so that all that an entry names is among it. Where others are kept out,
        whoever put a blob before and has not named it in the ledger yet is among `leased`, and `ConflictError` is
        raised if they do not finish. Elsewhere none of the moves below does harm, whatever others do meanwhile.
        """

    def set_aside(self, digests: Sequence[Digest], at: datetime) -> None:
        """Move blobs into the trash, durably; only while taking stock. The store still gives them to who asks."""

    def bring_back(self, digests: Sequence[Digest]) -> None:
        """Move blobs from the trash to their places, durably; only while taking stock."""

    def purge(self, digests: Sequence[Digest], *, known: Sequence[Digest]) -> None:
        """Delete blobs in the trash for good; only while taking stock. The `known` to the ledger are noted first."""

    def quarantine(self, digest: Digest, at: datetime) -> str | None:
        """Move the damaged blob in a place out of the way, and say where it is now; None if it was mended meanwhile."""


class Copies(Protocol):
    """A place that may have a copy of a blob."""

    def find(self, digest: Digest, size: int | None) -> Iterator[OpenFile]:
        """Files that may be the blob, of `size` bytes if that is known; none is believed before it is hashed."""


class LedgerFile(Protocol):
    """Where entries live: numbered byte strings, each put at most once; and one checkpoint, which is put over and over.

    What commits is an entry. A checkpoint says again what the entries say, so one that lags behind them, or is not
    there, is no fault; nor is it one if of two racing writers the one who was behind has the last word.
    """

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Entries' exact bytes in order of index, from `start` to the last, or to the one before `stop`.

        Fewer or none where there are no more. Only a call without `stop` looks whether anything else lies there.
        """

    def put_if_absent(self, index: int, data: bytes) -> bool:
        """Make `data` entry `index`, durably; False if that index is taken. This is the only commit point."""

    def checkpoint(self) -> bytes | None:
        """The checkpoint's exact bytes, unverified; None if none was put."""

    def put_checkpoint(self, data: bytes) -> None:
        """Put `data` in the place of the checkpoint, durably: a reader gets the old one or this one, whole."""


@runtime_checkable
class Remembers(Protocol):
    """A ledger whose reader can keep what it has verified, for itself alone. What is kept is a cache."""

    @property
    def code(self) -> str:
        """Names the program that reads, 64 hex digits: what another one kept may mean something else."""

    def recall(self) -> Recollection | None:
        """What this program kept of this ledger last; None if there is nothing, or others could have written it."""

    def retain(self, data: bytes) -> None:
        """Keep `data` instead; where that cannot be done, it is done without."""


class HeadSigner(Protocol):
    """A private head key: it signs checkpoints."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519 over `message`, 64 bytes."""


class Mirror(Protocol):
    """Another registry that shows what the ledger says. It is never asked for the truth, and can be mended any time."""

    def differences(self, picture: "Picture") -> Sequence[str]:
        """Where it differs from `picture`, a sentence each; nothing is changed."""

    def mend(self, picture: "Picture") -> Sequence[str]:
        """Make it show `picture`, and say what it had otherwise; done again, it changes nothing."""


class Signer(Protocol):
    """A private key that signs, and says which key it is."""

    @property
    def head(self) -> HeadSigner | None:
        """The head key that goes with it; None for who signs no checkpoints."""

    @property
    def key_id(self) -> str:
        """64 hex digits: SHA-256 of the public key's DER form."""

    @property
    def public_pem(self) -> str:
        """The public key, PEM."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, DER, deterministic (RFC 6979)."""


class Clock(Protocol):
    """The time of day, for people to read; nothing is ever ordered by it."""

    def now(self) -> datetime:
        """The present, in UTC."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a source found at a location: the files, and what the place calls these bytes."""

    files: Sequence[OpenFile]
    source: "Source"
    confirm: "Callable[[Tree], None]" = lambda tree: None
    """Compare what was read with what the place promised. Called once, after every file was read; raises
    IntegrityError naming the file that differs, or ConflictError if a file changed meanwhile."""


class Sources(Protocol):
    """Everything that can be read from a location in a config."""

    def find(self, location: str) -> Found:
        """Look `location` up: a path, `dvc:…`, `hf://…@rev`, `git+…@rev` or `mlflow:…`.

        Raises `registry.core.reference.NothingThere` if there is nothing.
        """


class Codebase(Protocol):
    """The git repository around the workspace."""

    def head(self) -> str:
        """The commit (40 or 64 hex) of the code that is checked out.

        A commit that changes nothing but `manifests/*.lock.json` is passed over for its parent: committing what `pin`
        wrote does not make another model.
        """

    def resolve(self, revision: str) -> str | None:
        """The commit that a tag, branch or short digest names here, or None."""

    def dirty(self) -> Sequence[str]:
        """Paths that differ from the last commit or that git does not know, `manifests/*.lock.json` apart."""

    def committed(self, path: str) -> bytes | None:
        """A file's bytes as of the last commit, by its path in the workspace; None if it is not committed."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing for the model to say: the conversation so far, by which adapter, from which seed.

    `adapter` is a name of the bundle or None for the bare base. `seed` is 32 bytes that nothing else uses.
    `max_new_tokens` bounds the reply, in tokens.
    """

    messages: tuple[Message, ...]
    adapter: str | None
    seed: bytes
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said.

    `seconds` is wall time and belongs in a timing row only; `finished` is False where the bound cut the reply.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    finished: bool


class Engine(Protocol):
    """A model that answers. The same turn gives the same reply, whatever it is asked together with."""

    def reply(self, turns: Sequence[Turn], sampling: Mapping[str, str]) -> Sequence[Reply]:
        """Answer each turn. `sampling` has decimal strings: `temperature` (0 is greedy), `top_p` in (0, 1]."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
        """The reward model's logit for each (prompt, answer), as decimal strings with four places."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program: its exit code, the end of what it printed, and whether the limits stopped it."""

    exit_code: int
    output: str
    timed_out: bool


class Sandbox(Protocol):
    """A place to run a short Python program with limits on time, memory, files and processes."""

    def run(self, program: str) -> Ran:
        """Run `program` on its own, without network use or the caller's environment."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What it took to show a release.

    `previous` is what was shown before, None if nothing was; it equals `release` where nothing had to be switched.
    Files and bytes were either copied from the store or reused from what the place had. `mended` lists the paths that
    somebody had changed, added or removed in a release that was here already; they are as they should be now.
    """

    release: Digest
    previous: Digest | None
    files_copied: int
    bytes_copied: int
    files_reused: int
    bytes_reused: int
    mended: tuple[str, ...] = ()


class Destination(Protocol):
    """A place that takes in a release and shows it whole or not at all."""

    def deliver(self, tree: "Tree", open: "Callable[[Entry], BinaryIO]") -> Delivered:
        """Make `tree` durable and visible in one step, hashing what is written.

        `open` gives the content of an entry, unverified, and may be called from several threads. Raises
        `DigestMismatch`, or what `open` raises; then what was shown before still is.
        """


class Host(Destination, Protocol):
    """A destination that keeps several releases, shows one of them, and remembers how far it saw the ledger."""

    def hold(self) -> AbstractContextManager[None]:
        """Keep every other pull out meanwhile; raises `ConflictError` if one is under way."""

    def seen(self) -> "SeenLedger | None":
        """How far the ledger was seen, or None before the first pull."""

    def remember(self, seen: "SeenLedger") -> None:
        """Keep `seen`, durably."""

    def copy_ledger(self, entries: Callable[[int], Sequence[bytes]]) -> None:
        """Keep a copy of the ledger's entries, for whoever lost theirs; `entries` gives those from an index on."""
