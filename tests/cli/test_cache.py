"""``datafolio cache``, and where the cache of a program is."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from datafolio.digest import digest_of
from datafolio.errors import UsageError
from datafolio.porcelain import nearby

MB = 1_000_000


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """These commands need no folio."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def filled(cache_folder):
    """Three objects in the cache, of a megabyte each, the first of them used last."""
    cache = nearby.cache()
    for place, size in enumerate((MB, MB, MB)):
        data = bytes([place]) * size
        cache.keep(digest_of(data), data)
        then = time.time() - (1000 if place else 0)
        digest = digest_of(data)
        os.utime(cache_folder / "objects" / digest[:2] / digest[2:], (then, then))
    return cache


def test_info_says_where_it_is_and_what_it_holds(filled, run, cache_folder) -> None:
    done = run("cache", "info")
    assert done.code == 0
    assert done.out.splitlines() == [f"cache  {cache_folder}", "holds  3 objects, 3.0 MB", "limit  10.0 GB"]
    size = filled.info().size
    assert run("cache", "info", "--json").json == {
        "path": str(cache_folder),
        "objects": 3,
        "bytes": size,
        "limit": 10_000_000_000,
    }


def test_looking_at_an_empty_one_makes_nothing(run, cache_folder) -> None:
    assert "0 objects, 0 bytes" in run("cache", "info").out
    assert run("cache", "prune").out == run("cache", "clear").out == "nothing to remove; 0 bytes in the cache\n"
    assert not cache_folder.exists()


def test_clear_says_what_it_removed(filled, run) -> None:
    assert run("cache", "clear").out == "removed 3 objects, freed 3.0 MB; 0 bytes left\n"
    assert filled.info().objects == 0


def test_prune_leaves_what_was_used_last(filled, run) -> None:
    assert run("cache", "prune", "--size", "1.5 MB").out == "removed 2 objects, freed 2.0 MB; 1.0 MB left\n"
    assert filled.read(digest_of(bytes(MB)), pytest.fail) == bytes(MB)


def test_prune_without_a_size_goes_by_the_limit(filled, run, monkeypatch) -> None:
    assert run("cache", "prune").out == "nothing to remove; 3.0 MB in the cache\n"
    monkeypatch.setenv("DATAFOLIO_CACHE_SIZE", "2.5MB")
    assert run("cache", "prune").out == "removed 1 object, freed 1.0 MB; 2.0 MB left\n"


def test_for_programs_they_say_the_same(filled, run) -> None:
    each = filled.info().size // 3
    assert run("cache", "prune", "--size=2MB", "--json").json == {
        "objects": 2,
        "bytes": 2 * each,
        "bytes_left": each,
    }
    assert run("cache", "clear", "--json").json == {"objects": 1, "bytes": each, "bytes_left": 0}


@pytest.mark.parametrize("size", ["", "much", "-1", "2XB", "1e9", "nan", "2GB 3"])
def test_a_size_that_is_none_is_refused(size, filled, run, monkeypatch) -> None:
    done = run("cache", "prune", f"--size={size}")
    assert (done.code, done.out) == (2, "")
    assert "such as 2GB" in done.err
    assert filled.info().objects == 3
    monkeypatch.setenv("DATAFOLIO_CACHE_SIZE", size or "?")
    done = run("cache", "info")
    assert done.code == 2
    assert "DATAFOLIO_CACHE_SIZE" in done.err


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("20GB", 2 * 10**10), (" 1.5 mb ", 1_500_000), ("12", 12), ("3T", 3 * 10**12)]
)
def test_the_size_is_that_of_the_environment(text, size, run, monkeypatch) -> None:
    monkeypatch.setenv("DATAFOLIO_CACHE_SIZE", text)
    assert nearby.cache().limit == size
    assert run("cache", "info", "--json").json["limit"] == size


def test_without_a_cache_it_says_so(run, monkeypatch) -> None:
    monkeypatch.setenv("DATAFOLIO_CACHE_SIZE", "0")
    assert "nothing is kept" in run("cache", "info").out


def test_the_command_and_the_library_have_the_same_one(spawn, cache_folder) -> None:
    nearby.cache().keep(digest_of(b"shared"), b"shared")
    assert spawn("cache", "info", "--json").json["path"] == str(cache_folder)
    assert spawn("cache", "info", "--json").json["objects"] == 1


def test_there_is_one_for_a_process(monkeypatch, tmp_path) -> None:
    assert nearby.cache() is nearby.cache()
    monkeypatch.setenv("DATAFOLIO_CACHE_DIR", "relative")
    assert nearby.cache().folder == tmp_path / "relative"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATAFOLIO_CACHE_DIR", "~/mine")
    assert nearby.cache().folder == tmp_path / "mine"


def test_by_default_it_is_among_the_users_caches(environment, tmp_path) -> None:
    environment = {**environment, "HOME": str(tmp_path), "DATAFOLIO_CACHE_DIR": ""}
    environment.pop("XDG_CACHE_HOME", None)
    program = "from datafolio.porcelain import nearby; print(nearby.cache().folder)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    folder = {"darwin": "Library/Caches"}.get(sys.platform, ".cache")
    assert done.stdout == f"{tmp_path}/{folder}/datafolio\n"


def test_a_size_that_is_none_is_an_error_of_the_call(monkeypatch) -> None:
    monkeypatch.setenv("DATAFOLIO_CACHE_SIZE", "lots")
    with pytest.raises(UsageError, match=r"'lots'.* such as 20GB"):
        nearby.cache()
