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


def requests_of(place, limit, action):
    """The requests of ``action(n)``, which make at most `limit` round trips.

    On a busy machine, requests that are made at once may come one after another.  So it has three tries.
    """
    for number in range(3):
        with place.recorded() as requests:
            action(number)
        if round_trips(requests) <= limit:
            return requests
    raise AssertionError(f"more than {limit} round trips:\n{timeline(requests)}")


@pytest.mark.parametrize("read_only", [False, True])
def test_opening_a_folio_takes_one_round_trip(place, folio, read_only):
    requests_of(place, 1, lambda _: place.open(read_only=read_only))


def test_getting_a_small_item_takes_one_round_trip(place, folio):
    folio.add_json("a", {"x": 1})
    opened = [place.open() for _ in range(3)]
    requests_of(place, 1, lambda number: opened[number].get_json("a"))


def test_opening_a_folio_and_getting_a_small_item_takes_two_round_trips(place, folio):
    folio.add_json("a", {"x": 1})
    requests_of(place, 2, lambda _: place.open().get_json("a"))


def test_adding_a_small_item_takes_three_round_trips(place, folio):
    requests_of(place, 3, lambda number: folio.add_json(f"a{number}", number))


def test_overwriting_a_small_item_takes_three_round_trips(place, folio):
    requests_of(place, 3, lambda number: folio.add_json("first", -number, overwrite=True))


def test_creating_a_snapshot_takes_three_round_trips(place, folio):
    requests_of(place, 3, lambda number: folio.create_snapshot(f"v{number}", **_OFF))


def test_ten_items_of_a_batch_are_stored_at_once_and_take_no_longer_than_one(place, folio):
    def add_ten(number):
        with folio.batch():
            for each in range(10):
                folio.add_json(f"item {each}", {"try": number, "number": each}, overwrite=True)

    requests = requests_of(place, 3, add_ten)
    payloads = [request for request in requests if "/objects/" in request.path and request.method == "PUT"]
    assert len(payloads) == 10, timeline(requests)
    assert round_trips(payloads) == 1, timeline(requests)


def test_listing_a_thousand_snapshots_takes_at_most_forty_requests_at_once(place, folio):
    _make_snapshots(place, 1000)
    opened = [place.open() for _ in range(3)]
    requests = requests_of(place, 3, lambda number: opened[number].list_snapshots())
    assert len(requests) <= 40, timeline(requests)
    assert len(opened[0].list_snapshots()) == 1000


def _make_snapshots(place, number):
    """In one commit: they are about the listing."""

    def change(state):
        for each in range(number):
            state = changes.create_snapshot(state, f"s{each}", new_snapshot(description=f"number {each}"))
        return state

    Repository.open(open_backend(place.url, place.options)).commit("make snapshots", change)
