"""BLAKE3-256: the name of every object is the digest of its bytes, in lower-case hexadecimal."""

from __future__ import annotations

import re
from typing import NewType, Union

from blake3 import blake3

__all__ = ["Buffer", "Digest", "Hasher", "digest_of", "is_digest"]

Digest = NewType("Digest", str)
Buffer = Union[bytes, bytearray, memoryview]

_HEX = re.compile(r"[0-9a-f]{64}")


class Hasher:
    """The running digest and size of what has been fed to it.  Large updates use every core."""

    def __init__(self) -> None:
        self._blake3 = blake3(max_threads=blake3.AUTO)
        self.size = 0

    def update(self, data: Buffer) -> None:
        self._blake3.update(data)
        self.size += memoryview(data).nbytes

    def digest(self) -> Digest:
        return Digest(self._blake3.hexdigest())


def digest_of(data: Buffer) -> Digest:
    """The digest of `data`, whole."""
    return Digest(blake3(data, max_threads=blake3.AUTO).hexdigest())


def is_digest(text: str) -> bool:
    """Whether `text` has the form of a digest: 64 lower-case hexadecimal digits."""
    return _HEX.fullmatch(text) is not None
