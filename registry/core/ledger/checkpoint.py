"""The checkpoint: how many entries the ledger has and the root of their tree, signed by a head key of the policy.

It is a signed note whose text is the ledger's origin, its size and its root. Two lines sign it: a plain one that every
verifier of notes can check, and one that says when, so that a reader notices a ledger that nobody goes on with.

Source: https://c2sp.org/tlog-checkpoint, as of v1.
"""

import base64
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from registry.core.digest import Digest, hex_of
from registry.core.ledger.merkle import HASH_BYTES
from registry.core.ledger.note import PLAIN, TIMED, BadNote, Note, NoteKey, NoteLine, open_note, read_note, sign_note
from registry.core.ledger.text import moment_of

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadCheckpoint(BadNote):
    """A note is signed, but is no checkpoint of this ledger."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: the ledger's origin, how many entries it has, and the root of the tree over them, 32 bytes.

    `extensions` are lines of others, which say nothing here. Ours have none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text of the note."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose signature was verified, when it was made, and the whole note as it stands.

    `time` is in seconds since 1970, the latest that a head key says; None where none says any. `strangers` counts the
    lines of keys that the reader does not know.
    """

    checkpoint: Checkpoint
    time: int | None
    strangers: int
    note: str

    @property
    def at(self) -> str | None:
        """The time, as entries spell it."""
        return moment_of(datetime.fromtimestamp(self.time, UTC)) if self.time is not None else None


def origin_of(genesis: Digest) -> str:
    """The name of the ledger that starts with `genesis`, in its checkpoints. No other ledger's can pass for it."""
    return f"lockstep-registry/{hex_of(genesis)}"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint, whoever signed it.

    Raises:
        BadCheckpoint: It is none, or not in the one spelling that it has.
    """
    origin, size, root, *more = text.split("\n")[:-1] if text.count("\n") >= 3 else ("", "", "")
    try:
        decoded = base64.b64decode(root, validate=True)
    except ValueError:
        decoded = b""
    found = Checkpoint(origin, int(size) if _SIZE.fullmatch(size) else -1, decoded, tuple(more))
    if found.text != text or not all((origin, *more)) or len(decoded) != HASH_BYTES:
        raise BadCheckpoint("this is no checkpoint", why="wanted are an origin, a size and a root, a line for each")
    return found


def open_checkpoint(data: bytes, *, genesis: Digest, keys: Iterable[bytes]) -> SignedCheckpoint:
    """Open a checkpoint of the ledger that starts with `genesis`.

    Args:
        data: Its exact bytes.
        genesis: The digest of the ledger's first entry.
        keys: The head keys that may sign it, 32 bytes each; the policy's, never the checkpoint's.

    Raises:
        BadNote: It is no checkpoint, or another ledger's.
        NotSigned: None of `keys` signed it, or a line that names one of them does not hold.
    """
    origin = origin_of(genesis)
    opened = open_note(data, [key for public in keys for key in _both(origin, public)])
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != origin:
        raise BadCheckpoint("this is another ledger's checkpoint", why=f"its origin is {checkpoint.origin[:80]!r}")
    return SignedCheckpoint(checkpoint, max(opened.times.values(), default=None), len(opened.strangers), data.decode())


def without_strangers(data: bytes, *, genesis: Digest, keys: Iterable[bytes]) -> bytes:
    """A checkpoint with the lines of `keys` alone, so that nothing in it is unverified.

    Raises:
        BadNote, NotSigned: As `open_checkpoint`.
    """
    strangers = open_note(data, [key for public in keys for key in _both(origin_of(genesis), public)]).strangers
    note = read_note(data)
    return Note(note.text, tuple(line for line in note.lines if line not in strangers)).data


def sign_checkpoint(
    checkpoint: Checkpoint, public: bytes, sign: Callable[[bytes], bytes], *, time: int, before: bytes | None = None
) -> bytes:
    """Sign a checkpoint, with and without the time.

    Args:
        checkpoint: What the signer has checked to be so.
        public: The head key, 32 bytes.
        sign: Makes an Ed25519 signature with it.
        time: Seconds since 1970.
        before: What this one takes the place of. If it is a checkpoint that says the same, the lines of others on it
            still hold, and are kept as they stand.
    """
    lines = [sign_note(checkpoint.text, key, sign, time=time) for key in _both(checkpoint.origin, public)]
    with suppress(BadNote):
        others = read_note(before or b"")
        lines += [line for line in others.lines if others.text == checkpoint.text and not _is_among(line, lines)]
    return Note(checkpoint.text, tuple(lines)).data


def _both(origin: str, public: bytes) -> tuple[NoteKey, NoteKey]:
    # why one key for both: what it signs with the time begins with "cosignature/v1", which is no origin of ours.
    return NoteKey(origin, public, PLAIN), NoteKey(origin, public, TIMED)


def _is_among(line: NoteLine, lines: Iterable[NoteLine]) -> bool:
    return any((line.name, line.hash) == (one.name, one.hash) for one in lines)
