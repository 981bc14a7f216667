"""Payloads on their way in and out, whichever item type they belong to."""

from __future__ import annotations

import atexit
import contextlib
import io
import itertools
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from datafolio.backend import Stage
from datafolio.backend.cloning import clone
from datafolio.digest import Buffer, Digest, Hasher, digest_of, digest_of_file, octets
from datafolio.errors import DamageError, StorageError
from datafolio.store.familiar import Familiar, look_at, recall, remember, settle
from datafolio.store.objects import ObjectStore, Source

if TYPE_CHECKING:
    from datafolio.store.pump import Pump

__all__ = ["IncomingPayload", "StoredPayload"]

P = TypeVar("P", bound="IncomingPayload")

_PIECE = 1 << 20
_IN_MEMORY = 1 << 20


class IncomingPayload:
    """A payload being written, and hashed on the way, in one pass.

    A small one waits in memory, so that a batch of many needs no file for each.  A larger one is
    hashed and staged by a thread of its own, while whoever writes it encodes what comes next.
    """

    def __init__(self, open_stage: Callable[[], Stage], holds: Callable[[Digest], bool] | None = None) -> None:
        """With `holds`, which tells whether the store has an object, a large file is not read again without need."""
        self._open_stage = open_stage
        self._holds = holds
        self._stage: Stage | None = None
        #: The digest, where it is that of a file which was not copied; and the file whose digest is going to be known.
        self._whole: Digest | None = None
        self._learnt: Familiar | None = None
        self._is_ended = False
        self._small = bytearray()
        self._pump: Pump | None = None
        self.size = 0

    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them."""
        assert not self._is_ended, "what is copied from a file comes last"
        size = octets(data).nbytes
        self.size += size
        if self._pump is None and self.size <= _IN_MEMORY:
            self._small += octets(data)
        else:
            self._pumping().write(data)
        return size

    def copy_from(self, file: BinaryIO, limit: int) -> int:
        """Append what is left to read of `file`, at most `limit` bytes, as the end; the number of bytes taken."""
        is_alone = self.size == 0 and _is_all_of(file, limit)
        size = self._take(file, limit) if is_alone else self._copy(file, limit)
        self._is_ended = True
        return size

    def _copy(self, file: BinaryIO, limit: int) -> int:
        if self._pump is not None or self.size + limit > _IN_MEMORY:
            size = self._pumping().copy_from(file, limit)
            self.size += size
            return size
        size = 0
        while piece := file.read(limit - size):
            size += self.write(piece)
        return size

    def _take(self, file: BinaryIO, limit: int) -> int:
        """Take an ordinary file of `limit` bytes as the payload; if it can be had, without copying or even reading."""
        if limit <= _IN_MEMORY:
            return self._copy(file, limit)
        seen = None if self._holds is None else look_at(file)
        if seen is not None and seen.size == limit and self._is_known(seen):
            return file.seek(limit)
        is_settled = seen is not None and settle(file)
        size = self._clone(file, limit) or self._copy(file, limit)
        if is_settled and look_at(file) == seen:
            self._learnt = seen
        return size

    @property
    def is_staged(self) -> bool:
        """Whether the bytes are staged, until this ends."""
        return self._stage is not None

    def _is_known(self, file: Familiar) -> bool:
        """Whether the file's bytes are in the store, and so are taken as written."""
        assert self._holds is not None
        digest = recall(file)
        if digest is None or not self._holds(digest):
            return False
        self._whole, self.size = digest, file.size
        return True

    def _clone(self, file: BinaryIO, limit: int) -> int:
        """Take all of the file without a copy of it, where storage can; how much there was, or 0 if it can't."""
        self._stage = self._open_stage()
        copy = self._stage.clone(file)
        if copy is None:
            return 0
        with copy:
            # What is hashed is what is stored, whatever has become of the file since.
            digest, size = digest_of_file(copy)
        if size != limit:  # the file has grown or was cut in the meantime
            self._stage.discard()
            self._stage = None
            return 0
        self._whole, self.size = digest, size
        return file.seek(size)

    def _pumping(self) -> Pump:
        from datafolio.store.pump import Pump  # noqa: PLC0415 - most payloads are small

        if self._pump is None:
            self._stage = self._stage or self._open_stage()
            self._pump = Pump(self._stage)
            self._pump.write(self._small)
        return self._pump

    def finish(self) -> tuple[Digest, Source | None]:
        """End the writing: the digest, and the bytes for the store to take; None if it had them when it was asked."""
        digest = self._whole
        small, self._small = self._small, bytearray()  # whoever keeps this for its stage keeps no bytes with it
        if digest is None:
            if self._pump is None:
                data = bytes(small)
                return digest_of(data), data
            digest = self._pump.finish().digest()
        if self._learnt is not None and self._learnt.size == self.size:
            remember(self._learnt, digest)
        return digest, self._stage

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump is not None:
            self._pump.discard()
        elif self._stage is not None:
            self._stage.discard()


