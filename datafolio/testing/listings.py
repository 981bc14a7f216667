"""The contract of a backend's listings, as tests; a part of `datafolio.testing.backend`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from datafolio.backend.base import Backend, Key
from datafolio.testing.samples import KEYS, ROUNDS, listing

__all__ = ["ListingContract"]


class ListingContract:
    """What `list` names, and when."""

    def test_an_empty_backend_lists_nothing(self, backend: Backend) -> None:
        assert listing(backend) == []
        assert listing(backend, "objects/") == []

    def test_a_listing_names_every_key_of_the_folder_and_only_those(self, backend: Backend) -> None:
        for index, key in enumerate(KEYS):
            backend.create(Key(key), b"x" * index)
        backend.create(Key("objectspast/x"), b"")
        sizes = {key: index for index, key in enumerate(KEYS)}
        assert dict(listing(backend, "")) == {**sizes, "objectspast/x": 0}
        for prefix in ("objects/", "objects/ab/", "log/", "a.b/c-d_e/", ".hidden/"):
            assert dict(listing(backend, prefix)) == {k: n for k, n in sizes.items() if k.startswith(prefix)}

    def test_a_listing_can_be_deleted_from_while_it_runs(self, backend: Backend) -> None:
        keys = {Key(f"objects/{index % 7:02}/{index}") for index in range(100)}
        for key in keys:
            backend.replace(key, b"x")
        seen = set()
        for key, _, _ in backend.list("objects/"):
            seen.add(key)
            backend.delete(key)
        assert seen == keys
        assert listing(backend) == []

    def test_a_listing_keeps_what_was_there_before_it_while_others_write(self, backend: Backend) -> None:
        before = {Key(f"objects/{index % 5:02}/{index}") for index in range(50)}
        for key in before:
            backend.replace(key, b"x")
        done = threading.Event()

        def churn() -> None:
            while not done.is_set():
                backend.replace(Key("objects/00/new"), b"y")
                backend.delete(Key("objects/00/new"))

        with ThreadPoolExecutor(1) as pool:
            churning = pool.submit(churn)
            try:
                for _ in range(ROUNDS):
                    assert before <= {key for key, _, _ in backend.list("objects/")}
            finally:
                done.set()
            churning.result()
