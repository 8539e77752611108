"""The header of a safetensors file: which tensors it holds, without reading them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from registry.core.canonical import NotCanonical, load
from registry.errors import Refused

MAX_HEADER_BYTES = 64 * 1024 * 1024
"""Headers are read whole, so they are bounded. The format itself allows 100 MB; the largest seen have about 10."""

_POINTER = b"version "  # why: a git-lfs pointer starts so, and is by far the commonest file that is no tensor file.
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F4": 4} | {
    f"{sign}{bits}": bits for sign in "IU" for bits in (8, 16, 32, 64)
}


class MalformedTensors(Refused):
    """A file is not a whole safetensors file."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as its header declares it: `dtype` in the format's spelling, `shape` in elements."""

    dtype: str
    shape: tuple[int, ...]


def read_header(stream: BinaryIO, size: int) -> Mapping[str, Tensor]:
    """Read the header at the start of `stream` and check that the file can be whole.

    Args:
        stream: The file, at its start; nothing behind the header is read.
        size: Bytes of the whole file.

    Returns:
        The tensors by name.

    Raises:
        MalformedTensors: The header is too long, is not JSON, leaves gaps, or does not add up to `size`.

    Source: the format's description in the safetensors README: 8 bytes of length, JSON, then the data without holes.
    """
    start = read_bytes(stream, 8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or start == _POINTER or length > size - 8:
        raise _malformed(_short(start, size))
    if length > MAX_HEADER_BYTES:
        raise _malformed(f"its header has {length} bytes; at most {MAX_HEADER_BYTES} are read")
    try:
        declared = load(read_bytes(stream, length))
    except NotCanonical as error:
        raise _malformed(f"its header: {error.what}: {error.why}") from None
    if not isinstance(declared, dict):
        raise _malformed("its header is not a JSON object")
    declared.pop("__metadata__", None)
    return _checked(declared, size - 8 - length)


def read_bytes(stream: BinaryIO, length: int) -> bytes:
    """Read `length` bytes, or fewer at the end; an unbuffered stream may give them in pieces."""
    pieces = []
    while length and (piece := stream.read(length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _checked(declared: Mapping[str, Any], data_bytes: int) -> Mapping[str, Tensor]:
    tensors, spans = {}, []
    for name, value in declared.items():
        tensors[name], span = _tensor(name, value)
        spans.append(span)
    end = 0
    for begin, after in sorted(spans):
        if begin != end or after < begin:
            raise _malformed(f"its tensors overlap or leave a gap at byte {end} of the data")
        end = after
    if end != data_bytes:
        raise _malformed(f"its header promises {end} bytes of data, the file has {data_bytes}")
    return tensors


def _tensor(name: str, value: Any) -> tuple[Tensor, tuple[int, int]]:
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise _malformed(f"the tensor {name!r} is not described by dtype, shape and data_offsets")
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise _malformed(f"the shape of {name!r} is not a list of lengths")
    bits = _BITS.get(dtype)
    if bits is not None and math.prod(shape) * bits != (end - begin) * 8:
        raise _malformed(f"the tensor {name!r} has {end - begin} bytes, which is not {shape} of {dtype}")
    return Tensor(dtype=dtype, shape=tuple(shape)), (begin, end)


def _short(start: bytes, size: int) -> str:
    if start == _POINTER:
        return "it is a git-lfs pointer, not the file that it stands for"
    return f"it has {size} bytes, which is shorter than its header says; it was cut, or never was one"


def _malformed(why: str) -> MalformedTensors:
    mend = "fetch or save the file again, and pin it again"
    return MalformedTensors("this is not a whole safetensors file", why=why, mend=mend)
