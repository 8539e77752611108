"""The signed note: a text, and under it a line for each signature. Checkpoints are notes, as others' logs have them.

Signatures are Ed25519, plain or with the time at which they were made. Lines by keys that the reader does not know are
passed over and kept as they stand; a line that names a known key must hold.

Source: https://c2sp.org/signed-note and https://c2sp.org/tlog-cosignature, both as of v1.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from registry.errors import IntegrityError

PLAIN: Literal[1] = 1
"""The type byte of a plain Ed25519 signature over the text."""

TIMED: Literal[4] = 4
"""The type byte of an Ed25519 cosignature: over the text and the time at which it was made."""

MAX_TIME = 253_402_300_799
"""The latest time that a signature may say, in seconds since 1970: the last second of the year 9999."""

MAX_BYTES = 65_536
MAX_SIGNATURES = 64
_DASH = "— "
_TIME_BYTES, _KEY_BYTES, _SIGNATURE_BYTES = 8, 32, 64


class BadNote(IntegrityError):
    """Bytes are no signed note in the one spelling that it has."""


class NotSigned(IntegrityError):
    """No known key signed a note, or a line that names a known key does not hold."""


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public Ed25519 key under the name that signature lines give it. `kind` says what it signs."""

    name: str
    public: bytes
    kind: Literal[1, 4] = PLAIN

    def __post_init__(self) -> None:
        """Refuse what no line could name.

        Raises:
            BadNote: The name is empty or has a space or a plus; or the key has not 32 bytes.
        """
        if not _is_name(self.name) or len(self.public) != _KEY_BYTES:
            raise BadNote(f"{self.name!r} cannot name a key of {len(self.public)} bytes")

    @property
    def hash(self) -> bytes:
        """The four bytes by which a signature line tells which key of that name it means; no protection by itself."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        """The verifier key, as witnesses and other tools are told it: `NAME+HASH+KEY`."""
        return f"{self.name}+{self.hash.hex()}+{_spell(bytes([self.kind]) + self.public)}"


def parse_note_key(text: str) -> NoteKey:
    """Read a verifier key, `NAME+HASH+KEY`.

    Raises:
        BadNote: It is none, its hash is another key's, or its algorithm is not Ed25519.
    """
    name, _, rest = text.partition("+")
    hash, _, spelled = rest.partition("+")
    material = _read(spelled)
    if material[:1] not in (bytes([PLAIN]), bytes([TIMED])):
        raise BadNote(f"the verifier key {text[:80]!r} is not of Ed25519")
    key = NoteKey(name, material[1:], PLAIN if material[0] == PLAIN else TIMED)
    if key.hash.hex() != hash:
        raise BadNote(f"the verifier key {text[:80]!r} says another hash than its own", why=key.hash.hex())
    return key


@dataclass(frozen=True, slots=True)
class NoteLine:
    """A signature line: the key's name and hash, and the signature as it stands."""

    name: str
    hash: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line, without its end."""
        return f"{_DASH}{self.name} {_spell(self.hash + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends with a newline, and the signature lines under it, in their order. Nothing is verified."""

    text: str
    lines: tuple[NoteLine, ...]

    @property
    def data(self) -> bytes:
        """The note's one spelling."""
        return (self.text + "\n" + "".join(f"{line}\n" for line in self.lines)).encode()


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note that known keys signed.

    `times` has each timed key that signed, with the time in seconds since 1970; `strangers` are the lines of keys that
    the reader does not know.
    """

    text: str
    times: dict[NoteKey, int]
    strangers: tuple[NoteLine, ...]


def read_note(data: bytes) -> Note:
    """Read a note's form only; nothing in it is to be believed.

    Raises:
        BadNote: The bytes are no signed note.
    """
    if len(data) > MAX_BYTES:
        raise BadNote("a note is too long", why=f"{len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        spelled = data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise BadNote("a note is not text", why=str(error)) from None
    text, gap, rest = spelled.rpartition("\n\n")
    if not gap or not rest.endswith("\n") or any(letter < " " and letter != "\n" for letter in spelled):
        raise BadNote("this is no signed note", why="it needs a text, an empty line, and lines of signatures")
    lines = tuple(_line(line) for line in rest[:-1].split("\n"))
    if len(lines) > MAX_SIGNATURES:
        raise BadNote("a note has too many signatures", why=f"{len(lines)}; at most {MAX_SIGNATURES} are read")
    return Note(text + "\n", lines)


def open_note(data: bytes, keys: Iterable[NoteKey]) -> OpenedNote:
    """Open a note that at least one of `keys` signed.

    Args:
        data: The exact bytes.
        keys: The caller's, never the note's.

    Raises:
        BadNote: The bytes are no signed note.
        NotSigned: No key of `keys` signed it; or a line names one of them and does not hold.
    """
    note, known = read_note(data), {(key.name, key.hash): key for key in keys}
    signed: dict[NoteKey, int] = {}
    strangers = []
    for line in note.lines:
        if (key := known.get((line.name, line.hash))) is None:
            strangers.append(line)
        else:
            signed[key] = max(_check(key, line.signature, note.text), signed.get(key, 0))
    if not signed:
        raise NotSigned("no known key signed this", why=f"the lines name {', '.join(line.name for line in note.lines)}")
    return OpenedNote(note.text, {key: time for key, time in signed.items() if key.kind == TIMED}, tuple(strangers))


def sign_note(text: str, key: NoteKey, sign: Callable[[bytes], bytes], *, time: int = 0) -> NoteLine:
    """The line by which `key` signs `text`.

    Args:
        text: Ends with a newline.
        key: Whose line it is; its kind says what is signed.
        sign: Makes an Ed25519 signature of 64 bytes with that key.
        time: Seconds since 1970; only a timed key says it.
    """
    signature = sign(_message(text, key.kind, time))
    return NoteLine(
        key.name, key.hash, signature if key.kind == PLAIN else time.to_bytes(_TIME_BYTES, "big") + signature
    )


def _check(key: NoteKey, signature: bytes, text: str) -> int:
    """The time that a signature says, 0 for a plain one; raises where it does not hold."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    skipped = 0 if key.kind == PLAIN else _TIME_BYTES
    time = int.from_bytes(signature[:skipped], "big")
    try:
        if len(signature) != skipped + _SIGNATURE_BYTES or time > MAX_TIME:
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature[skipped:], _message(text, key.kind, time))
    except InvalidSignature:
        raise NotSigned(f"the signature of {key.name} does not hold", why="the text or the line was changed") from None
    return time


def _message(text: str, kind: int, time: int) -> bytes:
    return text.encode() if kind == PLAIN else f"cosignature/v1\ntime {time}\n{text}".encode()


def _line(line: str) -> NoteLine:
    name, _, spelled = line.removeprefix(_DASH).partition(" ")
    blob = _read(spelled)
    if not line.startswith(_DASH) or not _is_name(name) or len(blob) < 5:
        raise BadNote("a line of a note is no signature", why=repr(line[:80]))
    return NoteLine(name, blob[:4], blob[4:])


def _is_name(text: str) -> bool:
    return bool(text) and "+" not in text and not any(letter.isspace() or letter < " " for letter in text)


def _spell(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _spell(data) != text:
        raise BadNote("base64 is not in its one spelling", why=repr(text[:80]))
    return data
