"""Bytes held back from a disk that may fill up, for what makes room again.

The reserve is a few files of random bytes in the staging folder: random, since a file system may not
store zeroes, and a few, since a disk may also run out of files.  They are made from the first to the
last and removed from the last to the first, so the last one tells of all.  They are never synced: what
matters is that the file system has set the space aside, and one that a power loss empties is made again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

__all__ = ["Reserve"]

_FILES = 8
_BLOCK = 4096
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class Reserve:
    """The reserve in one folder, as one process sees it.  Any number may hold and release it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # What each file is known to hold at least: after the first look, keeping it costs nothing.
        self._kept = 0

    def keep(self, size: int) -> None:
        """See to it that about `size` bytes are held, as far as there is room.  Never raises."""
        each = -(-size // (_FILES * _BLOCK)) * _BLOCK
        if each <= self._kept:
            return
        with contextlib.suppress(OSError):
            if not _holds(self._path(_FILES - 1), each):
                self._make(each)
            self._kept = each

    def release(self, share: float) -> bool:
        """Give `share` of it back to the disk; whether there was anything to give.  Never raises."""
        self._kept = 0
        if self._folder.is_symlink():
            return False  # a folio from elsewhere may have put anything there
        first = _FILES - round(share * _FILES)
        removed = [_removed(self._path(number)) for number in reversed(range(first, _FILES))]
        return any(removed)

    def _make(self, each: int) -> None:
        if self._folder.is_symlink():
            return
        for number in range(_FILES):
            path = self._path(number)
            if not _holds(path, each):
                path.unlink(missing_ok=True)
                # Another process that makes it at the same time makes it as well.
                with contextlib.suppress(FileExistsError):
                    _write_new(path, each)

    def _path(self, number: int) -> Path:
        return self._folder / f"reserve-{number}"


def _holds(path: Path, size: int) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size >= size


def _write_new(path: Path, size: int) -> None:
    """Make a file of random bytes; what there was room for stays when there is no more."""
    remaining = memoryview(os.urandom(size))
    descriptor = os.open(path, _NEW_FILE, 0o644)
    try:
        while remaining.nbytes:
            remaining = remaining[os.write(descriptor, remaining) :]
    finally:
        os.close(descriptor)


def _removed(path: Path) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
