"""Taking blobs into a directory store: copy, hash, make durable, show.

Nothing is acknowledged before it is durable. Each file is durable before it gets its name, by an fsync of its own or,
where there are many small ones, by one call for a batch; the directories that hold the names are made durable once for
many files, before anything is returned.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from registry.adapters import durable
from registry.adapters.stores.seen import GRAIN_NS, Note, Seen, is_settled, note_of
from registry.core.digest import Digest, DigestMismatch, digest_of
from registry.core.store import SourceChanged, place_of
from registry.core.tree import Entry
from registry.ports import KnownFile, OpenFile

BLOBS = "blobs/sha256"
_MODE = 0o444
_OPEN_AT_ONCE = 32
"""Files of a batch that are open at once, and looked up together."""

_WORTH_WAITING_BYTES = 64 * 1024 * 1024

Look = os.stat_result | None
"""How a file looked to the system; None where a stream is no plain file."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that was taken in; `source` is what to note of it, `blob` of its copy, where that may be remembered.

    There may be thousands until they are durable; all that the system tells of a file would be three times as much.
    """

    entry: Entry
    source: Note | None = None
    blob: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A file of a batch: if it has a `draft`, that is to be shown."""

    file: OpenFile
    written: durable.Written
    draft: durable.Draft | None = None
    source: Look = None
    blob: Look = None


@dataclass(frozen=True, slots=True)
class Intake:
    """The way into the store at `root`, for one call. Its methods may run in several threads.

    `unfinished` is the store's open directory for files that are being made, `blobs` the one in which the blobs'
    directories lie; `shards` gathers those whose new names are not durable yet, `sound` the blobs that were found here
    and hashed.
    """

    root: Path
    unfinished: int
    blobs: int
    seen: Seen
    turn: threading.Lock = field(default_factory=threading.Lock)
    shards: set[str] = field(default_factory=set)
    sound: list[Note] = field(default_factory=list)

    def keep(self, digest: Digest, data: bytes) -> None:
        """Show `data` as the blob `digest`; durable after `settle`."""
        written = durable.Written(digest, len(data))
        if self._holds(written):
            return
        with durable.explained(self.root), durable.temporary(self.unfinished) as new:
            new.write(data)
            new.finish(_MODE)
            self._show(new, written)

    def take(self, file: OpenFile) -> Taken:
        """Show the bytes of `file` as a blob; durable after `settle`. What was seen before is not read again."""
        with file.open() as content:
            before, began_ns = look_at(content), time.time_ns()
            if before and (digest := self.seen.find(before)):
                known = durable.Written(digest, before.st_size)
                refuse_change(file, known, (before, before))
                if self.has(known):
                    return Taken(_entry(file, known))
            is_fixed = before is not None and is_settled(before, began_ns)
            with durable.explained(self.root), durable.temporary(self.unfinished) as new:
                # why the source, where that will do: it is in memory, and the shared copy would be read from the disk.
                is_shared = is_fixed and new.share(content)
                written = durable.pour(content) if is_shared else new.copy(content)
                refuse_change(file, written, (before, look_at(content)))
                new.finish(_MODE)
                blob = os.fstat(new.fd) if self._show(new, written) else None
        return _taken(file, written, source=before if is_fixed else None, blob=blob)

    def take_all(self, files: Sequence[OpenFile]) -> list[Taken]:
        """Show the bytes of each of these small files as a blob; durable after `settle`. They are one batch."""
        with durable.explained(self.root), durable.batch(self.unfinished) as batch:
            # why in turn: threads that all run Python fight for the interpreter; one of two waits for the disk.
            with self.turn:
                parts = (files[start : start + _OPEN_AT_ONCE] for start in range(0, len(files), _OPEN_AT_ONCE))
                begun = [one for some in parts for one in self._begin(some, batch)]
            batch.sync()
            with self.turn:
                return [self._end(one) for one in begun]

    def has(self, written: durable.Written) -> bool:
        """Whether the blob is here and sound, by a note or by its bytes; its name is durable after `settle`."""
        return self._is_known_good(written) or self._holds(written)

    def settle(self) -> None:
        """Make the names of all blobs that were shown or found so far durable."""
        place = self.root / BLOBS
        with durable.explained(self.root):
            # why: the shards' own names too, in case another process has made one and not got so far.
            durable.sync_folders([*(place / shard for shard in self.shards), *([place] if self.shards else ())])
        self.shards.clear()

    def remember(self, taken: Sequence[Taken]) -> None:
        """Note how files looked that are durable now, so that the next call need not read them."""
        if sum(one.entry.size for one in taken if one.blob) >= _WORTH_WAITING_BYTES:
            time.sleep(GRAIN_NS / 1e9)  # why: a blob that is too young is not noted, and this much is worth noting.
        # why only now: what is known to be good must be durable too, for whoever reads the notes.
        self.seen.note_at([*self.sound, *(note for one in taken for note in self._notes(one))])
        self.sound.clear()

    def _notes(self, one: Taken) -> Iterator[Note]:
        """What may be remembered of a file: its two copies, if nothing can have written to them unseen."""
        if one.source:
            yield one.source
        now = self._look_at_blob(one.entry.digest) if one.blob else None
        # why not the same ctime: the blob's own last steps, its name and the end of its temporary one, changed it.
        if now and one.blob and _content_of(now) == one.blob and is_settled(now, time.time_ns()):
            yield note_of(now, one.entry.digest)

    def _begin(self, files: Sequence[OpenFile], batch: durable.Batch) -> Iterator[_Begun]:
        """Write to `batch` what was not seen before."""
        with ExitStack() as opened:
            contents = [opened.enter_context(file.open()) for file in files]
            looks, began_ns = [look_at(content) for content in contents], time.time_ns()
            for file, content, before, digest in zip(files, contents, looks, self.seen.find_all(looks), strict=True):
                if before and digest:
                    known = durable.Written(digest, before.st_size)
                    refuse_change(file, known, (before, before))
                    if self.has(known):
                        yield _Begun(file, known)
                        continue
                source = before if before and is_settled(before, began_ns) else None
                data = durable.read_whole(content, file.size)
                written = durable.Written(digest_of(data), len(data))
                refuse_change(file, written, (before, look_at(content)))
                draft, blob = batch.write(data, mode=_MODE, source=content if source else None)
                yield _Begun(file, written, draft, source, blob)

    def _end(self, one: _Begun) -> Taken:
        """Show what was written; it is durable now."""
        if one.draft is None:
            return Taken(_entry(one.file, one.written))
        is_ours = self._show(one.draft, one.written)
        one.draft.remove()
        return _taken(one.file, one.written, source=one.source, blob=one.blob if is_ours else None)

    def _show(self, new: durable.Draft, written: durable.Written) -> bool:
        """Give `new` its name; False if a sound blob has it. A damaged one is replaced."""
        name = _name_of(written.digest)
        if (shard := name[:2]) not in self.shards:
            durable.make_directory(self.root / BLOBS / shard)
            self.shards.add(shard)
        if new.link(name, self.blobs):
            return True
        if self._holds(written):
            return False
        new.rename(name, self.blobs)
        return True

    def _is_known_good(self, written: durable.Written) -> bool:
        """Whether the blob is here and looks as it did when its bytes were hashed and durable."""
        found = self._look_at_blob(written.digest)
        return found is not None and found.st_size == written.size and self.seen.find(found) == written.digest

    def _holds(self, written: durable.Written) -> bool:
        """Whether the blob is here and sound, by reading every byte of it; its name is durable after `settle`."""
        path, began_ns = self.root / place_of(written.digest), time.time_ns()
        try:
            with durable.open_plain(path) as content:
                found = os.fstat(content.fileno())
                is_sound = found.st_size == written.size and durable.pour(content) == written
        except (OSError, durable.ReadFailed):
            return False
        if is_sound:
            self.shards.add(path.parent.name)
        if is_sound and is_settled(found, began_ns):
            self.sound.append(note_of(found, written.digest))
        return is_sound

    def _look_at_blob(self, digest: Digest) -> Look:
        try:
            return os.stat(_name_of(digest), dir_fd=self.blobs, follow_symlinks=False)
        except OSError:
            return None


