"""What every cloud's store is held to, besides the contract of storage."""

from __future__ import annotations

import os

from datafolio.backend import Key
from datafolio.store.repository import Repository
from datafolio.testing.backend import BackendContract
from datafolio.testing.samples import race
from tests.store import plumbing

__all__ = ["CloudContract"]

ROUNDS = 200 if "CI" in os.environ else 20


class CloudContract(BackendContract):
    """Subclass it, and give a fixture `backend`, as for the contract itself."""

    def test_exactly_one_of_many_wins_every_time(self, backend):
        for turn in range(ROUNDS):
            key = Key(f"log/{turn}")
            (winner,) = race(backend, key)
            assert backend.read(key) == winner

    def test_a_stamp_is_the_same_from_a_listing_and_from_a_look(self, backend):
        backend.create(Key("log/1"), b"one")
        (listed,) = backend.list("log/")
        assert listed.stamp == backend.stamp(Key("log/1"))
        backend.replace(Key("log/1"), b"two")
        assert listed.stamp != backend.stamp(Key("log/1"))

    def test_a_large_object_comes_whole(self, backend, tmp_path):
        data = os.urandom(1 << 20) * 70  # more than goes there in one request
        with backend.stage() as stage:
            stage.write(data)
            stage.publish(Key("large"))
        with (tmp_path / "copy").open("w+b") as file:
            assert backend.fetch(Key("large"), file) == len(data)
            file.seek(0)
            assert file.read() == data

    def test_a_folio_lives_there(self, backend):
        first = Repository.create(backend)
        second = Repository.open(backend)
        for turn in range(5):
            plumbing.put(first, f"first {turn}", b"a%d" % turn)
            plumbing.put(second, f"second {turn}", b"b%d" % turn)
        plumbing.snapshot(second, "v1")
        assert len(plumbing.contents(first, "v1")) == 10
        plumbing.assert_sound(backend)
