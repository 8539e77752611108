"""Formats: what kind of file could run code when somebody loads it, told by its name and by its first bytes.

Nothing is ever unpickled to find out. What cannot be looked into counts as what it may hide.
"""

import bz2
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Literal

from registry.core.pin import Role

Kind = Literal["pickle", "python"]

HEAD_BYTES = 65_536
"""How much of a file, or of a member of a zip, is looked at."""

MOST_MEMBERS = 10_000
"""Members of a zip that are looked into; one with more counts as a pickle."""

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill", ".mar")
"""Names that loaders unpickle."""

LOADED: frozenset[Role] = frozenset({"llm", "adapter", "tokenizer", "input", "reward_model", "tool"})
"""Roles whose files a server or an evaluation loads. Verifiers are code, and datasets are read line by line."""

_RUNS = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "REDUCE", "BUILD", "EXT1", "EXT2", "EXT4"}
)
_PACKED: Mapping[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"x\x01": zlib.decompressobj,
    b"x\x5e": zlib.decompressobj,
    b"x\x9c": zlib.decompressobj,
    b"x\xda": zlib.decompressobj,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
}


def named_kind(path: str, role: Role) -> Kind | None:
    """What the name of a file of this role says; None if it says nothing."""
    name = path.lower()
    if name.endswith(PICKLED):
        return "pickle"
    return "python" if role in LOADED and name.endswith((".py", ".pyc", ".so")) else None


def kind_of(content: BinaryIO) -> Kind | None:
    """What the bytes of a file say; None if they are nothing that runs. The file must be seekable."""
    head = content.read(HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        content.seek(0)
        return "pickle" if _zip_hides_pickle(content) else None
    return "pickle" if _is_pickle(head) or _is_pickle(_unpacked(head)) else None


def _zip_hides_pickle(content: BinaryIO) -> bool:
    """Whether a zip, such as `torch.save` and `numpy.savez` write, has a pickle in it."""
    try:
        with zipfile.ZipFile(content) as archive:
            members = archive.infolist()
            return len(members) > MOST_MEMBERS or any(_member_is_pickle(archive, member) for member in members)
    except Exception:  # noqa: BLE001 - whatever breaks on it: what cannot be looked into is not let in
        return True


def _member_is_pickle(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    if member.filename.lower().endswith(PICKLED):
        return True
    with archive.open(member) as content:
        return _is_pickle(content.read(HEAD_BYTES))


def _is_pickle(head: bytes) -> bool:
    """Whether these are the first bytes of a pickle, of any protocol, or of an array of pickled objects."""
    if head.startswith(b"\x93NUMPY"):
        return b"'|O'" in head[:1024]
    names, is_whole = _operations(head)
    if head.startswith(b"\x80"):
        # why three: a safetensors file whose header has 640 bytes starts with the same two, and goes on with zeros.
        return len(names) >= 3
    return is_whole and bool(_RUNS & set(names))


def _operations(head: bytes) -> tuple[list[str], bool]:
    """The pickle operations that these bytes spell, as far as they do; and whether they come to an end."""
    names: list[str] = []
    try:
        for operation, _, _ in pickletools.genops(io.BytesIO(head)):
            names.append(operation.name)
    except Exception:  # noqa: BLE001 - most files are no pickle, and break off in any way
        return names, False
    return names, True


def _unpacked(head: bytes) -> bytes:
    """The first bytes of what is compressed here; none if nothing is."""
    for mark, opened in _PACKED.items():
        if head.startswith(mark):
            try:
                return bytes(opened().decompress(head, HEAD_BYTES))
            except Exception:  # noqa: BLE001 - then it only looked compressed
                return b""
    return b""
