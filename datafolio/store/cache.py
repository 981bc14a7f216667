"""A local copy of what was read from far away: objects by digest, in one folder for all folios.

An object never changes, so a copy of it is right for ever, and nothing here expires.  All of it is derived
data: any part of the folder may be deleted at any moment, by anybody, and nothing is synced.  It holds
digests and bytes only: no name of an item, of a folio or of a place is in it.

No read fails because of the cache.  If its folder can't be written, or the disk is full, an object comes
through a temporary file, or through memory where not even that can be had.  If an entry is damaged, it is
fetched again.  A link, a pipe or a device in the place of an entry or of a folder is not opened.

How large all of it is nobody knows without looking at every entry.  So each process looks once it has added
a twentieth of the limit, and begins at a random point of the first such stretch: many short processes then
look as often as one long one.  What is deleted then was not used for longest.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from datafolio.backend.base import LARGEST_READ
from datafolio.backend.ordinary import is_folder, open_ordinary
from datafolio.backend.staging import Staging
from datafolio.digest import Digest, digest_of, digest_of_file, is_digest
from datafolio.errors import CorruptObjectError, StorageError

__all__ = ["LIMIT", "Cache", "Contents", "Removed", "default_folder"]

#: How large a cache may become, in bytes, if nobody says otherwise.
LIMIT = 10_000_000_000

T = TypeVar("T")

_OBJECTS = "objects"
_STAGING = "tmp"
_PRIVATE = 0o700
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# Programs that make backups know what this means: https://bford.info/cachedir/
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Copies of objects of datafolio's folios.\n"

_BLOCK = 4096
_STEPS = 20
# An entry in use is written to no oftener than this, in seconds.
_TOUCH_EVERY = 60


def default_folder() -> Path:
    """Where a user's cache is if nobody says otherwise."""
    import platformdirs  # noqa: PLC0415 - for those who open a folio far away

    return Path(platformdirs.user_cache_dir("datafolio", appauthor=False))


class Contents(NamedTuple):
    """What is in a cache."""

    folder: Path
    objects: int
    #: The room that they take, in bytes: each in whole blocks of 4 KiB.
    size: int
    limit: int


class Removed(NamedTuple):
    """What was removed from a cache."""

    objects: int
    #: The room that it took, in bytes, with what killed processes had left unfinished.
    size: int


class _Entry(NamedTuple):
    """One object in the folder."""

    #: When it was last used, in nanoseconds.
    used: int
    room: int
    path: str


