"""Making what was written durable."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["flush", "start_flush", "sync_folder"]

# What Linux calls to begin writing to the disk, and not to wait for the end of it.
_SYNC_FILE_RANGE_WRITE = 2

# Some systems can't sync a folder.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOTSUP})


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable, where the system can do that."""
    if os.name == "nt":  # folders can't be opened there; NTFS journals their entries
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Make the bytes of an open file durable."""
    try:
        # On macOS fsync leaves the bytes in the drive's own cache.
        fcntl.fcntl(descriptor, getattr(fcntl, "F_FULLFSYNC"))  # noqa: B009 - no other system has it
    except (AttributeError, OSError):  # nor has every file system there
        os.fsync(descriptor)


def start_flush(descriptor: int, start: int, size: int) -> None:
    """Let the disk begin with these bytes of an open file, so that a later `flush` has less to wait for.

    It promises nothing: what can't be written, the `flush` says.
    """
    begin = _sync_file_range()
    if begin is not None:
        begin(descriptor, start, size, _SYNC_FILE_RANGE_WRITE)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Linux's sync_file_range, which Python does not have, or None elsewhere.

    Syncing a part with fsync instead would wait, and write the file system's journal, for each part.
    """
    import ctypes  # noqa: PLC0415 - of use to those alone who write a large file

    try:
        function = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError, TypeError):  # Windows opens no library without a name
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    found: Callable[[int, int, int, int], int] = function
    return found
