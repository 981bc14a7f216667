"""Bytes on their way to a server: in memory while they are few, in a file of this machine when not."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datafolio.backend.base import Key, Stage
from datafolio.digest import Buffer, octets
from datafolio.errors import StorageError

__all__ = ["RemoteStage"]

#: What is kept in memory while it is written, and, since many sealed stages may be kept, after that.
_WRITTEN_IN_MEMORY = 8 << 20
_SEALED_IN_MEMORY = 128 << 10

Upload = Callable[[Key, "bytes | Path", bool], None]


class RemoteStage(Stage):
    """A stage whose bytes go out when it is published.

    `upload` is given the key, the bytes or the file that holds them, and whether to replace what is there.
    """

    def __init__(self, location: str, folder: Path | None, upload: Upload) -> None:
        self.size = 0
        self._location = location
        self._folder = folder
        self._upload = upload
        self._memory: bytearray | None = bytearray()
        self._file: Any = None
        self._path: Path | None = None
        self._sealed = self._discarded = False
        self._maker = os.getpid()

    def write(self, data: Buffer) -> int:
        self._check_kept()
        if self._sealed:
            raise StorageError(f"this stage of {self._location} is sealed, and takes no more bytes")
        view = octets(data)
        if self._memory is not None and len(self._memory) + view.nbytes > _WRITTEN_IN_MEMORY:
            self._spill()
        if self._memory is not None:
            self._memory += view
        else:
            self._to_file(view)
        self.size += view.nbytes
        return view.nbytes

    def seal(self) -> None:
        self._end()
        if self._memory is not None and len(self._memory) > _SEALED_IN_MEMORY:
            self._spill()
            self._close()

    def publish(self, key: Key, *, replace: bool = False) -> None:
        self._end()
        if self._memory is not None:
            self._upload(key, bytes(self._memory), replace)
        else:
            assert self._path is not None
            self._upload(key, self._path, replace)

    def discard(self) -> None:
        self._discarded = True
        self._memory = None
        with contextlib.suppress(OSError):
            self._close()
        path, self._path = self._path, None
        if path is not None and os.getpid() == self._maker:
            with contextlib.suppress(OSError):
                path.unlink()

    def _end(self) -> None:
        self._check_kept()
        self._sealed = True
        try:
            self._close()
        except OSError as error:
            raise StorageError.during(f"writing to {self._path}", error) from error

    def _spill(self) -> None:
        """Move what is in memory to a file."""
        try:
            self._file = tempfile.NamedTemporaryFile(prefix="datafolio-", dir=self._folder, delete=False)  # noqa: SIM115 - it lives as long as the stage
            self._path = Path(self._file.name)
        except OSError as error:
            raise StorageError.during(f"writing to {self._folder or tempfile.gettempdir()}", error) from error
        memory, self._memory = self._memory, None
        assert memory is not None
        self._to_file(memoryview(memory))

    def _to_file(self, data: memoryview) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise StorageError.during(f"writing to {self._path}", error) from error

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _check_kept(self) -> None:
        if self._discarded:
            raise StorageError(f"this stage of {self._location} was discarded; begin a new one")

    def __del__(self) -> None:
        # A stage that was dropped, as after an error in the middle of a batch, leaves no file behind.
        self.discard()
