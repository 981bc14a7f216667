"""Files that were read before and have not changed since, so that they need not be read again.

What is remembered is what the system says of a file, and the digest of its bytes; never its name, and
nothing of it outside this process.  As in git's index, a file is told from a changed one by its device,
its number, its size and its times.  Three things would make that wrong, and are seen to:

* A change in the same tick of the clock leaves the times as they were.  So a file is remembered only if
  its times were clearly in the past when it was read.
* The time of modification can be put back; the time of the last change to the file cannot, and counts too.
* What a program writes through a memory map changes the times only when the page was clean.  So the file
  is synced before it is read.  A tmpfs never has a clean page, so only the file systems that are known to
  keep to this are relied on.

It is remembered too which objects were stored, or found to be right when they were to be stored: one that
has been written to or replaced since, or was found damaged by any reader of this process, is not relied on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import OrderedDict
from typing import BinaryIO, NamedTuple

from datafolio.backend import Backend, Key
from datafolio.digest import Digest
from datafolio.errors import StorageError

__all__ = ["Familiar", "doubt", "is_vouched_for", "look_at", "recall", "remember", "settle", "vouch_for"]

#: The coarsest clock of a file system, FAT's, ticks every two seconds.
_TICK = 2_000_000_000
_MOST = 10_000

#: A disk's own file systems on Linux.  A btrfs is not found by the number of the device that its files tell.
_RELIABLE = frozenset({"ext4", "xfs"})


class Familiar(NamedTuple):
    """What tells a file from others, and from itself once it has changed."""

    device: int
    number: int
    size: int
    modified: int
    changed: int


_known: OrderedDict[Familiar, Digest] = OrderedDict()

#: For the place of a folio and a key in it the hash of the stamp that the object had when its bytes were right.
#: No more than the hash, since a backend's stamp may be all of the bytes.
_stamps: OrderedDict[tuple[str, Key], int] = OrderedDict()


def look_at(file: BinaryIO) -> Familiar | None:
    """What the open file is like, or None where that can't be relied on yet, or ever."""
    status = os.fstat(file.fileno())
    found = Familiar(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    is_past = max(found.modified, found.changed) + _TICK < time.time_ns()
    return found if is_past and _file_system(found.device) in _RELIABLE else None


def _file_system(device: int) -> str | None:
    """The type of the file system with that number, where Linux tells it."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = file.read().splitlines()
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    # "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    return next((line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number), None)


def settle(file: BinaryIO) -> bool:
    """Let every later change of the file show in its times; whether that can be had."""
    try:
        os.fsync(file.fileno())
    except OSError:
        return False
    return True


def recall(file: Familiar) -> Digest | None:
    """The digest of the file's bytes, if it was remembered."""
    return _known.get(file)


def remember(file: Familiar, digest: Digest) -> None:
    """Remember what was read of the file: it was as `file` says before it was settled and read, and after."""
    _known[file] = digest
    while len(_known) > _MOST:
        _known.popitem(last=False)


def vouch_for(backend: Backend, key: Key) -> None:
    """Remember that the bytes of the object at `key` are right."""
    with contextlib.suppress(StorageError):
        _stamps[backend.location, key] = hash(backend.stamp(key))
    while len(_stamps) > _MOST:
        _stamps.popitem(last=False)


def doubt(backend: Backend, key: Key) -> None:
    """Forget that the object at `key` was right: its bytes were found damaged, whatever its stamp is."""
    _stamps.pop((backend.location, key), None)


def is_vouched_for(backend: Backend, key: Key) -> bool:
    """Whether the object at `key` is there, and is one whose bytes were right and have not been written to since."""
    stamp = backend.stamp(key)
    return stamp is not None and _stamps.get((backend.location, key)) == hash(stamp)
