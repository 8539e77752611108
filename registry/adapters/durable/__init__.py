"""The one place that writes to disk. What it has returned from survives a power cut; what it raised from left nothing.

The recipe, for every file: hold the directory open; make a locked temporary file beside the final one (or in the area
that the caller names); write it; set its mode; fsync it; link it (never over anything) or rename it (over the old
one); fsync the directory; only then return. A failed fsync is final: the kernel may have dropped the bytes, so nothing
is tried again on that file and nothing is read back as proof. Many small files are made in a directory of their own,
and one call makes all of them durable instead of an fsync for each; the order is the same.

Source: T. O. Pillai et al., All File Systems Are Not Created Equal, OSDI 2014; A. Rebello et al., Can Applications
Recover from fsync Failures?, USENIX ATC 2020.
"""

from registry.adapters.durable.copying import (
    ReadFailed,
    Written,
    open_plain,
    plain_file,
    pour,
    read_plain,
    read_whole,
)
from registry.adapters.durable.files import (
    confirm,
    discard,
    make_directory,
    move,
    move_all,
    point,
    put_if_absent,
    refuse,
    remove_all,
    replace,
    replace_in_pieces,
    seal,
    settle,
    write_new,
)
from registry.adapters.durable.locking import NO_LOCKS, Busy, CannotLock, held_alone, held_with_others
from registry.adapters.durable.sinks import PIECE_BYTES
from registry.adapters.durable.syncing import DiskFull, WriteFailed, explained, folder, mend_of, sync, sync_folders
from registry.adapters.durable.temporary import Draft, Temporary, create, living, strays, sweep, temporary
from registry.adapters.durable.together import Batch, batch, can_sync_together, synced_together

__all__ = [
    "NO_LOCKS",
    "PIECE_BYTES",
    "Batch",
    "Busy",
    "CannotLock",
    "DiskFull",
    "Draft",
    "ReadFailed",
    "Temporary",
    "WriteFailed",
    "Written",
    "batch",
    "can_sync_together",
    "confirm",
    "create",
    "discard",
    "explained",
    "folder",
    "held_alone",
    "held_with_others",
    "living",
    "make_directory",
    "mend_of",
    "move",
    "move_all",
    "open_plain",
    "plain_file",
    "point",
    "pour",
    "put_if_absent",
    "read_plain",
    "read_whole",
    "refuse",
    "remove_all",
    "replace",
    "replace_in_pieces",
    "seal",
    "settle",
    "strays",
    "sweep",
    "sync",
    "sync_folders",
    "synced_together",
    "temporary",
    "write_new",
]
