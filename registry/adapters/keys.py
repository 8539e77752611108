"""Keys in files: ECDSA P-256, encrypted PKCS#8 PEM, for their owner's eyes only, and never inside a git work tree.

A passphrase comes from a file or from a caller who asked a person for it; never from the command line or from the
environment, where other programs can read it. The environment may only say where the files are.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.adapters import durable
from registry.core.ledger.envelope import key_id_of
from registry.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_VARIABLE = "REGISTRY_KEY"
"""The environment's name for the path of the key file."""

PASSPHRASE_VARIABLE = "REGISTRY_PASSPHRASE_FILE"  # noqa: S105 - a name, not a secret
"""The environment's name for the path of the file with the key's passphrase."""

LEAST_PASSPHRASE = 12
"""Fewest characters of a passphrase that a person chose. PKCS#8 encryption stretches it by 2048 rounds only."""

_MAX_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY


class UnsafeKey(UsageError):
    """A key lies where others could read it, or would soon be shared."""


class NoKey(UsageError):
    """There is no key where one was looked for."""


class OutOfReach(UsageError):
    """The system does not let us look at, read or write the place of a key."""


class BadName(UsageError):
    """A key cannot be called that."""


class KeyExists(UsageError):
    """A key of that name is there already; it is never replaced."""


class KeyNotOpened(IntegrityError):
    """A key file was changed, is no key, or the passphrase is not its own."""


@dataclass(frozen=True, slots=True, repr=False)
class FileHead:
    """The head key of an opened key: Ed25519, for the ledger's checkpoints and nothing else."""

    _private: "Ed25519PrivateKey"

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Ed25519 over `message`, 64 bytes."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        """The key's name, and nothing of the key."""
        return f"FileHead({self.public.hex()[:12]})"


@dataclass(frozen=True, slots=True, repr=False)
class FileSigner:
    """An opened private key. Make it with `load_key`."""

    _private: "EllipticCurvePrivateKey"
    public_pem: str

    @property
    def key_id(self) -> str:
        """64 hex digits: SHA-256 of the public key's DER form."""
        return key_id_of(self.public_pem)

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 over SHA-256 of `message`, DER, deterministic (RFC 6979)."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._private.sign(message, ECDSA(SHA256(), deterministic_signing=True))

    @property
    def head(self) -> FileHead:
        """The head key that goes with this key, the same each time.

        It is derived from the private key, so there is no second secret to keep. To sign checkpoints where nobody may
        decide, make a key of its own, give it no role, and name its head key in the policy.

        Source: RFC 5869, HKDF.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        secret = self._private.private_numbers().private_value.to_bytes(32, "big")
        seed = HKDF(SHA256(), length=32, salt=None, info=b"lockstep-registry head key 1").derive(secret)
        return FileHead(Ed25519PrivateKey.from_private_bytes(seed))

    def __repr__(self) -> str:
        """The key's name, and nothing of the key."""
        return f"FileSigner({self.key_id[:12]})"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a key lies: the encrypted private key, its public half, and its passphrase, unless a person keeps that."""

    private: Path
    public: Path
    passphrase: Path | None


def key_directory(environment: Mapping[str, str]) -> Path:
    """Where keys live by default: `$XDG_CONFIG_HOME/lockstep/keys`, or the same below `~/.config`.

    Raises:
        NoKey: There is no home directory, as for a user in a container who has a number and no account.
    """
    configured = environment.get("XDG_CONFIG_HOME", "")
    # why: the XDG specification says that a relative path there is to be ignored.
    base = Path(configured) if configured.startswith("/") else _home() / ".config"
    return base / "lockstep" / "keys"


def key_path(environment: Mapping[str, str], name: str) -> Path:
    """The file of the key `name` in the default directory.

    Raises:
        BadName: The name is no plain file name of at most 100 letters.
        NoKey: As `key_directory`.
    """
    if not _NAME.fullmatch(name):
        why = "it takes 1 to 100 letters, digits, and _ . - after the first"
        raise BadName(f"a key cannot be called {name[:40]!r}", why=why, mend="choose a plain name, such as `default`")
    return key_directory(environment) / f"{name}.pem"


def find_key(environment: Mapping[str, str], name: str = "default") -> KeyFiles:
    """Where the key to sign with lies: where the environment says, or `name` in the default directory.

    Raises:
        NoKey: There is none.
        OutOfReach: We may not look there.
        BadName: See `key_path`.
    """
    private = Path(environment.get(KEY_VARIABLE) or key_path(environment, name))
    if not private.name or not _is_there(private):
        raise NoKey(f"there is no key at {private}", mend=f"run `registry key new`, or set {KEY_VARIABLE} to its path")
    said = environment.get(PASSPHRASE_VARIABLE)
    beside = private.with_suffix(".passphrase")
    passphrase = Path(said) if said else (beside if _is_there(beside) else None)
    return KeyFiles(private, private.with_suffix(".pub"), passphrase)


def make_key(private: Path, *, passphrase: str | None = None) -> KeyFiles:
    """Make a key, encrypted, in the new file `private` (`NAME.pem`), and its public half beside it (`NAME.pub`).

    Args:
        private: Where to; its directory is made, for the owner alone.
        passphrase: At least 12 characters that a person will remember. None makes one of 128 random bits, and keeps it
            in `NAME.passphrase` beside the key, for the owner alone; move it to where your secrets live.

    Raises:
        KeyExists: There is a file already.
        UnsafeKey: The place is inside a git work tree, its directory is open to others, or the passphrase is short.
        OutOfReach: We may not look or write there.
        WriteFailed: The system would not make it durable.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    _check_place(private)
    if passphrase is not None and len(passphrase) < LEAST_PASSPHRASE:
        raise UnsafeKey("the passphrase is too short", why=f"it has fewer than {LEAST_PASSPHRASE} characters")
    with _within_reach(private):
        _make_directory(private.parent)
    kept = private.with_suffix(".passphrase") if passphrase is None else None
    files = KeyFiles(private, private.with_suffix(".pub"), kept)
    for path in (files.private, files.public, *([kept] if kept else [])):
        if _is_there(path):
            raise KeyExists(f"{path} is there already", why="a key is never replaced", mend="choose another name")
    secret = passphrase or secrets.token_hex(16)
    with _within_reach(private):
        _write_key(files, generate_private_key(SECP256R1()), secret)
        confirm_key(files)
    return files


