"""A backend in memory: for tests, and for a folio that need not outlive its process."""

from __future__ import annotations

import io
import threading
from collections.abc import Hashable, Iterator
from typing import BinaryIO

from datafolio.backend.base import LARGEST_READ, Backend, Key, Listed, Stage, check_key
from datafolio.digest import Buffer, octets
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend):
    """Bytes in a dict.  Durable for as long as the process, and shared by its threads."""

    def __init__(self, location: str = "memory:") -> None:
        self.location = location
        self._contents: dict[Key, bytes] = {}
        self._lock = threading.Lock()

    def read(self, key: Key) -> bytes:
        data = self._at(key)
        if len(data) > LARGEST_READ:
            raise StorageError(f"{key} has {len(data)} bytes, and at most {LARGEST_READ} can be read at once")
        return data

    def open(self, key: Key) -> BinaryIO:
        return io.BytesIO(self._at(key))

    def size(self, key: Key) -> int | None:
        check_key(key)
        data = self._contents.get(key)
        return None if data is None else len(data)

    def exists(self, key: Key) -> bool:
        check_key(key)
        return key in self._contents

    def stamp(self, key: Key) -> Hashable | None:
        check_key(key)
        return self._contents.get(key)

    def list(self, prefix: str) -> Iterator[Listed]:
        with self._lock:
            found = [Listed(key, len(data)) for key, data in self._contents.items() if key.startswith(prefix)]
        yield from found

    def stage(self) -> Stage:
        return _MemoryStage(self)

    def replace(self, key: Key, data: Buffer) -> None:
        check_key(key)
        with self._lock:
            self._contents[key] = bytes(data)

    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:  # noqa: ARG002 - it is at hand here too
        self.replace(other, self._at(key))

    def move(self, key: Key, other: Key) -> None:
        self.put_new(other, self._at(key))
        self.delete(key)

    def confirm(self, key: Key) -> None:
        """Nothing to do: memory is as durable as it will get."""

    def delete(self, key: Key) -> None:
        check_key(key)
        with self._lock:
            self._contents.pop(key, None)

    def sweep_stages(self) -> int:
        return 0

    def _at(self, key: Key) -> bytes:
        check_key(key)
        try:
            return self._contents[key]
        except KeyError:
            raise KeyMissingError(f"{self.location} has no {key}") from None

    def put_new(self, key: Key, data: bytes) -> None:
        """Put `data` at `key` if it is free, in one step."""
        check_key(key)
        with self._lock:
            if key in self._contents:
                raise KeyExistsError(f"{key} exists in {self.location}")
            self._contents[key] = data


class _MemoryStage(Stage):
    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend
        self._data: bytearray | None = bytearray()
        self._sealed = False
        self.size = 0

    def write(self, data: Buffer) -> int:
        kept = self._kept()
        if self._sealed:
            raise StorageError(f"this stage of {self._backend.location} is sealed, and takes no more bytes")
        kept.extend(octets(data))
        self.size += memoryview(data).nbytes
        return memoryview(data).nbytes

    def seal(self) -> None:
        self._kept()
        self._sealed = True

    def publish(self, key: Key, *, replace: bool = False) -> None:
        self.seal()
        data = bytes(self._kept())
        if replace:
            self._backend.replace(key, data)
        else:
            self._backend.put_new(key, data)

    def discard(self) -> None:
        self._data = None

    def _kept(self) -> bytearray:
        if self._data is None:
            raise StorageError(f"this stage of {self._backend.location} was discarded; begin a new one")
        return self._data
