"""Payloads on their way in and out, whichever item type they belong to."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from datafolio.backend import Stage
from datafolio.digest import Buffer, Digest, Hasher
from datafolio.errors import CorruptObjectError, DamageError, StorageError
from datafolio.store.objects import ObjectStore

__all__ = ["IncomingPayload", "StoredPayload"]

P = TypeVar("P", bound="IncomingPayload")

_PIECE = 1 << 20


class IncomingPayload:
    """A payload being written: staged, and hashed on the way, in one pass."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._hasher = Hasher()

    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them."""
        self._hasher.update(data)
        return self.stage.write(data)

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self._hasher.size

    def digest(self) -> Digest:
        """The digest of the bytes so far."""
        return self._hasher.digest()

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stage.discard()


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
        hasher = Hasher()
        try:
            with (
                self.open() as source,
                tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:40]}.", delete=False) as copy,
            ):
                partial = Path(copy.name)
                while piece := source.read(_PIECE):
                    hasher.update(piece)
                    copy.write(piece)
            if hasher.digest() != self._digest:
                partial.unlink()
                raise CorruptObjectError(
                    f"{self._item}: {self._objects.key(self._digest)}: expected the digest {self._digest}, "
                    f"found {hasher.digest()} in {hasher.size} bytes; `datafolio fsck` tells what is affected"
                )
            return partial.replace(target)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            with suppress(OSError, UnboundLocalError):
                partial.unlink()
            raise StorageError(f"writing {target}: {error.strerror or error}") from error


@lru_cache(maxsize=1)
def _copies() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="datafolio-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
