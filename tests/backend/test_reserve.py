"""The reserve: bytes that are really there, kept at little cost, and given back from the last to the first."""

from __future__ import annotations

import os
import zlib

import pytest

from datafolio.backend import Key, LocalBackend

SIZE = 256 << 10


def reserve(root):
    return sorted((root / "tmp").glob("reserve-*"))


def held(root):
    return sum(path.stat().st_size for path in reserve(root))


@pytest.fixture
def kept(backend):
    backend.create(Key("a"), b"x")
    backend.keep_reserve(SIZE)
    return backend


def test_it_is_as_large_as_was_asked_in_several_files(kept, root):
    assert held(root) == SIZE
    assert len(reserve(root)) == 8


def test_its_bytes_are_allocated_and_can_not_be_compressed_away(kept, root):
    for path in reserve(root):
        data = path.read_bytes()
        assert len(zlib.compress(data)) >= len(data)
        assert path.stat().st_blocks * 512 >= len(data) or not path.stat().st_blocks


def test_keeping_it_again_changes_nothing(kept, root):
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in reserve(root)]
    kept.keep_reserve(SIZE)
    LocalBackend(root).keep_reserve(SIZE)
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in reserve(root)] == before


def test_it_grows_and_never_shrinks(kept, root):
    kept.keep_reserve(4 * SIZE)
    assert held(root) == 4 * SIZE
    kept.keep_reserve(SIZE)
    LocalBackend(root).keep_reserve(SIZE)
    assert held(root) == 4 * SIZE


def test_half_of_it_is_released_and_made_again(kept, root):
    assert kept.release_reserve(0.5)
    assert held(root) == SIZE // 2
    assert not kept.release_reserve(0.5)
    assert kept.release_reserve()
    assert held(root) == 0
    assert not kept.release_reserve()
    kept.keep_reserve(SIZE)
    assert held(root) == SIZE


def test_another_process_finds_what_is_missing_and_makes_it(kept, root):
    other = LocalBackend(root)
    assert other.release_reserve(0.5)
    LocalBackend(root).keep_reserve(SIZE)
    assert held(root) == SIZE


def test_files_that_a_power_loss_emptied_are_made_again(kept, root):
    for path in reserve(root):
        path.write_bytes(b"")
    LocalBackend(root).keep_reserve(SIZE)
    assert held(root) == SIZE


def test_a_folder_that_can_not_be_written_has_none_and_that_is_no_error(tmp_path):
    (tmp_path / "folio").write_text("a file")
    backend = LocalBackend(tmp_path / "folio")
    backend.keep_reserve(SIZE)
    assert not backend.release_reserve()


def test_links_of_a_folio_from_elsewhere_are_not_followed(kept, root, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    kept.release_reserve()
    for number in range(8):
        (root / "tmp" / f"reserve-{number}").symlink_to(mine)
    LocalBackend(root).keep_reserve(SIZE)
    assert not any(path.is_symlink() for path in reserve(root))
    assert mine.read_text() == "mine"


def test_nothing_is_removed_from_or_made_in_a_folder_that_tmp_is_a_link_to(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "reserve-7").write_text("mine")
    root.mkdir()
    (root / "tmp").symlink_to(elsewhere)
    backend = LocalBackend(root)
    backend.keep_reserve(SIZE)
    assert not backend.release_reserve()
    assert os.listdir(elsewhere) == ["reserve-7"]
