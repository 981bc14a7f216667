"""Payloads on their way in and out, whichever item type they belong to."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import queue
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from datafolio.backend import Stage
from datafolio.digest import Buffer, Digest, Hasher, digest_of, digest_of_file, octets
from datafolio.errors import DamageError, StorageError
from datafolio.store.objects import ObjectStore, Source

__all__ = ["IncomingPayload", "StoredPayload"]

P = TypeVar("P", bound="IncomingPayload")

_PIECE = 1 << 20
_IN_MEMORY = 1 << 20
_PIECES_WAITING = 16


class IncomingPayload:
    """A payload being written, and hashed on the way, in one pass.

    A small one waits in memory, so that a batch of many needs no file for each.  A larger one is
    hashed and staged by a thread of its own, while whoever writes it encodes what comes next.
    """

    def __init__(self, open_stage: Callable[[], Stage]) -> None:
        self._open_stage = open_stage
        self._small = bytearray()
        self._hasher = Hasher()
        self._pump: _Pump | None = None
        self.size = 0

    def write(self, data: Buffer) -> int:
        """Append `data`; the number of bytes taken, always all of them."""
        size = octets(data).nbytes
        self.size += size
        if self._pump is None and self.size <= _IN_MEMORY:
            self._small += octets(data)
            return size
        if self._pump is None:
            self._pump = _Pump(self._open_stage(), self._hasher)
            self._pump.write(self._small)
        self._pump.write(data)
        return size

    def finish(self) -> tuple[Digest, Source]:
        """End the writing: the digest, and the bytes for the store to take."""
        if self._pump is None:
            data = bytes(self._small)
            return digest_of(data), data
        self._pump.finish()
        return self._hasher.digest(), self._pump.stage

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pump is not None:
            self._pump.discard()


class _Pump:
    """A thread that hashes and stages what it is handed, in order, a piece at a time."""

    def __init__(self, stage: Stage, hasher: Hasher) -> None:
        self.stage = stage
        self._hasher = hasher
        self._piece = bytearray()
        self._pieces: queue.Queue[bytes | None] = queue.Queue(_PIECES_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="datafolio-payload", daemon=True)
        self._thread.start()

    def write(self, data: Buffer) -> None:
        """Hand over a copy of `data`, which the writer may then change."""
        # Whoever encodes writes many small pieces, and each handing over has its price.
        view = octets(data)
        while view.nbytes:
            room = _PIECE - len(self._piece)
            self._piece += view[:room]
            view = view[room:]
            if len(self._piece) == _PIECE:
                self._hand_over()

    def finish(self) -> None:
        """Wait until everything is staged.  Raises what went wrong."""
        self._hand_over()
        self._end()
        if self._error is not None:
            raise self._error

    def _hand_over(self) -> None:
        if self._error is not None:
            raise self._error
        self._pieces.put(bytes(self._piece))
        self._piece.clear()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

    def discard(self) -> None:
        """End the thread and forget the bytes."""
        self._end()
        self.stage.discard()

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            if self._error is None:
                try:
                    self._hasher.update(piece)
                    self.stage.write(piece)
                except BaseException as error:  # noqa: BLE001 - raised again where the writer sees it
                    self._error = error


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
        with self._naming_the_item():
            data = self._objects.unchecked(self._digest, self._size)
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
        partial = target.with_name(f".{secrets.token_hex(8)}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.open() as source, open(partial, "xb") as copy, self._naming_the_item():
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
        hasher = Hasher()
        while piece := source.read(_PIECE):
            hasher.update(piece)
            copy.write(piece)
        self._objects.require_digest(self._digest, hasher.digest(), hasher.size)


def _copies() -> Path:
    """A folder for copies that goes with this process."""
    return _copies_of(os.getpid())


@cache
def _copies_of(owner: int) -> Path:
    """The folder of one process: one forked from it, which may outlive it, makes its own, and removes no other."""
    folder = tempfile.mkdtemp(prefix="datafolio-")
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return Path(folder)
