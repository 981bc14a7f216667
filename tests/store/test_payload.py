"""Payloads on their way in: whatever pieces they come in, their bytes and their digest are those that were written."""

from __future__ import annotations

import io

import numpy as np
import pytest

from datafolio.backend import Stage
from datafolio.digest import digest_of
from datafolio.errors import StorageError
from datafolio.store.payload import IncomingPayload


def pieces():
    """Large and small ones, of every kind; those that can be changed are, once they are written."""
    yield b"a" * 10
    yield b"b" * 2_000_000
    yield bytearray(b"c" * 5_000_000)
    yield memoryview(np.arange(1_000_000.0))
    yield memoryview(bytearray(b"d" * 30_000))
    yield b"e" * 20_000
    yield bytearray(b"f" * 20_000)
    yield b"g" * (4 << 20)
    yield b""
    yield b"h"


def test_the_bytes_and_the_digest_are_those_that_were_written(repository, tmp_path):
    expected = b"".join(bytes(piece) for piece in pieces())
    with repository.incoming() as payload:
        for piece in pieces():
            assert payload.write(piece) == memoryview(piece).nbytes
            if not isinstance(piece, bytes) and not memoryview(piece).readonly:
                memoryview(piece).cast("B")[:1] = b"x"
        size = payload.copy_from(io.BytesIO(b"y" * 3_000_000 + b"more"), 3_000_000)
        digest, stage = payload.finish()
        key = repository.objects.key(digest)
        stage.publish(key)
    expected += b"y" * 3_000_000
    assert (size, payload.size, digest) == (3_000_000, len(expected), digest_of(expected))
    assert repository.backend.read(key) == expected


@pytest.mark.parametrize(
    "write",
    [lambda payload, data: payload.write(data), lambda payload, data: payload.copy_from(io.BytesIO(data), len(data))],
    ids=["write", "copy"],
)
@pytest.mark.parametrize("size", [3 << 20, 64 << 20])
def test_a_disk_that_fails_is_reported_to_whoever_writes(write, size):
    payload = IncomingPayload(Full)

    def attempt():
        with payload:
            write(payload, bytes(size))
            payload.finish()

    with pytest.raises(StorageError, match="no space is left"):
        attempt()


class Full(Stage):
    """Takes two megabytes."""

    room = 2 << 20

    def write(self, data):
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise StorageError("no space is left")
        return memoryview(data).nbytes

    def seal(self):
        pass

    def publish(self, key, *, replace=False):
        raise AssertionError("nothing whole was written")

    def discard(self):
        pass


def test_the_writers_memory_is_let_go_of_when_the_call_returns(repository):
    data = bytearray(6_000_000)
    with repository.incoming() as payload:
        payload.write(data)
        data.clear()  # which a view on it would refuse
        payload.finish()
