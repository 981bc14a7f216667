"""Google Cloud Storage keeps the contract, as far as fake-gcs-server is like it.

That server takes no heed of a condition on an upload in parts, so what is created in one request is
what is tested here; records of the log always are.
"""

from __future__ import annotations

import os

import pytest

from datafolio.backend import Key
from datafolio.backend.remote import RemoteBackend
from datafolio.store.repository import Repository
from datafolio.testing.backend import BackendContract
from datafolio.testing.samples import race
from tests.store import plumbing

# aiohttp would have its large bodies as streams; gcsfs gives it bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")

ROUNDS = 200 if "CI" in os.environ else 20


@pytest.fixture
def backend(gcs):
    return RemoteBackend(gcs.url(), gcs.options)


class TestRemoteBackendOnGoogleCloudStorage(BackendContract):
    pass


def test_exactly_one_of_many_wins_every_time(backend):
    for turn in range(ROUNDS):
        key = Key(f"log/{turn}")
        (winner,) = race(backend, key)
        assert backend.read(key) == winner


def test_a_stamp_is_the_same_from_a_listing_and_from_a_look(backend):
    backend.create(Key("log/1"), b"one")
    (listed,) = backend.list("log/")
    assert listed.stamp == backend.stamp(Key("log/1"))
    backend.replace(Key("log/1"), b"two")
    assert listed.stamp != backend.stamp(Key("log/1"))


def test_a_large_object_comes_whole(backend, tmp_path):
    data = os.urandom(1 << 20) * 70  # more than goes there in one request
    with backend.stage() as stage:
        stage.write(data)
        stage.publish(Key("large"))
    with (tmp_path / "copy").open("w+b") as file:
        assert backend.fetch(Key("large"), file) == len(data)
        file.seek(0)
        assert file.read() == data


def test_a_folio_lives_there(backend):
    first = Repository.create(backend)
    second = Repository.open(backend)
    for turn in range(5):
        plumbing.put(first, f"first {turn}", b"a%d" % turn)
        plumbing.put(second, f"second {turn}", b"b%d" % turn)
    plumbing.snapshot(second, "v1")
    assert len(plumbing.contents(first, "v1")) == 10
    plumbing.assert_sound(backend)