class Cache:
    """The objects in one folder, of which any number of processes and threads may make use.

    `fetch` is called for an object that is not there.  It may be called again after it raised an OSError
    that is no StorageError: that is an error of the file it was given.  Its other errors are the caller's.
    With a `limit` of 0 nothing is looked for in the folder, and nothing is kept.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._staging = Staging(folder / _STAGING)
        self._step = limit // _STEPS
        self._left = self._step * int.from_bytes(os.urandom(4), "big") >> 32
        # By process: a forked one has no thread that will ever end what was begun in its parent.
        self._under_way: dict[tuple[int, Digest], threading.Event] = {}

    # What is there, and what is not.

    def open(self, digest: Digest, size: int | None, fetch: Callable[[BinaryIO], object]) -> BinaryIO:
        """The object as a file to read and seek in, at its start.  What is read is not checked.

        Nobody deletes it from under the reader.  `fetch` writes the object into the empty file that it is given.
        What it fetched is checked: CorruptObjectError says in its message what was expected and what was found.
        With a `size`, an entry of another size is fetched again, and a fetched object of another size is corrupt.
        """
        return self._get(digest, lambda: self._found(digest, size), lambda: self._fetched(digest, size, fetch))

    def open_checked(self, digest: Digest, size: int | None, fetch: Callable[[BinaryIO], object]) -> BinaryIO:
        """The same, of bytes that have just been found to be the object's: there is no need to hash them again.

        An entry that is damaged is fetched again.
        """
        return self._get(digest, lambda: self._sound(digest, size), lambda: self._fetched(digest, size, fetch))

    def read(self, digest: Digest, fetch: Callable[[], bytes]) -> bytes:
        """The object, whole and checked.  `fetch` gives its bytes; CorruptObjectError says that they are not its."""
        return self._get(digest, lambda: self._read(digest), lambda: self._checked(digest, fetch()))

    def keep(self, digest: Digest, data: bytes) -> None:
        """Let `data` be what is read as `digest` from now on, if there is room.  Never raises.

        Those who wrote an object save fetching it.  Bytes that are not the object's do no harm: readers check.
        """
        if not self._is_kept(len(data)):
            return
        with contextlib.suppress(OSError), self._new_stage() as (path, file):
            with file:
                file.write(data)
            self._publish(path, digest, len(data))

    def adopt(self, digest: Digest, path: Path) -> bool:
        """Take the file at `path` as the object, and away from there, if that needs no copy; whether it did.

        It must be the caller's own, whom nobody keeps writing to it.  Never raises.
        """
        with contextlib.suppress(OSError):
            size = os.lstat(path).st_size
            if self._is_kept(size):
                self._publish(path, digest, size)
                return True
        return False

    def forget(self, digest: Digest) -> None:
        """Let the object be fetched when it is next asked for: for readers who found its bytes damaged."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(digest))

    # All of it.

    def info(self) -> Contents:
        """How much there is."""
        rooms = [entry.room for entry in self._entries()]
        return Contents(self.folder, len(rooms), sum(rooms), self.limit)

    def prune(self, limit: int | None = None) -> Removed:
        """Remove what was not used for longest until `limit` bytes are left at most, by default those of the cache.

        Removes what killed processes left unfinished as well.  What can't be removed is left.
        """
        most = self.limit if limit is None else limit
        entries = sorted(self._entries())
        total = sum(entry.room for entry in entries)
        objects, size = 0, self._sweep()
        for entry in entries:
            if total <= most:
                break
            is_gone, freed = _remove(entry)
            total -= entry.room if is_gone else 0
            objects += freed
            size += entry.room if freed else 0
        return Removed(objects, size)

    def clear(self) -> Removed:
        """Remove everything but what others are writing at this moment."""
        return self.prune(0)

    # One at a time.

    def _get(self, digest: Digest, look: Callable[[], T | None], fetch: Callable[[], T]) -> T:
        """What `look` finds, else what `fetch` brings.

        Of several threads one fetches, and the others look again when it has ended.  Those who find nothing
        even then fetch without waiting for each other: the object can't be kept, or not be had.
        """
        if not self.limit:
            return fetch()
        found = look()
        if found is not None:
            return found
        with self._turn(digest):
            found = look()
            return fetch() if found is None else found

    @contextlib.contextmanager
    def _turn(self, digest: Digest) -> Iterator[None]:
        key = os.getpid(), digest
        mine = threading.Event()
        first = self._under_way.setdefault(key, mine)
        if first is not mine:
            first.wait()
            yield
            return
        try:
            yield
        finally:
            del self._under_way[key]
            mine.set()

    # Looking.

    def _found(self, digest: Digest, size: int | None) -> BinaryIO | None:
        """The entry, at its start, if there is one of that size."""
        path = self._path(digest)
        try:
            _require_no_links(path.parent)
            file = open(path, "rb", opener=open_ordinary)
        except OSError:  # there is none, or nothing that could be read, and it is fetched
            return None
        seen = os.fstat(file.fileno())
        if size is not None and seen.st_size != size:
            file.close()
            self.forget(digest)
            return None
        if abs(time.time() - seen.st_mtime) > _TOUCH_EVERY:
            with contextlib.suppress(OSError):
                os.utime(file.fileno() if os.utime in os.supports_fd else path)
        return file

    def _sound(self, digest: Digest, size: int | None) -> BinaryIO | None:
        """The entry, at its start, if its bytes are right."""
        file = self._found(digest, size)
        if file is None:
            return None
        with contextlib.suppress(OSError):
            if digest_of_file(file)[0] == digest:
                file.seek(0)
                return file
        file.close()
        self.forget(digest)
        return None

    def _read(self, digest: Digest) -> bytes | None:
        """The entry's bytes, if they are right."""
        file = self._found(digest, None)
        if file is None:
            return None
        with contextlib.suppress(OSError), file:
            # Nobody reads so much at once, and a damaged entry may be of any size.
            data = file.read(LARGEST_READ + 1)
            if digest_of(data) == digest:
                return data
        self.forget(digest)
        return None

    # Fetching.

    def _fetched(self, digest: Digest, size: int | None, fetch: Callable[[BinaryIO], object]) -> BinaryIO:
        if self.limit:
            with _unless_it_fails_here():
                return self._fetched_to_keep(digest, size, fetch)
        with _unless_it_fails_here():
            return _filled(_temporary(), digest, size, fetch)
        return _filled(io.BytesIO(), digest, size, fetch)

    def _fetched_to_keep(self, digest: Digest, size: int | None, fetch: Callable[[BinaryIO], object]) -> BinaryIO:
        with self._new_stage() as (path, staged):
            file = _filled(staged, digest, size, fetch)
            found = os.fstat(file.fileno()).st_size
            if not self._is_kept(found):
                return file
            if os.name == "nt":  # an open file can't be renamed
                file.close()
                self._publish(path, digest, found)
                return open(self._path(digest), "rb", opener=open_ordinary)
            with contextlib.suppress(OSError):  # then the reader has it all the same
                self._publish(path, digest, found)
            return file

    def _checked(self, digest: Digest, data: bytes) -> bytes:
        _require(digest, None, digest_of(data), len(data))
        self.keep(digest, data)
        return data

    # The folder.  All errors here are the operating system's.

    def _path(self, digest: Digest) -> Path:
        return self.folder / _OBJECTS / digest[:2] / digest[2:]

    def _is_kept(self, size: int) -> bool:
        """Whether an object of that size may be kept: it must not be the next to go."""
        return _room(size) <= self.limit - self._step

    @contextlib.contextmanager
    def _new_stage(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file, of which nothing is left in the end but what was published."""
        folder = self.folder / _STAGING
        path = self._in(folder, self._staging.new_path)
        try:
            yield path, open(os.open(path, _NEW_FILE, 0o600), "w+b")
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def _publish(self, path: Path, digest: Digest, size: int) -> None:
        """Give the file its name as an entry, whatever had it before."""
        final = self._path(digest)
        self._in(final.parent, lambda: os.replace(path, final))
        self._left -= _room(size)
        if self._left <= 0:
            self._left = self._step
            self.prune(self.limit - self._step)

    def _in(self, folder: Path, work: Callable[[], T]) -> T:
        """Do what needs the folder, which is made if it is not there, or not any more."""
        _require_no_links(folder)
        try:
            return work()
        except FileNotFoundError:
            self._make(folder)
            return work()

    def _make(self, folder: Path) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(_PRIVATE, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError), open(self.folder / _TAG, "xb") as tag:
                tag.write(_TAG_TEXT)
        if folder.parent != self.folder:
            folder.parent.mkdir(_PRIVATE, exist_ok=True)
        folder.mkdir(_PRIVATE, exist_ok=True)

    def _entries(self) -> Iterator[_Entry]:
        for folder in _scan(self.folder / _OBJECTS):
            for found in _scan(Path(folder.path)):
                if not is_digest(folder.name + found.name) or found.is_dir(follow_symlinks=False):
                    continue  # nothing of a cache's
                with contextlib.suppress(OSError):  # gone since
                    seen = found.stat(follow_symlinks=False)
                    yield _Entry(seen.st_mtime_ns, _room(seen.st_size), found.path)

    def _sweep(self) -> int:
        with contextlib.suppress(OSError):
            return self._staging.sweep([entry.name for entry in _scan(self.folder / _STAGING)])
        return 0


def _require(digest: Digest, size: int | None, found: Digest, found_size: int) -> None:
    if size is not None and found_size != size:
        raise CorruptObjectError(f"expected {size} bytes, found {found_size}")
    if found != digest:
        raise CorruptObjectError(f"expected the digest {digest}, found {found} in {found_size} bytes")


def _filled(file: BinaryIO, digest: Digest, size: int | None, fetch: Callable[[BinaryIO], object]) -> BinaryIO:
    """The object that was fetched into `file`, to read from its start."""
    try:
        fetch(file)
        file.seek(0)
        _require(digest, size, *digest_of_file(file))
        file.seek(0)
    except BaseException:
        with contextlib.suppress(OSError):  # of bytes that were still to be written
            file.close()
        raise
    return io.BufferedReader(file.detach()) if isinstance(file, io.BufferedRandom) else file


def _temporary() -> BinaryIO:
    """A file that is gone when it is closed."""
    import tempfile  # noqa: PLC0415 - hardly anybody ever needs one

    return tempfile.TemporaryFile()  # type: ignore[return-value]


@contextlib.contextmanager
def _unless_it_fails_here() -> Iterator[None]:
    """End the block at an error of the local file, and raise one of the fetch."""
    try:
        yield
    except StorageError:
        raise
    except OSError:
        return


def _require_no_links(folder: Path) -> None:
    """Raise OSError if the folder, or the one that it is in, is a link."""
    for path in (folder.parent, folder):
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "a symbolic link in the place of a folder", str(path))


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """What is in the folder; nothing if it is none, or can't be read."""
    if not is_folder(folder):
        return []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _room(size: int) -> int:
    """What a file of `size` bytes takes; even an empty one takes something."""
    return max(-(-size // _BLOCK), 1) * _BLOCK


def _remove(entry: _Entry) -> tuple[bool, bool]:
    """Remove the entry: whether it is gone, and whether it was this call that freed it."""
    try:
        os.unlink(entry.path)
    except FileNotFoundError:
        return True, False
    except OSError:  # on Windows, somebody is reading it
        return False, False
    return True, True
