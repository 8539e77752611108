"""What can be known of a bundle before any server loads it, from tensor headers and JSON files alone.

Engines load many wrong adapters without a word: they skip what they do not know, and pad what is too small. So a
bundle is refused here when a server would refuse it or, worse, would not. Weights themselves are not read.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

from registry.core.bundle.adapter import check_adapter
from registry.core.bundle.layout import ADAPTERS, ServedAdapter
from registry.core.bundle.report import Check, Report
from registry.core.bundle.tensors import MalformedTensors, Tensor, read_bytes, read_header
from registry.core.formats import named_kind
from registry.core.ledger.policy import Formats
from registry.core.tree import Entry

INDEX = "model.safetensors.index.json"
MAX_JSON_BYTES = 16 * 1024 * 1024

_SHARD = re.compile(r".+-(\d{5})-of-(\d{5})\.safetensors")
_VOCABULARY = frozenset(
    {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "added_tokens.json"}
)
_TEMPLATES = frozenset({"chat_template.jinja", "chat_template.json"})
_SETTINGS = frozenset({"tokenizer_config.json", "special_tokens_map.json"})
_READ = ("config.json", "tokenizer_config.json", "adapter_config.json", INDEX)

Open = Callable[[Entry], BinaryIO]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of the files: entries, tensor headers and JSON documents by path, and what could not be read."""

    entries: Mapping[str, Entry]
    headers: Mapping[str, Mapping[str, Tensor]]
    documents: Mapping[str, Any]
    unreadable: tuple[Check, ...]


def preflight(
    entries: Sequence[Entry], adapters: Sequence[ServedAdapter], *, open: Open, formats: Formats | None = None
) -> Report:
    """Check the files of a release before it is made.

    Args:
        entries: Every pinned file at its path in the release.
        adapters: The adapters, as they will be served.
        open: Opens the content of an entry; only headers and small JSON files are read.
        formats: What the policy lets in of files that run code when they are loaded; nothing if None.

    Returns:
        One check for each question and thing, in a fixed order.
    """
    seen = _look(entries, open)
    checks = [*_plain_files(seen, formats or Formats()), *seen.unreadable, *_tensor_files(seen), *_base(seen)]
    base = {name: tensor for path in _root(seen.headers) for name, tensor in seen.headers[path].items()}
    for adapter in adapters:
        checks += _adapter(seen, f"{ADAPTERS}/{adapter.served}", base)
    return Report(checks=(*checks, *_twins(seen, adapters)))


def _look(entries: Sequence[Entry], open: Open) -> Seen:
    headers, documents, unreadable = {}, {}, []
    for entry in entries:
        try:
            if entry.path.endswith(".safetensors"):
                with open(entry) as stream:
                    headers[entry.path] = read_header(stream, entry.size)
            elif entry.path.split("/")[-1] in _READ:
                with open(entry) as stream:
                    documents[entry.path] = _document(stream, entry.size)
        except MalformedTensors as error:
            unreadable.append(_refused("tensor file", entry.path, error.what, why=error.why, mend=error.mend))
        except ValueError as error:
            what = "this is not JSON that every reader understands alike"
            unreadable.append(_refused("JSON file", entry.path, what, why=str(error), mend="save the file again"))
    by_path = {entry.path: entry for entry in entries}
    return Seen(entries=by_path, headers=headers, documents=documents, unreadable=tuple(unreadable))


def _document(stream: BinaryIO, size: int) -> Any:
    """Read ordinary JSON, floats and all; only what readers would disagree on is refused."""
    if size > MAX_JSON_BYTES:
        raise ValueError(f"it has {size} bytes; at most {MAX_JSON_BYTES} are read")
    try:
        return json.loads(read_bytes(stream, size), object_pairs_hook=_pairs)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _plain_files(seen: Seen, formats: Formats) -> Iterator[Check]:
    """No file may run code when it is loaded, unless the policy lets it in."""
    name = "plain files"
    mend = "keep weights as safetensors and code in the repository; pin the directory without it"
    kinds = {path: named_kind(path, "llm") for path in seen.entries}
    found = [path for path, kind in kinds.items() if kind and not formats.lets_in(kind, seen.entries[path].digest)]
    for path in found:
        yield _refused(name, path, "this file can run code", why="pickles and Python files do so on load", mend=mend)
    for path, document in seen.documents.items():
        if isinstance(document, dict) and document.get("auto_map"):
            found.append(path)
            yield _refused(name, path, "auto_map asks for code", why="it makes loaders import a module", mend=mend)
    if not found:
        yield _ok(name, ".")


def _tensor_files(seen: Seen) -> Iterator[Check]:
    for path in seen.headers:
        yield _ok("tensor file", path)