def _name_of(digest: Digest) -> str:
    """Where a blob lies below `BLOBS`."""
    return place_of(digest).removeprefix(f"{BLOBS}/")


def look_at(content: BinaryIO) -> Look:
    """How the plain file that `content` reads looks to the system."""
    fd = durable.plain_file(content)
    return None if fd is None else os.fstat(fd)


def _content_of(look: os.stat_result) -> tuple[int, int, int]:
    return look.st_ino, look.st_size, look.st_mtime_ns


def _taken(file: OpenFile, written: durable.Written, *, source: Look, blob: Look) -> Taken:
    note = note_of(source, written.digest) if source else None
    return Taken(_entry(file, written), note, _content_of(blob) if blob else None)


def _entry(file: OpenFile, written: durable.Written) -> Entry:
    return Entry(path=file.path, size=written.size, digest=written.digest)


def refuse_change(file: OpenFile, written: durable.Written, looks: tuple[Look, Look]) -> None:
    """Refuse a file that was not one and the same from the first byte that was read to the last.

    Raises:
        SourceChanged: It changed meanwhile, or is not as long as it said.
        DigestMismatch: Its digest is known, and these are other bytes.
    """
    if isinstance(file, KnownFile):
        refuse_other(file, written)
        return
    before, after = looks
    if written.size != file.size:
        why = f"{written.size} bytes came, {file.size} were announced"
    elif before and after and _content_of(before) != _content_of(after):
        why = "its size or its time of writing changed meanwhile"
    else:
        return
    mend = "wait until nothing writes to it, and run the same command again"
    raise SourceChanged(f"{file.path} changed while it was read", why=why, mend=mend)


def refuse_other(file: KnownFile, written: durable.Written) -> None:
    """Refuse bytes that are not those that a file of a known digest must give."""
    if written != durable.Written(file.digest, file.size):
        why = f"{written.size} bytes came that hash to {written.digest}; it has {file.size}"
        mend = "nothing of it was kept; run `registry verify` on the place that it came from"
        raise DigestMismatch(f"{file.digest} came as other bytes", why=why, mend=mend)
