"""Held-out cases that stand in training data: what was learned by heart proves nothing.

Texts are compared by their words: after NFKC and case folding a word is a run of letters and digits, or one of the
signs + = × ÷ / %; all else separates words. A case stands in a data set

- by its **text**, if all its words stand there in a row (it has four words, or sixteen letters, at least), or
- by an **8-gram**, if eight words in a row stand there that are the case's own.

Eight words are not a case's own if, numbers aside, they stand in another case of the slice too: then they are the
slice's template or preamble. Training data from the same template must not look like a leak.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from registry.core.gate.verdict import Leak
from registry.core.heldout.case import Case

WIDTH = 8
LEAST_WORDS, LEAST_LETTERS = 4, 16
_SIGNS = "+=/%"
_ASCII = bytes(code if chr(code).isalnum() or chr(code) in _SIGNS else 32 for code in range(128)).lower() + b" " * 128
_WORD = re.compile(r"[^\W_]+|[+=×÷/%]")
_CODE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_BASE = np.uint64(0x9E3779B97F4A7C15)
_BITS = 22
_CARRIED = 1 << 16
"""Bytes of one unbroken word that are waited for at the end of a block."""

Words = Sequence[bytes]
Ids = NDArray[np.uint64]


def words_of(text: bytes) -> list[bytes]:
    """The words of UTF-8 text as this guard compares them."""
    if text.isascii():
        for sign in _SIGNS:
            if (byte := sign.encode()) in text:
                text = text.replace(byte, b" " + byte + b" ")
        return text.translate(_ASCII).split()
    letters = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.decode("utf-8", "replace")).casefold())
    return [word.encode() for word in _WORD.findall(letters)]


@dataclass(frozen=True, slots=True)
class Target:
    """A row of words to look for: the case that it belongs to, and what of it that is."""

    slice: str
    case: str
    words: tuple[int, ...]
    how: Literal["text", "8-gram"]


@dataclass(slots=True)
class Net:
    """Everything to look for, by the hash of its first words; `ids` numbers the words that matter from 1."""

    ids: dict[bytes, int] = field(default_factory=dict)
    widths: dict[int, dict[int, list[Target]]] = field(default_factory=dict)
    longest: int = 1

    def add(self, target: Target) -> None:
        """Look for `target` too."""
        width = min(WIDTH, len(target.words))
        key = int(_hashes(np.array(target.words[:width], np.uint64), width)[width][0])
        self.widths.setdefault(width, {}).setdefault(key, []).append(target)
        self.longest = max(self.longest, len(target.words))

    def numbered(self, words: Words) -> Ids:
        """Words by their numbers; 0 for one that is in no case."""
        return np.fromiter(map(self.ids.get, words, repeat(0)), np.uint64, len(words))


def net_of(cases: Mapping[str, Sequence[Case]]) -> Net:
    """What to look for, to find cases, by slice."""
    net = Net()
    for name, found in sorted(cases.items()):
        texts = {case.id: words_of(case.prompt.encode("utf-8", "replace")) for case in found}
        shapes = _shapes(texts)
        for case, words in texts.items():
            numbers = tuple(net.ids.setdefault(word, len(net.ids) + 1) for word in words)
            if len(words) >= LEAST_WORDS or sum(map(len, words)) >= LEAST_LETTERS:
                net.add(Target(name, case, numbers, "text"))
            for at in range(len(words) - WIDTH + 1):
                if len(shapes[_shape(words[at : at + WIDTH])]) == 1:
                    net.add(Target(name, case, numbers[at : at + WIDTH], "8-gram"))
    return net


def _shape(words: Words) -> tuple[bytes, ...]:
    """Words without their numbers."""
    return tuple(b"#" if any(48 <= byte <= 57 for byte in word) else word for word in words)


def _shapes(texts: Mapping[str, Words]) -> dict[tuple[bytes, ...], set[tuple[bytes, ...]]]:
    """In which texts each shape of eight words stands; equal texts count once."""
    found: dict[tuple[bytes, ...], set[tuple[bytes, ...]]] = {}
    for words in texts.values():
        for at in range(len(words) - WIDTH + 1):
            found.setdefault(_shape(words[at : at + WIDTH]), set()).add(tuple(words))
    return found


def search(net: Net, blocks: Iterable[bytes], dataset: str) -> Iterator[Leak]:
    """Look through one file of a data set, given piece by piece, cut anywhere; a leak may be told more than once."""
    filters = {width: _filter(keys) for width, keys in net.widths.items()}
    tail: Words = ()
    for block in _whole_words(_plain(blocks)):
        words = [*tail, *words_of(block)]
        ids = net.numbered(words)
        sums = _hashes(ids, max(net.widths, default=0))
        for width, keys in net.widths.items():
            for at in np.flatnonzero(filters[width][_slot(sums[width])]).tolist():
                for target in keys.get(int(sums[width][at]), ()):
                    if tuple(ids[at : at + len(target.words)].tolist()) == target.words:
                        yield Leak(slice=target.slice, case=target.case, dataset=dataset, how=target.how)
        tail = words[max(0, len(words) - net.longest + 1) :]


def _plain(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, with the escapes of JSON read if the file begins as JSON does."""
    is_json, waiting = None, b""
    for block in blocks:
        if is_json is None and block.strip():
            is_json = block.lstrip()[:1] in {b"{", b"[", b'"'}
        if not is_json:
            yield block
            continue
        whole = waiting + block
        # why: an escape has six letters at most, and a backslash may be half of one.
        cut = whole.rfind(b"\\", max(0, len(whole) - 6))
        cut = len(whole) if cut < 0 else len(whole[:cut].rstrip(b"\\"))
        yield _unescaped(whole[:cut])
        waiting = whole[cut:]
    yield _unescaped(waiting)


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    for escape in (b"\\\\", b"\\n", b"\\t", b"\\r", b"\\f", b"\\b"):
        text = text.replace(escape, b"  ")
    if b"\\u" not in text:
        return text
    return _CODE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), text)


def _whole_words(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end between two words, and between two characters."""
    waiting = b""
    for block in blocks:
        whole = waiting + block
        cut = max(whole.rfind(space) for space in (b" ", b"\n", b"\t", b","))
        if cut < 0 and len(whole) < _CARRIED:
            waiting = whole
            continue
        cut = len(whole) if cut < 0 else cut + 1
        yield whole[:cut]
        waiting = whole[cut:]
    yield waiting


def _hashes(ids: Ids, most: int) -> dict[int, Ids]:
    """For each width the hash of every run of so many words, modulo 2^64; a run that fits nowhere is left out."""
    found: dict[int, Ids] = {}
    weight, total = np.uint64(1), np.zeros(len(ids), np.uint64)
    with np.errstate(over="ignore"):
        for width in range(1, most + 1):
            weight = weight * _BASE
            length = max(0, len(ids) - width + 1)
            total = total[:length] + ids[width - 1 :][:length] * weight
            found[width] = total
    return found


def _slot(hashes: Ids) -> Ids:
    slots: Ids = hashes >> np.uint64(64 - _BITS)
    return slots


def _filter(keys: Mapping[int, object]) -> NDArray[np.bool_]:
    """A table that says of most hashes at once that they are not among `keys`."""
    table = np.zeros(1 << _BITS, np.bool_)
    table[_slot(np.array(list(keys), np.uint64))] = True
    return table
