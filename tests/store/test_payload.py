"""Payloads on their way in: whatever pieces they come in, their bytes and their digest are those that were written."""

from __future__ import annotations

import gzip
import io
import random

import numpy as np
import pytest

from datafolio.backend import Stage
from datafolio.digest import digest_of
from datafolio.errors import StorageError
from datafolio.store.payload import IncomingPayload
from datafolio.testing.items import BytesSink


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


@pytest.fixture(params=["store", "contract"])
def sink(request, repository):
    """Each of the sinks that an item type may meet."""
    if request.param == "contract":
        yield BytesSink()
        return
    with repository.incoming(recall=True) as payload:
        yield payload


def written(repository, sink):
    if isinstance(sink, BytesSink):
        return sink.written()
    digest, source = sink.finish()
    repository.objects.put_all({digest: source}, set())
    assert sink.size == repository.objects.size(digest)
    return repository.objects.read(digest)


@pytest.mark.parametrize("before", [0, 50, 2_000_000])
@pytest.mark.parametrize(
    ("there", "limit"), [(100, 100), (100, 10), (10, 100), (3_000_000, 3_000_000), (3_000_000, 2_000_000)]
)
@pytest.mark.parametrize("kind", ["in memory", "on a disk", "buffered", "from its middle", "compressed"])
def test_a_copy_takes_what_is_left_of_a_file_up_to_its_limit(repository, sink, tmp_path, before, there, limit, kind):
    data = random.Random(there).randbytes(there)
    sink.write(b"h" * before)
    with opened(kind, data, tmp_path / "it") as file:
        assert sink.copy_from(file, limit) == min(there, limit)
        assert file.tell() == min(there, limit) + 7 * (kind == "from its middle")
    assert written(repository, sink) == b"h" * before + data[:limit]


def opened(kind, data, path):
    if kind == "in memory":
        return io.BytesIO(data)
    if kind == "compressed":
        path.write_bytes(gzip.compress(data, 0))
        return gzip.open(path)
    path.write_bytes(data if kind != "from its middle" else b"skipped" + data)
    file = path.open("rb", buffering=8192 if kind == "buffered" else 0)
    file.seek(7 if kind == "from its middle" else 0)
    return file


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_what_is_copied_comes_last(sink, tmp_path, size):
    (tmp_path / "it").write_bytes(bytes(size))
    with (tmp_path / "it").open("rb") as file:
        sink.copy_from(file, size)
    with pytest.raises(AssertionError, match="comes last"):
        sink.write(b"more")
