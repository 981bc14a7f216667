"""The contract of storage: bytes at keys.

A backend knows nothing of folios.  A key is a relative path with ``/`` between its parts, none of
them empty, ``.`` or ``..``: keys come out of files too, and none may lead out of the backend.  Four
promises carry everything above:

* `create` is exclusive: of any number of callers, in any number of processes, one wins.
* What `create` and `Stage.publish` returned from is durable, and was never visible in part.
* `read` gives whole contents or an error, never a part.
* `list` names every key that was there before it began and was not deleted since.

What is at a key may come from a stranger and be of any size: `read` refuses what has more than
`LARGEST_READ` bytes, and `open` gives it.

Every failure is a StorageError: KeyMissingError, KeyExistsError, or the plain one with the
operating system's reason.
"""

from __future__ import annotations

import errno
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, NewType

from datafolio.digest import Buffer
from datafolio.errors import StorageError

__all__ = ["LARGEST_READ", "Backend", "Key", "Listed", "Stage", "check_key", "is_full"]

Key = NewType("Key", str)

#: The most that `Backend.read` reads, in bytes.
LARGEST_READ = 64 << 20

# Windows has more ways to leave a folder.
_NO_KEY = re.compile(r"(^|/)\.{0,2}(/|$)|\0" + (r"|[\\:]" if os.name == "nt" else ""))

_PIECE = 1 << 20


def check_key(key: str) -> None:
    """Raise StorageError if `key` is not a relative path that stays where it begins."""
    if _NO_KEY.search(key):
        raise StorageError(f"{key!r} can't be a key: its parts must be names, with one / between them")


def is_full(error: StorageError) -> bool:
    """Whether the storage has no room left: no bytes, no files, or no more of them for this user."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


class Listed(NamedTuple):
    """One key of a listing, with the size of what it holds in bytes."""

    key: Key
    size: int
    #: What `Backend.stamp` says of it, where a listing tells as much; None where it doesn't.
    stamp: Hashable | None = None


class Stage(ABC):
    """Bytes on their way in: written once, then published under a key, or forgotten.

    A content-addressed object is named by what was written, so the key comes last.  As a context
    manager it forgets the bytes on the way out; what was published stays.
    """

    #: How many bytes were written.
    size: int

    @abstractmethod
    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them.

        Raises StorageError after the first call of `seal` or `publish`.
        """

    def clone(self, file: BinaryIO) -> BinaryIO | None:  # noqa: ARG002 - for storage that can
        """Let the empty stage hold all that `file` holds, without a copy; then a file to read it from.

        None, and nothing has happened, where that can't be had.
        """
        return None

    @abstractmethod
    def seal(self) -> None:
        """End the writing, and let go of what only that needs: many sealed stages may be kept at a time."""

    @abstractmethod
    def publish(self, key: Key, *, replace: bool = False) -> None:
        """Make the bytes durable under `key`.  May be called again, for other keys.

        Raises KeyExistsError if the key is taken, unless `replace` (which is atomic too).
        """

    @abstractmethod
    def discard(self) -> None:
        """Forget the bytes; nothing can be written or published after.  Calling it twice is harmless.

        Never raises: what can't be removed is left to `Backend.sweep_stages`.
        """

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class Backend(ABC):
    """Bytes at keys in one place, such as a folder."""

    #: Where this is, for people and messages.
    location: str

    #: Whether each call is a request to another machine: then several are better made at once than one by one,
    #: and what was read once is worth keeping nearby.
    is_distant: bool = False

    #: Whether nothing can be written, whoever asks.
    is_read_only: bool = False

    #: How many calls at a time are of use.
    concurrency: int = 8

    @abstractmethod
    def read(self, key: Key) -> bytes:
        """The whole contents.  Raises KeyMissingError, and StorageError for more than `LARGEST_READ` bytes."""

    @abstractmethod
    def open(self, key: Key) -> BinaryIO:
        """The contents as a file to read and seek in.  Raises KeyMissingError."""

    @abstractmethod
    def size(self, key: Key) -> int | None:
        """The size in bytes, or None where there is no such key."""

    @abstractmethod
    def exists(self, key: Key) -> bool:
        """Whether there is anything at `key`, even if it is nothing that can be read."""

    @abstractmethod
    def stamp(self, key: Key) -> Hashable | None:
        """What is at `key`, told from anything else that is ever put there; None where there is no such key."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Listed]:
        """Every key under the folder `prefix` (which ends with ``/``, or is empty for all), in no order.

        Keys may be deleted and created meanwhile.  Stages are not among them.
        """

    @abstractmethod
    def stage(self) -> Stage:
        """A new empty stage."""

    @abstractmethod
    def replace(self, key: Key, data: Buffer) -> None:
        """Put `data` at `key` whatever was there, atomically.  Not durable: for what can be made again."""

    @abstractmethod
    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:
        """Let `other` be one more name of what is at `key`, whatever was there, atomically.  Not durable.

        `data` is what is there, from those who have it at hand: storage without second names need not copy then.
        Raises KeyMissingError where `key` is not; with `data` it need not look.
        """

    @abstractmethod
    def move(self, key: Key, other: Key) -> None:
        """Give what is at `key`, even if it is no file, the name `other`, which must be free, durably.

        Raises KeyMissingError, or KeyExistsError.
        """

    @abstractmethod
    def confirm(self, key: Key) -> None:
        """Return only when `key`, which the caller saw, will also be there after a power loss."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Remove `key`; that it was gone already is no error."""

    def delete_all(self, keys: Iterable[Key]) -> None:
        """Remove `keys`, in no order; that some were gone already is no error.

        After an error some may be gone and others not.
        """
        for key in keys:
            self.delete(key)

    @abstractmethod
    def sweep_stages(self) -> int:
        """Remove what dead processes had staged; the number of bytes freed.  Live stages are kept."""

    def keep_reserve(self, size: int) -> None:  # noqa: B027 - storage that is never full has none
        """Hold about `size` bytes back for `release_reserve`, as far as there is room; cheap if they are held.

        No key tells of them, and `sweep_stages` leaves them.  Never raises.
        """

    def release_reserve(self, share: float = 1) -> bool:  # noqa: ARG002 - for those who have one
        """Give `share` of what is held back to whoever writes next; whether there was anything.  Never raises."""
        return False

    def create(self, key: Key, data: Buffer) -> None:
        """Put `data` at `key`, durably, if and only if the key is free.  Raises KeyExistsError."""
        with self.stage() as stage:
            stage.write(data)
            stage.publish(key)

    def copy_from(self, source: Backend, source_key: Key, key: Key, *, replace: bool = False) -> None:
        """Put what `source` has at `source_key` at `key`, durably.

        Raises KeyMissingError, and KeyExistsError if the key is taken, unless `replace`, which is atomic.
        """
        with source.open(source_key) as file, self.stage() as stage:
            while piece := _read(file, f"{source.location}/{source_key}"):
                stage.write(piece)
            stage.publish(key, replace=replace)

    def fetch(self, key: Key, file: BinaryIO) -> int:
        """Write the whole contents to the empty `file`; how many bytes there were.  Raises KeyMissingError.

        An error of `file` itself is an OSError.
        """
        size = 0
        with self.open(key) as source:
            while piece := _read(source, f"{self.location}/{key}"):
                size += file.write(piece)
        return size

    def path(self, key: Key) -> Path | None:  # noqa: ARG002 - for those who have files
        """The ordinary file that holds `key`, where there is one."""
        return None


def _read(file: BinaryIO, what: str) -> bytes:
    try:
        return file.read(_PIECE)
    except OSError as error:
        raise StorageError.during(f"reading {what}", error) from error
