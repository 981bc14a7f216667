"""Hashing and staging a large payload while its writer makes the rest of it."""

from __future__ import annotations

import functools
import itertools
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

from datafolio.backend import Stage
from datafolio.digest import Buffer, Hasher, octets, read_into

__all__ = ["Pump"]

_PIECE = 1 << 20
# What is read is hashed before it leaves the cache of one core, and written before it leaves that of all.
_READ = 1 << 18
_PIECES_WAITING = 8
# From this size on it costs less to wait until the writer's own memory has been used than to copy it.
_LARGE = 4 << 20
# Bytes objects from this size on are kept as they are, since nobody can change them; smaller ones are put together.
_KEPT = 1 << 14


class Pump:
    """A thread that stages what it is handed, in order, and hashes it where nobody else does meanwhile."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        # In one thread of its own, next to the writer's: more would have to wait for the disk all the same.
        self._hasher = Hasher(threads=1)
        self._parts: list[bytes | bytearray] = []
        self._waiting = 0
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(_PIECES_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="datafolio-payload", daemon=True)
        self._thread.start()

    def write(self, data: Buffer) -> None:
        """Take `data`, which the writer may change as soon as this returns."""
        view = octets(data)
        if view.nbytes >= _LARGE:
            self._write_through(view)
            return
        self._keep(data, view)
        # Whoever encodes writes many small pieces, and each handing over has its price.
        if self._waiting >= _PIECE:
            self._hand_over()

    def copy_from(self, file: BinaryIO, limit: int) -> int:
        """Take what is left to read of `file`, at most `limit` bytes; how many there were."""
        self._settle()
        # One more than can wait or be at work at a time, so the next one to be filled is done with.
        buffers = itertools.cycle([memoryview(bytearray(_READ)) for _ in range(_PIECES_WAITING + 2)])
        size = 0
        while count := read_into(file, buffer := next(buffers)[: limit - size]):
            size += count
            # Read and hashed here, while it is in the processor's cache, and written by the thread.
            self._hasher.update(buffer[:count])
            self._put(functools.partial(self.stage.write, buffer[:count]))
        self._settle()
        return size

    def finish(self) -> Hasher:
        """Wait until everything is staged; what has been hashed.  Raises what went wrong."""
        self._hand_over()
        self._end()
        self._raise_error()
        return self._hasher

    def discard(self) -> None:
        """End the thread and forget the bytes."""
        self._end()
        self.stage.discard()

    def _keep(self, data: Buffer, view: memoryview) -> None:
        self._waiting += view.nbytes
        if type(data) is bytes and view.nbytes >= _KEPT:
            self._parts.append(data)
            return
        last = self._parts[-1] if self._parts else b""
        if not isinstance(last, bytearray):
            last = bytearray()
            self._parts.append(last)
        last += view

    def _write_through(self, view: memoryview) -> None:
        """Hash the writer's own memory here while the thread stages it."""
        self._settle()
        for start in range(0, view.nbytes, _PIECE):
            piece = view[start : start + _PIECE]
            self._put(functools.partial(self.stage.write, piece))
            self._hasher.update(piece)
        self._settle()

    def _settle(self) -> None:
        """Wait until all that was taken is hashed and staged."""
        self._hand_over()
        self._jobs.join()
        self._raise_error()

    def _hand_over(self) -> None:
        if self._parts:
            self._put(functools.partial(self._hash_and_write, self._parts))
            self._parts, self._waiting = [], 0

    def _put(self, job: Callable[[], object]) -> None:
        self._raise_error()
        self._jobs.put(job)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    # In the thread.

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                try:
                    job()
                except BaseException as error:  # noqa: BLE001 - raised again where the writer sees it
                    self._error = error
            del job  # and with it the writer's memory, before the writer goes on
            self._jobs.task_done()

    def _hash_and_write(self, parts: list[bytes | bytearray]) -> None:
        # Put together first: each call gives up the interpreter, and may wait for it while the writer has it.
        piece = parts[0] if len(parts) == 1 else b"".join(parts)
        self._hasher.update(piece)
        self.stage.write(piece)
