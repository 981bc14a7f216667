"""The contract of storage: bytes at keys.

A backend knows nothing of folios.  A key is a relative path with ``/`` between its parts, none of
them empty, ``.`` or ``..``: keys come out of files too, and none may lead out of the backend.  Four
promises carry everything above:

* `create` is exclusive: of any number of callers, in any number of processes, one wins.
* What `create` and `Stage.publish` returned from is durable, and was never visible in part.
* `read` gives whole contents or an error, never a part.
* `list` names every key that was there before it began and was not deleted since.

Every failure is a StorageError: KeyMissingError, KeyExistsError, or the plain one with the
operating system's reason.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, NewType

from datafolio.digest import Buffer
from datafolio.errors import StorageError

__all__ = ["Backend", "Key", "Listed", "Stage", "check_key"]

Key = NewType("Key", str)

# Windows has more ways to leave a folder.
_NO_KEY = re.compile(r"(^|/)\.{0,2}(/|$)|\0" + (r"|[\\:]" if os.name == "nt" else ""))


def check_key(key: str) -> None:
    """Raise StorageError if `key` is not a relative path that stays where it begins."""
    if _NO_KEY.search(key):
        raise StorageError(f"{key!r} can't be a key: its parts must be names, with one / between them")


class Listed(NamedTuple):
    """One key of a listing, with the size of what it holds in bytes."""

    key: Key
    size: int


class Stage(ABC):
    """Bytes on their way in: written once, then published under a key, or forgotten.

    A content-addressed object is named by what was written, so the key comes last.  As a context
    manager it forgets the bytes on the way out; what was published stays.
    """

    @abstractmethod
    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them.

        Raises StorageError after the first call of `seal` or `publish`.
        """

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

    @abstractmethod
    def read(self, key: Key) -> bytes:
        """The whole contents.  Raises KeyMissingError."""

    @abstractmethod
    def open(self, key: Key) -> BinaryIO:
        """The contents as a file to read and seek in.  Raises KeyMissingError."""

    @abstractmethod
    def size(self, key: Key) -> int | None:
        """The size in bytes, or None where there is no such key."""

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
    def confirm(self, key: Key) -> None:
        """Return only when `key`, which the caller saw, will also be there after a power loss."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Remove `key`; that it was gone already is no error."""

    @abstractmethod
    def sweep_stages(self) -> int:
        """Remove what dead processes had staged; the number of bytes freed.  Live stages are kept."""

    def create(self, key: Key, data: Buffer) -> None:
        """Put `data` at `key`, durably, if and only if the key is free.  Raises KeyExistsError."""
        with self.stage() as stage:
            stage.write(data)
            stage.publish(key)

    def path(self, key: Key) -> Path | None:  # noqa: ARG002 - for those who have files
        """The ordinary file that holds `key`, where there is one."""
        return None
