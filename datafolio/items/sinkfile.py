"""A sink as a file object, for the libraries that write to files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datafolio.digest import Buffer
    from datafolio.items.base import Sink

__all__ = ["SinkFile"]


class SinkFile(io.RawIOBase):
    """Writes go straight to `sink`; closing does nothing to it.

    `failure` is the sink's own error, if it raised one: libraries wrap what they meet while they
    write, and a full disk must not be reported as a value that can't be kept.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._position = 0
        self.failure: Exception | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]
        size = memoryview(data).nbytes
        try:
            self._sink.write(data)
        except Exception as error:
            self.failure = error
            raise
        self._position += size
        return size

    def tell(self) -> int:
        return self._position
