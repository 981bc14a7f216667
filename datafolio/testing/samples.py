"""What the contracts of a backend are tested with."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend.base import Backend, Key
from datafolio.errors import KeyExistsError

__all__ = [
    "ABSENT",
    "KEY",
    "KEYS",
    "NO_KEYS",
    "RESERVE",
    "ROUNDS",
    "SHARP_EDGES",
    "listing",
    "race",
]

KEY = Key("objects/ab/cdef")
ABSENT = Key("objects/ab/none")

#: Keys of every form that a folio has, and some that are only odd.
KEYS = [
    "folio.json",
    "README.md",
    "log/00000000000000000017",
    "objects/ab/" + "ab" * 32,
    "objects/ab/cdef~3",
    "objects/ab/cdef~30",
    "a",
    "a.b/c-d_e/f/g/h",
    ".hidden/..two",
    "with space/ünï~cödé 数",
]
NO_KEYS = ["", "/", "/etc/passwd", "..", "../up", "a/../../up", "a/..", "a//b", "a/", "./a", "a/./b", "a\0b"]
CONTENTS = {
    "empty": b"",
    "a byte": b"\0",
    "every byte": bytes(range(256)) * 3,
    "line ends": b"\r\n\n\r\x1a",
    "5 MB": bytes(range(256)) * 20_480,
}
SHARP_EDGES = pytest.mark.parametrize("data", CONTENTS.values(), ids=CONTENTS)
RESERVE = 100_000
THREADS = 16
ROUNDS = 20


def listing(backend: Backend, prefix: str = "") -> list[tuple[Key, int]]:
    return sorted((listed.key, listed.size) for listed in backend.list(prefix))


def race(backend: Backend, key: Key) -> list[bytes]:
    """What those wrote who, of many threads that create `key` at once, were told that they did."""
    start = threading.Barrier(THREADS)

    def attempt(runner: int) -> bytes | None:
        data = b"runner %d" % runner
        start.wait()
        try:
            backend.create(key, data)
        except KeyExistsError:
            return None
        return data

    with ThreadPoolExecutor(THREADS) as pool:
        return [data for data in pool.map(attempt, range(THREADS)) if data is not None]
