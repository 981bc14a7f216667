"""Payloads on their way in and out, whichever item type they belong to."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from datafolio.backend import Stage
from datafolio.digest import Buffer, Digest, Hasher
from datafolio.errors import CorruptObjectError, DamageError, StorageError
from datafolio.store.objects import ObjectStore, Source

__all__ = ["IncomingPayload", "StoredPayload"]

P = TypeVar("P", bound="IncomingPayload")

_PIECE = 1 << 20
_IN_MEMORY = 1 << 20


class IncomingPayload:
    """A payload being written, and hashed on the way, in one pass.

    It is staged where the folio is as soon as it is large; a small one waits in memory, so that a
    batch of many needs no file for each.
    """

    def __init__(self, open_stage: Callable[[], Stage]) -> None:
        self._open_stage = open_stage
        self._stage: Stage | None = None
        self._small = bytearray()
        self._hasher = Hasher()

    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them."""
        self._hasher.update(data)
        if self._stage is None and self._hasher.size > _IN_MEMORY:
            self._stage = self._open_stage()
            self._stage.write(self._small)
            self._small.clear()
        if self._stage is not None:
            return self._stage.write(data)
        self._small += data
        return memoryview(data).nbytes

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self._hasher.size

    def digest(self) -> Digest:
        """The digest of the bytes so far."""
        return self._hasher.digest()

    def source(self) -> Source:
        """The bytes, for the store to take."""
        return bytes(self._small) if self._stage is None else self._stage

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stage is not None:
            self._stage.discard()


class StoredPayload:
    """A payload of the store, to read.  Errors name the item that it belongs to."""

    def __init__(self, objects: ObjectStore, digest: Digest, *, item: str, filename: str) -> None:
        self._objects = objects
        self._digest = digest
        self._item = item
        self._filename = filename

    def read(self) -> bytes:
        """All of it, checked against its digest."""
        try:
            return self._objects.read(self._digest)
        except DamageError as error:
            raise type(error)(f"{self._item}: {error}") from error

    def open(self) -> BinaryIO:
        """A file to read and seek in; what is read from it is not checked."""
        try:
            return self._objects.open(self._digest)
        except DamageError as error:
            raise type(error)(f"{self._item}: {error}") from error

    def path(self) -> Path:
        """A copy as an ordinary file, checked, which stays for as long as this process.

        It is the reader's own: the folio keeps its bytes whatever is done to the copy.
        """
        path = _copies() / self._digest / self._filename
        path.parent.mkdir(exist_ok=True)
        return self.copy_to(path)

    def copy_to(self, target: Path) -> Path:
        """Write it to the file `target`, checked; whatever was there is replaced only by a whole copy."""
        partial = target.with_name(f".{secrets.token_hex(8)}")
        try:
            with self.open() as source, open(partial, "xb") as copy:
                self._copy(source, copy)
            partial.replace(target)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(f"writing {target}: {error.strerror or error}", error.errno) from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _copy(self, source: BinaryIO, copy: BinaryIO) -> None:
        hasher = Hasher()
        while piece := source.read(_PIECE):
            hasher.update(piece)
            copy.write(piece)
        if hasher.digest() != self._digest:
            raise CorruptObjectError(
                f"{self._item}: {self._objects.key(self._digest)}: expected the digest {self._digest}, "
                f"found {hasher.digest()} in {hasher.size} bytes; `datafolio fsck` tells what is affected"
            )


@lru_cache(maxsize=1)
def _copies() -> Path:
    """A folder for copies that goes with the process that made it, and not with one forked from it."""
    folder, owner = tempfile.mkdtemp(prefix="datafolio-"), os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return Path(folder)
