"""Making what was written durable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["flush", "sync_folder"]

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
