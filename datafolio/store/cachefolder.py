"""The folder of a cache: an ordinary file for each object, in ``objects/ab/cdef…``, and ``tmp/`` for new ones.

A new file is written in ``tmp/`` and gets its name by a rename, so an entry is never seen in part.  Nothing is
synced.  Any of it, or all, may be gone at any moment, and is made again when it is needed.  No link is followed
below the folder, and no pipe or device opened.  Every error is the operating system's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from datafolio.backend.ordinary import is_folder, open_ordinary
from datafolio.backend.staging import Staging
from datafolio.digest import Digest, is_digest

__all__ = ["CacheFolder", "Removed", "room"]

T = TypeVar("T")

_OBJECTS = "objects"
_STAGING = "tmp"
_PRIVATE = 0o700
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# Programs that make backups know what this means: https://bford.info/cachedir/
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Copies of objects of datafolio's folios.\n"

_BLOCK = 4096
# An entry in use is written to no oftener than this, in seconds.
_TOUCH_EVERY = 60


class Removed(NamedTuple):
    """What was removed from a cache."""

    objects: int
    #: The room that it took, in bytes, with what killed processes had left unfinished.
    size: int


class _Entry(NamedTuple):
    """One object in the folder; they sort by their last use."""

    #: In nanoseconds.
    used: int
    room: int
    path: str


def room(size: int) -> int:
    """What a file of `size` bytes takes: whole blocks of 4 KiB, and even an empty one takes something."""
    return max(-(-size // _BLOCK), 1) * _BLOCK


class CacheFolder:
    """The entries in one folder, which any number of processes and threads may use at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._staging = Staging(path / _STAGING)

    def open(self, digest: Digest) -> BinaryIO | None:
        """The entry to read, at its start, and marked as used; None where there is nothing that could be read."""
        try:
            path = self._entry(digest)
            self._require_no_links(path.parent)
            file = open(path, "rb", opener=open_ordinary)  # noqa: SIM115 - the reader closes it
        except OSError:
            return None
        with contextlib.suppress(OSError):  # of a folder that can't be written
            if abs(time.time() - os.fstat(file.fileno()).st_mtime) > _TOUCH_EVERY:
                os.utime(file.fileno() if os.utime in os.supports_fd else path)
        return file

    @contextlib.contextmanager
    def new_file(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file and where it is, of which nothing is left there in the end but what was published."""
        path = self._in(self.path / _STAGING, self._staging.new_path)
        try:
            yield path, open(os.open(path, _NEW_FILE, 0o600), "w+b")  # noqa: SIM115 - a reader may have it in the end
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def publish(self, path: Path, digest: Digest) -> None:
        """Let the file at `path` be the entry, whatever was in its place."""
        entry = self._entry(digest)
        self._in(entry.parent, lambda: os.replace(path, entry))

    def remove(self, digest: Digest) -> None:
        """Remove the entry, if that can be done."""
        with contextlib.suppress(OSError):
            path = self._entry(digest)
            self._require_no_links(path.parent)
            os.unlink(path)

    def contents(self) -> tuple[int, int]:
        """How many entries there are, and the room they take."""
        rooms = [entry.room for entry in self._entries()]
        return len(rooms), sum(rooms)

    def prune(self, most: int) -> Removed:
        """Remove what was not used for longest until `most` bytes are left at most, and what was left unfinished.

        What can't be removed is left.
        """
        entries = sorted(self._entries())
        total = sum(entry.room for entry in entries)
        objects, size = 0, self._sweep()
        for entry in entries:
            if total <= most:
                break
            is_gone, is_freed = _remove(entry)
            total -= entry.room if is_gone else 0
            objects += is_freed
            size += entry.room if is_freed else 0
        return Removed(objects, size)

    def _entry(self, digest: Digest) -> Path:
        if not is_digest(digest):
            raise OSError(errno.EINVAL, "no digest, and so the name of no entry", digest)
        return self.path / _OBJECTS / digest[:2] / digest[2:]

    def _in(self, folder: Path, work: Callable[[], T]) -> T:
        """Do what needs the folder, which is made if it is not there, or not any more."""
        self._require_no_links(folder)
        try:
            return work()
        except FileNotFoundError:
            self._make(folder)
            return work()

    def _require_no_links(self, folder: Path) -> None:
        """Raise OSError if the folder, or one between it and the cache's own, is a link."""
        while folder != self.path:
            if os.path.islink(folder):
                raise OSError(errno.ELOOP, "a symbolic link in the place of a folder", str(folder))
            folder = folder.parent

    def _make(self, folder: Path) -> None:
        if not self.path.is_dir():
            self.path.mkdir(_PRIVATE, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError), open(self.path / _TAG, "xb") as tag:
                tag.write(_TAG_TEXT)
        if folder.parent != self.path:
            folder.parent.mkdir(_PRIVATE, exist_ok=True)
        folder.mkdir(_PRIVATE, exist_ok=True)

    def _entries(self) -> Iterator[_Entry]:
        for folder in _scan(self.path / _OBJECTS):
            for found in _scan(Path(folder.path)):
                if not is_digest(folder.name + found.name) or found.is_dir(follow_symlinks=False):
                    continue  # nothing of a cache's
                with contextlib.suppress(OSError):  # gone since
                    seen = found.stat(follow_symlinks=False)
                    yield _Entry(seen.st_mtime_ns, room(seen.st_size), found.path)

    def _sweep(self) -> int:
        with contextlib.suppress(OSError):
            return self._staging.sweep([entry.name for entry in _scan(self.path / _STAGING)])
        return 0


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """What is in the folder; nothing if it is none, or can't be read."""
    if not is_folder(folder):
        return []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _remove(entry: _Entry) -> tuple[bool, bool]:
    """Remove the entry: whether it is gone, and whether it was this call that freed it."""
    try:
        os.unlink(entry.path)
    except FileNotFoundError:
        return True, False
    except OSError:  # on Windows, somebody is reading it
        return False, False
    return True, True