def confirm_key(files: KeyFiles) -> None:
    """Make the names of a key and of the directories above it durable, before anything is signed that needs it again.

    Raises:
        OSError, WriteFailed: The system would not do it.
    """
    durable.confirm(files.private)
    durable.make_directory(files.private.parent)


def load_key(files: KeyFiles, *, passphrase: str | None = None) -> FileSigner:
    """Open a key.

    Args:
        files: Where it lies.
        passphrase: What a person typed; None reads it from `files.passphrase`.

    Raises:
        NoKey: The key or its passphrase is not there.
        UnsafeKey: Others can read it, it is a link, or it lies inside a git work tree.
        OutOfReach: We may not read it.
        KeyNotOpened: The file was changed, is no such key, or the passphrase is not its own.
    """
    _check_place(files.private)
    data = _read_private(files.private, KEY_VARIABLE)
    if passphrase is None:
        if files.passphrase is None:
            mend = f"set {PASSPHRASE_VARIABLE} to a file that holds it, or type it when asked"
            raise NoKey(f"the passphrase of {files.private} is not known", mend=mend)
        passphrase = _read_private(files.passphrase, PASSPHRASE_VARIABLE).decode("utf-8", "replace").rstrip("\r\n")
    private = _decrypt(files.private, data, passphrase)
    return FileSigner(private, _public_pem(private))


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        mend = f"set {KEY_VARIABLE} to the path of a key, or XDG_CONFIG_HOME to a directory of yours"
        raise NoKey("keys lie below the home directory, and you have none", mend=mend) from None


@contextmanager
def _within_reach(path: Path) -> Iterator[None]:
    """Tell what the system refuses as a fault of the key's place."""
    try:
        yield
    # why RuntimeError: so a circle of links shows itself to `resolve`.
    except (OSError, RuntimeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        mend = f"see whose it and the directories above it are, or set {KEY_VARIABLE} to a key of yours"
        raise OutOfReach(f"{path} cannot be read or written", why=why, mend=mend) from None


def _is_there(path: Path) -> bool:
    """Whether anything is at `path`, also a link that leads nowhere."""
    with _within_reach(path):
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def _decrypt(path: Path, data: bytes, passphrase: str) -> "EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    mend = f"check the passphrase ({PASSPHRASE_VARIABLE} names its file), or restore the key from a backup"
    try:
        # why TypeError: it says that the key is not encrypted, which a key of ours always is.
        key = load_pem_private_key(data, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = "the passphrase is another's, or the file was changed or is no encrypted PKCS#8 key"
        raise KeyNotOpened(f"the key {path} cannot be opened", why=why, mend=mend) from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyNotOpened(f"the key {path} is of another kind", why="only ECDSA P-256 keys sign here")
    return key


def _public_pem(private: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _write_key(files: KeyFiles, private: "EllipticCurvePrivateKey", secret: str) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    # why the passphrase first: a crash in between leaves a passphrase without a key, never a key without its own.
    if files.passphrase is not None:
        _write_new(files.passphrase, f"{secret}\n".encode(), 0o600)
    encryption = BestAvailableEncryption(secret.encode())
    _write_new(files.private, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption), 0o600)
    _write_new(files.public, _public_pem(private).encode(), 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, _NEW, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_directory(directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        raise UnsafeKey(f"others may look into {directory}", mend=f"run `chmod 700 {directory}`")


def _read_private(path: Path, variable: str) -> bytes:
    """Read a file that only its owner can read, and that is no link to another; `variable` is what names its path."""
    with _within_reach(path):
        fd = _open_private(path, variable)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafeKey(f"{path} is no plain file")
        if (mode := stat.S_IMODE(found.st_mode)) & 0o077:
            mend = f"run `chmod 600 {path}`, and ask yourself who has read it"
            raise UnsafeKey(f"others may read {path}", why=f"its mode is {mode:04o}", mend=mend)
        with _within_reach(path):
            return os.read(fd, _MAX_BYTES)
    finally:
        os.close(fd)


def _open_private(path: Path, variable: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NoKey(f"{path} is not there", mend=f"set {variable} to where it is") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        # why one step, not to the end: a mounted secret's link leads to `..data`, which itself moves with each change.
        target = path.parent / path.readlink()
        mend = f"if you trust what it leads to, set {variable} to that: {target}"
        raise UnsafeKey(
            f"{path} is no plain file", why="it is a link, and whoever made it chose the key", mend=mend
        ) from None


def _check_place(path: Path) -> None:
    with _within_reach(path):
        places = path.absolute().resolve().parents
    for place in places:
        if _is_there(place / ".git"):
            why = f"{place} is a git work tree; what lies there is committed one day"
            raise UnsafeKey(f"the key {path} lies inside a repository", why=why, mend="keep keys outside of it")
