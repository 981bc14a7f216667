"""A large file that was added before is not read again, unless it changed."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from datafolio import CorruptObjectError, DataFolio
from datafolio.backend import LocalBackend
from datafolio.digest import Digest, digest_of
from datafolio.store.repository import Repository

SIZE = 3 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a system that counts what a process reads")


def bytes_read() -> int:
    """What this process has read from files so far, of all its threads."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def read_by(action) -> int:
    before = bytes_read()
    action()
    return bytes_read() - before


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A file on a disk, and next to it the same packed, which were written more than two seconds ago."""
    path = tmp_path_factory.mktemp("source") / "large.bin"
    kind = subprocess.run(["stat", "-f", "-c", "%T", path.parent], text=True, capture_output=True, check=True).stdout
    if kind.strip() not in {"ext2/ext3", "xfs"}:
        pytest.skip("the tests' folder is on no file system that is relied on")
    path.write_bytes(os.urandom(SIZE))
    path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes(), 0))
    time.sleep(2.1)
    return path


def stored(folio: DataFolio, name: str) -> bytes:
    return folio.get_artifact_path(name).read_bytes()


def test_a_file_that_has_not_changed_is_not_read_again(folio, source):
    assert read_by(lambda: folio.add_artifact("a", source)) >= SIZE
    assert read_by(lambda: folio.add_artifact("b", source)) < SIZE / 10
    assert read_by(lambda: folio.add_artifact("a", source, overwrite=True)) < SIZE / 10
    assert folio.get_item_info("b")["size"] == SIZE
    assert stored(folio, "a") == stored(folio, "b") == source.read_bytes()
    assert folio.validate()


def test_each_folio_gets_its_own_copy(folio, source, tmp_path):
    folio.add_artifact("a", source)
    other = DataFolio(tmp_path / "other")
    other.add_artifact("a", source)
    assert stored(other, "a") == source.read_bytes()
    assert other.validate()


def test_a_change_is_seen_though_size_and_time_were_put_back(folio, tmp_path):
    path = tmp_path / "it.bin"
    path.write_bytes(b"a" * SIZE)
    time.sleep(2.1)
    folio.add_artifact("a", path)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    folio.add_artifact("b", path)
    assert stored(folio, "b")[:2] == b"ba"


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_a_change_through_a_memory_map_is_seen(folio, place):
    np = pytest.importorskip("numpy")
    if not os.access(place, os.W_OK):
        pytest.skip(f"nothing can be written to {place}")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = Path(folder) / "it.bin"
        mapped = np.memmap(path, "u1", "w+", shape=(SIZE,))
        mapped[5] = 1  # the page stays open for writing until it is synced, and on a tmpfs for good
        time.sleep(2.1)
        folio.add_artifact("a", path)
        mapped[5] = 7
        folio.add_artifact("b", path)
    assert stored(folio, "a")[5] == 1
    assert stored(folio, "b")[5] == 7


def test_a_file_that_was_written_a_moment_ago_is_not_relied_on(folio, tmp_path):
    path = tmp_path / "it.bin"
    path.write_bytes(b"a" * SIZE)
    folio.add_artifact("a", path)
    assert read_by(lambda: folio.add_artifact("b", path)) >= SIZE


def test_a_file_whose_object_was_collected_is_stored_again(folio, source):
    folio.add_artifact("a", source)
    folio.delete("a")
    folio.cleanup_orphaned_versions()
    folio.add_artifact("a", source)
    assert stored(folio, "a") == source.read_bytes()
    assert folio.validate()


def test_a_file_whose_object_was_cut_short_is_stored_again(folio, source):
    folio.add_artifact("a", source)
    digest = folio.get_item_info("a")["digest"]
    path = folio.path / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(b"short")
    folio.add_artifact("b", source)
    assert stored(folio, "b") == source.read_bytes()
    assert folio.validate()


def test_a_batch_takes_a_file_that_is_known_too(folio, source):
    folio.add_artifact("a", source)
    with folio.batch():
        folio.add_artifact("b", source)
    assert stored(folio, "b") == source.read_bytes()


def object_of(folio: DataFolio, name: str) -> Path:
    digest = folio.get_item_info(name)["digest"]
    path = folio.path / "objects" / digest[:2] / digest[2:]
    path.chmod(0o644)
    return path


def scribble(path: Path) -> None:
    """Other bytes, as many as there were."""
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"rot")


def test_a_file_whose_object_was_written_to_is_stored_again(folio, source):
    folio.add_artifact("a", source)
    scribble(object_of(folio, "a"))
    folio.add_artifact("b", source)
    assert folio.validate()


def read(folio: DataFolio) -> None:
    Repository.open(LocalBackend(folio.path)).objects.view(Digest(folio.get_item_info("a")["digest"]))


@pytest.mark.parametrize("find", [read, DataFolio.validate], ids=["reader", "fsck"])
def test_a_file_whose_object_was_found_damaged_is_stored_again(folio, source, find):
    folio.add_artifact("a", source)
    path = object_of(folio, "a")
    before = path.stat()
    scribble(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as when a disk forgets, which no time tells
    with contextlib.suppress(CorruptObjectError):
        find(folio)
    folio.add_artifact("b", source)
    assert folio.validate()


def test_a_file_whose_object_is_damaged_at_the_last_moment_is_stored_again(folio, source, monkeypatch):
    folio.add_artifact("a", source)
    path, looks, look = object_of(folio, "a"), [], os.lstat

    def damaging(looked_at, **words):
        if os.fspath(looked_at) == str(path):
            looks.append(looked_at)
            if len(looks) == 2:
                scribble(path)
        return look(looked_at, **words)

    monkeypatch.setattr(os, "lstat", damaging)
    folio.add_artifact("b", source)
    assert len(looks) > 2
    assert stored(folio, "b") == source.read_bytes()
    assert folio.validate()


def test_a_part_of_a_file_that_is_known_is_that_part(folio, source):
    folio.add_artifact("a", source)
    for start, limit in ((1 << 20, SIZE), (0, SIZE - 1)):
        with source.open("rb") as file, Repository.open(LocalBackend(folio.path)).incoming(recall=True) as payload:
            file.seek(start)
            payload.copy_from(file, limit)
            assert payload.finish()[0] == digest_of(source.read_bytes()[start:][:limit])


def test_what_is_unpacked_of_a_file_that_is_known_is_not_that_file(folio, source):
    packed = source.with_suffix(".gz")
    folio.add_artifact("a", packed)
    with gzip.open(packed) as file, Repository.open(LocalBackend(folio.path)).incoming(recall=True) as payload:
        payload.copy_from(file, packed.stat().st_size)
        assert payload.finish()[0] == digest_of(source.read_bytes())
