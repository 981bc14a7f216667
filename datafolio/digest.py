"""BLAKE3-256: the name of every object is the digest of its bytes, in lower-case hexadecimal."""

from __future__ import annotations

import collections
import itertools
import os
import re
import threading
from typing import BinaryIO, NewType

from blake3 import blake3

__all__ = [
    "Buffer",
    "Digest",
    "Hasher",
    "digest_of",
    "digest_of_file",
    "hash_of_name",
    "is_digest",
    "octets",
    "read_into",
]

Digest = NewType("Digest", str)
Buffer = bytes | bytearray | memoryview

_PIECE = 1 << 20
_SHARED_PIECE = 2 << 20
_LARGE = 16 << 20
_local = threading.local()
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
    """The running digest and size of what has been fed to it.

    Large updates use every core, but one in a forked process, or as many `threads` as are given.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._blake3 = blake3(max_threads=_Threads.number if threads is None else threads)
        self.size = 0

    def update(self, data: Buffer) -> None:
        view = octets(data)
        self._blake3.update(view)
        self.size += view.nbytes

    def digest(self) -> Digest:
        return Digest(self._blake3.hexdigest())


def digest_of_file(file: BinaryIO, threads: int | None = None) -> tuple[Digest, int]:
    """The digest of what is left to read of `file`, which can seek, and its size in bytes.

    A large one takes every core, unless `threads` is 1: for those who hash several at a time.
    """
    if threads != 1 and _Threads.number != 1 and _left(file) >= _LARGE:
        return _digest_with_every_core(file)
    # What was just read is in the cache of this core: handing it to others costs more than they gain.
    hasher = Hasher(threads=1)
    buffer = _buffer()
    while size := read_into(file, buffer):
        hasher.update(buffer[:size])
    return hasher.digest(), hasher.size


def _digest_with_every_core(file: BinaryIO) -> tuple[Digest, int]:
    """Pieces that every core hashes a part of, while a thread reads the ones that come next."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - of use to those alone who read a large file

    hasher = Hasher()
    # One to hash, one to read into, and one between them.
    buffers = [memoryview(bytearray(_SHARED_PIECE)) for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        coming = collections.deque(pool.submit(read_into, file, buffer) for buffer in buffers[:2])
        for turn in itertools.count():
            size = coming.popleft().result()
            coming.append(pool.submit(read_into, file, buffers[(turn + 2) % 3]))
            if not size:
                return hasher.digest(), hasher.size
            hasher.update(buffers[turn % 3][:size])
    raise AssertionError("unreachable")


def _buffer() -> memoryview:
    """A thread's own: making one takes longer than to hash a small file."""
    try:
        buffer: memoryview = _local.buffer
    except AttributeError:
        buffer = _local.buffer = memoryview(bytearray(_PIECE))
    return buffer


def read_into(file: BinaryIO, buffer: memoryview) -> int:
    """Fill `buffer` from `file`, or the start of it; the number of bytes, 0 at the end of the file."""
    size: int = file.readinto(buffer)  # type: ignore[attr-defined]
    return size


def _left(file: BinaryIO) -> int:
    here = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(here)
    return end - here


def digest_of(data: Buffer) -> Digest:
    """The digest of `data`, whole."""
    return Digest(blake3(octets(data), max_threads=_Threads.number).hexdigest())


def hash_of_name(name: str) -> bytes:
    """The 32 bytes of the hash of a short text, in UTF-8.  Never takes threads, and a third of the time of others."""
    return blake3(name.encode()).digest()


def is_digest(text: str) -> bool:
    """Whether `text` has the form of a digest: 64 lower-case hexadecimal digits."""
    return _HEX.fullmatch(text) is not None
