"""BLAKE3-256: the name of every object is the digest of its bytes, in lower-case hexadecimal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, NewType

from blake3 import blake3

__all__ = ["Buffer", "Digest", "Hasher", "digest_of", "digest_of_file", "hash_of_name", "is_digest", "octets"]

Digest = NewType("Digest", str)
Buffer = bytes | bytearray | memoryview

_PIECE = 1 << 20
_LARGE = 8 << 20
_HEX = re.compile(r"[0-9a-f]{64}")


class _Threads:
    """How many threads hash one update."""

    number = blake3.AUTO


def _use_one_thread() -> None:
    _Threads.number = 1


if hasattr(os, "register_at_fork"):  # Windows has no fork
    # The threads of the BLAKE3 library's pool are not in the child, which would wait for them for ever.
    os.register_at_fork(after_in_child=_use_one_thread)


def octets(data: Buffer) -> memoryview:
    """`data` as a flat row of bytes, without a copy: a view may be of wider items, or of several dimensions.

    Raises TypeError for a view that is not contiguous.
    """
    view = memoryview(data)
    # An empty view of several dimensions can't be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


class Hasher:
    """The running digest and size of what has been fed to it.  Large updates use every core, but one where forked."""

    def __init__(self) -> None:
        self._blake3 = blake3(max_threads=_Threads.number)
        self.size = 0

    def update(self, data: Buffer) -> None:
        view = octets(data)
        self._blake3.update(view)
        self.size += view.nbytes

    def digest(self) -> Digest:
        return Digest(self._blake3.hexdigest())


def digest_of_file(file: BinaryIO) -> tuple[Digest, int]:
    """The digest of what is left to read of `file`, and its size in bytes."""
    hasher = Hasher()
    while piece := file.read(_PIECE):
        hasher.update(piece)
        if hasher.size >= _LARGE:
            _hash_rest(file, hasher)
            break
    return hasher.digest(), hasher.size


def _hash_rest(file: BinaryIO, hasher: Hasher) -> None:
    """Hash a piece while a thread reads the next one; large pieces, so that every core has a part of each."""
    buffers = [memoryview(bytearray(_LARGE)), memoryview(bytearray(_LARGE))]
    read: Callable[[memoryview], int] = file.readinto  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(read, buffers[0])
        while size := following.result():
            piece, _ = buffers
            buffers.reverse()
            following = pool.submit(read, buffers[0])
            hasher.update(piece[:size])


def digest_of(data: Buffer) -> Digest:
    """The digest of `data`, whole."""
    return Digest(blake3(octets(data), max_threads=_Threads.number).hexdigest())


def hash_of_name(name: str) -> bytes:
    """The 32 bytes of the hash of a short text, in UTF-8.  Never takes threads, and a third of the time of others."""
    return blake3(name.encode()).digest()


def is_digest(text: str) -> bool:
    """Whether `text` has the form of a digest: 64 lower-case hexadecimal digits."""
    return _HEX.fullmatch(text) is not None
