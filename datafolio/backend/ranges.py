"""A large object read in ranges: as a file that asks for what is read of it, and whole, several at once."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["HEAD", "WHOLE", "RangedFile", "in_ranges"]

#: What one request asks for.  Up to this much is not worth a second one.
WHOLE = 8 << 20
#: What a file that is opened begins with: all of most files, and not much of one of which little will be read.
HEAD = 1 << 20

_RANGES_AT_ONCE = 8

# Reading on where the last read ended doubles what is read ahead, between these.
_LEAST_AHEAD = 64 << 10
_MOST_AHEAD = WHOLE

Get = Callable[[int, int], bytes]


def in_ranges(get: Get, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` to `end` in order, by several calls of `get` at once and a bounded number ahead."""
    if start >= end:
        return  # servers take a range of nothing for an error, or for all of the object
    if end - start <= WHOLE:
        yield get(start, end)
        return
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_RANGES_AT_ONCE, thread_name_prefix="datafolio-download") as pool:
        try:
            for first in range(start, end, WHOLE):
                waiting.append(pool.submit(get, first, min(first + WHOLE, end)))
                if len(waiting) == _RANGES_AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class RangedFile(io.RawIOBase):
    """What `get` gives of `size` bytes, as a file to read and seek in.  It is asked for little more than is read."""

    def __init__(self, get: Get, size: int, head: bytes = b"") -> None:
        self._get = get
        self._size = size
        self._head = head
        self._position = 0
        self._kept, self._kept_from = b"", 0
        self._ahead = _LEAST_AHEAD

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._near(len(view)) or self._far(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def readall(self) -> bytes:
        data = b"".join(in_ranges(self._get, self._position, max(self._size, self._position)))
        self._position += len(data)
        return data

    def _near(self, count: int) -> bytes:
        """What is at hand of the next `count` bytes."""
        for kept, first in ((self._head, 0), (self._kept, self._kept_from)):
            begin = self._position - first
            if 0 <= begin < len(kept):
                return kept[begin : begin + count]
        return b""

    def _far(self, count: int) -> bytes:
        start = self._position
        end = min(start + count, self._size)
        if start >= end:
            return b""
        follows = start == self._kept_from + len(self._kept)
        self._ahead = min(2 * self._ahead, _MOST_AHEAD) if follows else _LEAST_AHEAD
        data = b"".join(in_ranges(self._get, start, min(end + self._ahead, self._size)))
        self._kept, self._kept_from = data[-self._ahead :], start + max(0, len(data) - self._ahead)
        return data[:count]
