"""How many round trips the everyday calls make: requests that wait for one another, on a real server."""

from __future__ import annotations

import contextlib

import pytest

from datafolio import DataFolio
from datafolio.backend.places import open_backend
from datafolio.store import changes
from datafolio.store.repository import Repository
from tests.remote.proxy import Proxy
from tests.remote.recording import Request, round_trips, timeline
from tests.store.plumbing import new_snapshot

#: In seconds, each way: so that what is at once can be told from what comes later.
_DELAY = 0.02

_OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


class Place:
    """A folio of its own on a server, which is spoken to through a proxy."""

    def __init__(self, server, proxy):
        self.url = server.url()
        self.options = {**server.options, "endpoint_url": proxy.endpoint}
        self._proxy = proxy

    def open(self, **more):
        return DataFolio(self.url, storage_options=self.options, **more)

    @contextlib.contextmanager
    def recorded(self):
        """A list that has, when the block has ended, the requests that were made in it."""
        found: list[Request] = []
        self._proxy.settle()
        self._proxy.restart()
        self._proxy.delay = _DELAY
        try:
            yield found
        finally:
            self._proxy.delay = 0
        self._proxy.settle()
        found += self._proxy.recording()


@pytest.fixture
def place(server):
    with Proxy(server.endpoint) as proxy:
        yield Place(server, proxy)


@pytest.fixture
def folio(place):
    """One that has been written to: the handle knows its newest record."""
    made = place.open()
    made.add_json("first", 1)
    return made


def assert_at_most(trips, requests):
    assert round_trips(requests) <= trips, timeline(requests)


@pytest.mark.parametrize("read_only", [False, True])
def test_opening_a_folio_takes_two_round_trips(place, folio, read_only):
    with place.recorded() as requests:
        place.open(read_only=read_only)
    assert_at_most(2, requests)


def test_getting_a_small_item_takes_one_round_trip(place, folio):
    folio.add_json("a", {"x": 1})
    opened = place.open()
    with place.recorded() as requests:
        assert opened.get_json("a") == {"x": 1}
    assert_at_most(1, requests)


def test_opening_a_folio_and_getting_a_small_item_takes_three_round_trips(place, folio):
    folio.add_json("a", {"x": 1})
    with place.recorded() as requests:
        assert place.open().get_json("a") == {"x": 1}
    assert_at_most(3, requests)


def test_adding_a_small_item_takes_three_round_trips(place, folio):
    with place.recorded() as requests:
        folio.add_json("a", {"x": 1})
    assert_at_most(3, requests)


def test_overwriting_a_small_item_takes_three_round_trips(place, folio):
    with place.recorded() as requests:
        folio.add_json("first", 2, overwrite=True)
    assert_at_most(3, requests)


def test_creating_a_snapshot_takes_three_round_trips(place, folio):
    with place.recorded() as requests:
        folio.create_snapshot("v1", **_OFF)
    assert_at_most(3, requests)


def test_ten_items_of_a_batch_are_stored_at_once_and_take_no_longer_than_one(place, folio):
    with place.recorded() as requests, folio.batch():
        for number in range(10):
            folio.add_json(f"item {number}", {"number": number})
    assert_at_most(3, requests)
    payloads = [request for request in requests if "/objects/" in request.path and request.method == "PUT"]
    assert len(payloads) == 10, timeline(requests)
    assert round_trips(payloads) == 1, timeline(requests)


def test_listing_a_thousand_snapshots_takes_at_most_forty_requests_at_once(place, folio):
    _make_snapshots(place, 1000)
    opened = place.open()
    with place.recorded() as requests:
        assert len(opened.list_snapshots()) == 1000
    assert len(requests) <= 40, timeline(requests)
    assert_at_most(3, requests)


def _make_snapshots(place, number):
    """In one commit: they are about the listing."""

    def change(state):
        for each in range(number):
            state = changes.create_snapshot(state, f"s{each}", new_snapshot(description=f"number {each}"))
        return state

    Repository.open(open_backend(place.url, place.options)).commit("make snapshots", change)
