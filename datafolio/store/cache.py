"""A local copy of what was read from far away: objects by digest, in one folder for all folios.

An object never changes, so a copy of it is right for ever, and nothing here expires.  All of it is derived
data: any part of the folder may be deleted at any moment, by anybody.  It holds digests and bytes only: no
name of an item, of a folio or of a place is in it.

No read fails because of the cache.  If its folder can't be written, or the disk is full, an object comes
through a temporary file, or through memory where not even that can be had.  If an entry is damaged, it is
fetched again.

How large all of it is nobody knows without looking at every entry.  So each process looks once it has added
a twentieth of the limit, and begins at a random point of the first such stretch: many short processes then
look as often as one long one.  What is deleted then was not used for longest.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from datafolio.backend.base import LARGEST_READ
from datafolio.digest import Buffer, Digest, Hasher, digest_of, digest_of_file
from datafolio.errors import CorruptObjectError, FolioError
from datafolio.store.cachefolder import CacheFolder, Removed, room

__all__ = ["LIMIT", "Cache", "Contents", "Fetch", "Removed", "default_folder"]

#: How large a cache may become, in bytes, if nobody says otherwise.
LIMIT = 10_000_000_000

_STEPS = 20

T = TypeVar("T")

#: Writes an object into the empty file that it is given.
Fetch = Callable[[BinaryIO], object]


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


class Cache:
    """The objects in one folder, of which any number of processes and threads may make use.

    `fetch` is called for an object that is not there.  It may be called again after it raised an OSError
    that is no FolioError: that is an error of the file it was given.  Its other errors are the caller's.
    With a `limit` of 0 nothing is looked for in the folder, and nothing is kept.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self.folder = folder
        self.limit = limit
        self._folder = CacheFolder(folder)
        self._step = limit // _STEPS
        self._left = self._step * int.from_bytes(os.urandom(4), "big") >> 32
        # By process: a forked one has no thread that will ever end what was begun in its parent.
        self._under_way: dict[tuple[int, Digest], threading.Event] = {}

    def find(self, digest: Digest, size: int | None) -> BinaryIO | None:
        """The entry as a file to read and seek in, at its start, if there is one of that `size`; it is not checked.

        The file stays whole for its reader, whatever is removed from the cache.
        """
        return self._found(digest, size) if self.limit else None

    def open_checked(self, digest: Digest, size: int | None, fetch: Fetch) -> BinaryIO:
        """The object as such a file, just found to have the object's bytes: there is no need to hash them again.

        An entry that is damaged, or not of that `size`, is fetched again.  If what was fetched is not the object,
        CorruptObjectError says what was expected and what was found, and leaves it to the caller to say of what.
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
        with contextlib.suppress(OSError), self._folder.new_file() as (path, file):
            with file:
                file.write(data)
            self._publish(path, digest, len(data))

    def forget(self, digest: Digest) -> None:
        """Let the object be fetched when it is next asked for: for readers who found its bytes damaged."""
        self._folder.remove(digest)

    def info(self) -> Contents:
        """How much there is."""
        return Contents(self.folder, *self._folder.contents(), self.limit)

    def prune(self, limit: int | None = None) -> Removed:
        """Remove what was not used for longest until `limit` bytes are left at most, by default those of the cache.

        Removes what killed processes left unfinished as well.  What can't be removed is left.
        """
        return self._folder.prune(self.limit if limit is None else limit)

    def clear(self) -> Removed:
        """Remove everything but what others are writing at this moment."""
        return self._folder.prune(0)

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

    def _found(self, digest: Digest, size: int | None) -> BinaryIO | None:
        """The entry, if there is one of that size."""
        file = self._folder.open(digest)
        if file is None or size is None or os.fstat(file.fileno()).st_size == size:
            return file
        file.close()
        self.forget(digest)
        return None

    def _sound(self, digest: Digest, size: int | None) -> BinaryIO | None:
        """The entry, if its bytes are right."""
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
        file = self._folder.open(digest)
        if file is None:
            return None
        with contextlib.suppress(OSError), file:
            # Nobody reads more at once, and a damaged entry may be of any size.
            data = file.read(LARGEST_READ + 1)
            if digest_of(data) == digest:
                return data
        self.forget(digest)
        return None

    def _fetched(self, digest: Digest, size: int | None, fetch: Fetch) -> BinaryIO:
        if self.limit:
            with _unless_it_fails_here():
                return self._fetched_to_keep(digest, size, fetch)
        with _unless_it_fails_here():
            return _filled(_temporary(), digest, size, fetch)
        return _filled(io.BytesIO(), digest, size, fetch)

    def _fetched_to_keep(self, digest: Digest, size: int | None, fetch: Fetch) -> BinaryIO:
        with self._folder.new_file() as (path, new):
            file = _filled(_Incoming(new), digest, size, fetch)
            found = os.fstat(file.fileno()).st_size
            if not self._is_kept(found):
                return file
            if os.name == "nt":  # an open file can't be renamed
                file.close()
                self._publish(path, digest, found)
                return self._folder.open(digest) or _gone(path)
            with contextlib.suppress(OSError):  # then the reader has it all the same
                self._publish(path, digest, found)
            return file

    def _checked(self, digest: Digest, data: bytes) -> bytes:
        _require(digest, None, digest_of(data), len(data))
        self.keep(digest, data)
        return data

    def _is_kept(self, size: int) -> bool:
        """Whether an object of that size may stay: it must not be the next to go."""
        return room(size) <= self.limit - self._step

    def _publish(self, path: Path, digest: Digest, size: int) -> None:
        self._folder.publish(path, digest)
        self._left -= room(size)
        if self._left <= 0:
            self._left = self._step
            self.prune(self.limit - self._step)


class _Incoming(io.BufferedRandom):
    """A new file that hashes what is written to it, for as long as that is one piece after the other.

    What comes next is mostly on its way meanwhile, so this costs no time, and to read the file again would.
    """

    def __init__(self, file: BinaryIO) -> None:
        assert isinstance(file, io.BufferedRandom)
        super().__init__(file.detach())
        self._hasher: Hasher | None = Hasher()

    def write(self, data: Buffer) -> int:  # type: ignore[override]
        hasher = self._hasher
        if hasher is not None and super().tell() != hasher.size:
            hasher = self._hasher = None
        size = super().write(data)
        if hasher is not None:
            hasher.update(data)
        return size

    def truncate(self, size: int | None = None) -> int:
        self._hasher = None
        return super().truncate(size)

    def fileno(self) -> int:
        self._hasher = None  # whoever has it may write with it
        return super().fileno()

    def digest(self) -> tuple[Digest, int] | None:
        """The digest and the size of all that is in the file, if they are known."""
        return None if self._hasher is None else (self._hasher.digest(), self._hasher.size)


def _require(digest: Digest, size: int | None, found: Digest, found_size: int) -> None:
    if size is not None and found_size != size:
        raise CorruptObjectError(f"expected {size} bytes, found {found_size}")
    if found != digest:
        raise CorruptObjectError(f"expected the digest {digest}, found {found} in {found_size} bytes")


def _filled(file: BinaryIO, digest: Digest, size: int | None, fetch: Fetch) -> BinaryIO:
    """The object that was fetched into `file`, to read from its start."""
    try:
        fetch(file)
        file.flush()
        file.seek(0)
        found = file.digest() if isinstance(file, _Incoming) else None
        _require(digest, size, *(found or digest_of_file(file)))
        file.seek(0)
    except BaseException:
        with contextlib.suppress(OSError):  # of bytes that were still to be written
            file.close()
        raise
    return io.BufferedReader(file.detach()) if isinstance(file, io.BufferedRandom) else file


def _temporary() -> BinaryIO:
    """A file that is gone when it is closed."""
    import tempfile  # noqa: PLC0415 - hardly anybody ever needs one

    return tempfile.TemporaryFile()


def _gone(path: Path) -> BinaryIO:
    raise FileNotFoundError(f"{path} was published, and removed before it could be opened")


@contextlib.contextmanager
def _unless_it_fails_here() -> Iterator[None]:
    """End the block at an error of the local file, and raise one of the fetch."""
    try:
        yield
    except FolioError:
        raise
    except OSError:
        return