def _base(seen: Seen) -> Iterator[Check]:
    """The base is whole: its config, and every shard with every tensor that the index promises, and no other."""
    name, faults = "base", []
    if not isinstance(seen.documents.get("config.json"), dict):
        faults.append(("config.json", "the base has no config.json", "no loader knows its architecture without it"))
    shards = _root(seen.headers)
    if not shards:
        faults.append((".", "the base has no safetensors file", "its weights cannot be checked or loaded"))
    faults += [(INDEX, what, why) for what, why in _shard_faults(seen, shards)]
    mend = "save the base with save_pretrained into an empty directory, and pin that"
    for about, what, why in faults:
        yield _refused(name, about, what, why=why, mend=mend)
    if not faults:
        yield _ok(name, ".")


def _shard_faults(seen: Seen, shards: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from _numbered(shards)
    found: dict[str, str] = {}
    for path in shards:
        for name in seen.headers[path]:
            if name in found:
                yield "a tensor stands in two files", f"{name} is in {found[name]} and in {path}"
            found[name] = path
    if INDEX not in seen.documents:
        if len(shards) > 1:
            yield "the base has several safetensors files and no index", f"loaders read {INDEX} to find them"
        return
    promised = _weight_map(seen.documents[INDEX])
    for name in sorted(promised.keys() | found.keys()):
        if promised.get(name) != found.get(name):
            yield "index and shards disagree", f"{name}: {promised.get(name, 'absent')} or {found.get(name, 'absent')}"
            return  # why: one is enough to refuse, and there may be thousands.


def _numbered(shards: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`-0000i-of-0000N`: each of the N is there."""
    numbers = [(int(match[1]), int(match[2])) for path in shards if (match := _SHARD.fullmatch(path))]
    for total in sorted({total for _, total in numbers}):
        have = {number for number, of in numbers if of == total}
        # why: counted, not listed, because the name of a file may promise 99,999 shards.
        if len(have) != total or min(have) != 1 or max(have) != total:
            yield "shards of the base are missing", f"{len(have)} of {total} are there"


def _weight_map(index: Any) -> Mapping[str, str]:
    found = index.get("weight_map") if isinstance(index, dict) else None
    return found if isinstance(found, dict) else {}


def _adapter(seen: Seen, directory: str, base: Mapping[str, Tensor]) -> Iterator[Check]:
    """One adapter: its config, its tensors against the base, its tokenizer against the server's."""
    config = seen.documents.get(f"{directory}/adapter_config.json")
    weights = f"{directory}/adapter_model.safetensors"
    faults = []
    if config is None:
        faults.append(("it has no readable adapter_config.json", "loaders need it to know the rank and the modules"))
    if weights not in seen.headers:
        faults.append(("it has no whole adapter_model.safetensors", "that is the one file that every engine loads"))
    if not faults:
        faults += check_adapter(config, seen.headers[weights], base)
    mend = "train the adapter on this base and save it with PEFT's save_pretrained"
    for what, why in faults:
        yield _refused("adapter", directory, what, why=why, mend=mend)
    if not faults:
        yield _ok("adapter", directory)
    yield from _own_tokenizer(seen, directory)


def _own_tokenizer(seen: Seen, directory: str) -> Iterator[Check]:
    """A server has one tokenizer; an adapter that brings another would be asked in the wrong ids."""
    for path, entry in seen.entries.items():
        name = path.removeprefix(f"{directory}/")
        if path == name or name not in _VOCABULARY | _TEMPLATES | _SETTINGS:
            continue
        shared = seen.entries.get(name)
        if shared is not None and shared.digest == entry.digest:
            continue
        what = "the adapter brings a tokenizer file that is not the server's"
        why = f"the release has {'another' if shared else 'no'} {name}, and servers use only that of the release"
        mend = "train with the pinned tokenizer, or pin the adapter without tokenizer files"
        verdict: Literal["warning", "refused"] = "warning" if name in _SETTINGS else "refused"
        yield Check(name="tokenizer", about=path, verdict=verdict, what=what, why=why, mend=mend)


def _twins(seen: Seen, adapters: Sequence[ServedAdapter]) -> Iterator[Check]:
    """Two adapters with the same weights are more often a slip than meant."""
    first: dict[str, str] = {}
    for adapter in adapters:
        entry = seen.entries.get(f"{ADAPTERS}/{adapter.served}/adapter_model.safetensors")
        if entry is None:
            continue
        other = first.setdefault(entry.digest, adapter.name)
        if other != adapter.name:
            what, why = f"it has the same weights as {other}", "one of the two may be a copy by mistake"
            about = f"{ADAPTERS}/{adapter.served}"
            yield Check(name="twins", about=about, verdict="warning", what=what, why=why, mend="compare their sources")


def _root(paths: Mapping[str, Any]) -> list[str]:
    """The safetensors files at the root of the release: the base's."""
    return sorted(path for path in paths if "/" not in path)


def _ok(name: str, about: str) -> Check:
    return Check(name=name, about=about, verdict="ok")


def _refused(name: str, about: str, what: str, *, why: str, mend: str) -> Check:
    return Check(name=name, about=about, verdict="refused", what=what, why=why, mend=mend)