def _is_all_of(file: BinaryIO, limit: int) -> bool:
    """Whether `limit` bytes from here on are all of an ordinary file, and are read from it just as they are in it.

    A GzipFile, for one, tells the number of a file that has other bytes.
    """
    raw = file.raw if type(file) is io.BufferedReader else file
    if type(raw) is not io.FileIO or os.fstat(raw.fileno()).st_size != limit:
        return False
    return limit > 0 and file.tell() == 0  # what is empty may be a pipe, which has no place to tell


class StoredPayload:
    """A payload of the store, to read.  Errors name the item that it belongs to."""

    def __init__(self, objects: ObjectStore, digest: Digest, size: int, *, item: str, filename: str) -> None:
        self._objects = objects
        self._digest = digest
        self._size = size
        self._item = item
        self._filename = filename

    def read(self) -> memoryview:
        """All of it, checked against its digest."""
        with self._naming_the_item():
            return self._objects.view(self._digest, self._size)

    @contextlib.contextmanager
    def checking(self) -> Iterator[memoryview]:
        """All of it, for a decoder that takes no harm from damaged bytes: a thread checks it meanwhile.

        Leaving the block raises CorruptObjectError if the bytes are not those of the digest, whatever
        was raised inside, so nothing that was made of them may be used before.
        """
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - brings logging; most programs start no thread

        with self._naming_the_item():
            data, is_checked = self._objects.mapped(self._digest, self._size)
            if is_checked:
                yield data
                return
            if data.nbytes <= _IN_MEMORY:  # a thread would take longer to start
                self._objects.require_digest(self._digest, digest_of(data), data.nbytes)
                yield data
                return
            with ThreadPoolExecutor(1) as pool:
                found = pool.submit(digest_of, data)
                try:
                    yield data
                finally:
                    self._objects.require_digest(self._digest, found.result(), data.nbytes)

    def open(self) -> BinaryIO:
        """A file to read and seek in; what is read from it is not checked."""
        with self._naming_the_item():
            return self._objects.open(self._digest, self._size)

    def _open_whole(self) -> BinaryIO:
        with self._naming_the_item():
            return self._objects.open_whole(self._digest, self._size)

    @contextlib.contextmanager
    def _naming_the_item(self) -> Iterator[None]:
        try:
            yield
        except DamageError as error:
            raise type(error)(f"{self._item}: {error}") from error
        except StorageError as error:
            raise type(error)(f"{self._item}: {error}", error.errno) from error

    def path(self) -> Path:
        """A copy as an ordinary file, checked, which stays for as long as this process.

        It is the reader's own: the folio keeps its bytes whatever is done to the copy.
        """
        for attempt in itertools.count():
            path = _copies() / f"{self._digest}-{attempt}" / self._filename
            if not path.exists():
                return self.copy_to(path)
            with open(path, "rb") as file:
                if digest_of_file(file)[0] == self._digest:
                    return path  # else the reader has made something else of that copy
        raise AssertionError("unreachable")

    def copy_to(self, target: Path) -> Path:
        """Write it to the file `target`, checked; whatever was there is replaced only by a whole copy."""
        partial = target.with_name(f".{os.urandom(8).hex()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._open_whole() as source, open(partial, "xb+") as copy, self._naming_the_item():
                self._copy(source, copy)
            partial.replace(target)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.during(f"writing {target}", error) from error
        finally:
            partial.unlink(missing_ok=True)
        return target

    def _copy(self, source: BinaryIO, copy: BinaryIO) -> None:
        if clone(source, copy.fileno()):
            # The copy is what is checked.
            self._objects.require_digest(self._digest, *digest_of_file(copy))
            return
        hasher = Hasher(threads=1)
        buffer = memoryview(bytearray(_PIECE))
        while size := source.readinto(buffer):  # type: ignore[attr-defined]
            hasher.update(buffer[:size])
            copy.write(buffer[:size])
        self._objects.require_digest(self._digest, hasher.digest(), hasher.size)


def _copies() -> Path:
    """A folder for copies that goes with this process."""
    return _copies_of(os.getpid())


@cache
def _copies_of(owner: int) -> Path:
    """The folder of one process: one forked from it, which may outlive it, makes its own, and removes no other."""
    import shutil  # noqa: PLC0415 - few make copies
    import tempfile  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="datafolio-")
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return Path(folder)
