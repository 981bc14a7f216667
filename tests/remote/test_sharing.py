"""Clone, push and pull by way of a real server."""

from __future__ import annotations

import gc
import threading

import pytest

from datafolio import DataFolio, DivergedError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFOLIO_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folio(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    with folio.batch():
        for number in range(200):
            folio.add_json(f"item {number}", number)
        folio.add_json("large", "x" * 3_000_000)
        folio.metadata["accuracy"] = 0.9
    folio.create_snapshot("v1", capture_git=False)
    return folio


def test_a_folio_goes_to_a_bucket_to_another_and_back(folio, server, tmp_path) -> None:
    one, two = server.url(), server.url()
    options = server.options
    assert folio.copy_to(one, storage_options=options)["objects"] > 200
    DataFolio.clone(one, two, storage_options=options, target_options=options)
    back = DataFolio.clone(two, tmp_path / "back", storage_options=options)
    assert {name: back.get_json(name) for name in back.items} == {name: folio.get_json(name) for name in folio.items}
    assert back.list_snapshots() == folio.list_snapshots()
    assert back.validate()
    assert DataFolio(one, storage_options=options, read_only=True).validate()


def test_work_at_both_ends_is_pulled_pushed_or_refused(folio, server) -> None:
    url, options = server.url(), server.options
    folio.copy_to(url, storage_options=options)
    there = DataFolio(url, storage_options=options)
    there.add_json("there", "as no other")
    with pytest.raises(DivergedError, match="ahead"):
        folio.push(url, storage_options=options)
    assert folio.pull(url, storage_options=options)["objects"] == 2  # the payload and the leaf that names it
    folio.add_json("here", 1)
    assert folio.push(url, storage_options=options)["changed"]
    assert there.items == folio.items
    there.add_json("more there", 1)
    folio.add_json("more here", 1)
    with pytest.raises(DivergedError, match="item 'more there'"):
        folio.push(url, storage_options=options)
    assert not [name for name in folio.path.iterdir() if server.secret.encode() in _bytes_of(name)]


def _bytes_of(path):
    return path.read_bytes() if path.is_file() else b"".join(map(_bytes_of, path.iterdir()))


def test_a_handle_that_ends_in_the_thread_of_the_requests_does_not_stop_them(server) -> None:
    from fsspec.asyn import get_loop

    url, options = server.url(), server.options
    handles = [DataFolio(url, storage_options=options)]
    handles[0].add_json("item", 1)
    ended = threading.Event()
    get_loop().call_soon_threadsafe(lambda: (handles.clear(), gc.collect(), ended.set()))
    assert ended.wait(20)
    assert DataFolio(url, storage_options=options).items == ["item"]
