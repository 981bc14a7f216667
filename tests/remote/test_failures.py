"""Connections that are cut, processes that are killed, servers with too much to do, and many writers, on a real server.

The long forms are ``python -m tests.remote.cut``, ``.kill_remote`` and ``.many_remote``.
"""

from __future__ import annotations

import pytest

from tests.reliability.workload import Step, states
from tests.remote.cut import Cuts, every_request, is_creation, refusals, storm
from tests.remote.kill_remote import Kills
from tests.remote.many_remote import many_remote
from tests.remote.places import QUICK, check_place, chosen, new_place
from tests.remote.proxy import CONFLICT, SLOW_DOWN, Pass, Proxy


@pytest.fixture(autouse=True, scope="module")
def without_cache():
    """All is read from the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAFOLIO_CACHE_SIZE", "0")
        yield


@pytest.fixture(scope="module")
def proxy(server, without_cache):
    with Proxy(server.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def undisturbed(server, proxy, tmp_path_factory):
    return Cuts(server, proxy, chosen(tmp_path_factory.mktemp("cuts"), QUICK))


@pytest.fixture
def cuts(undisturbed):
    undisturbed.failures.clear()
    return undisturbed


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(0, 11, 2))
def test_a_connection_cut_at_a_creation_is_no_conflict_and_nothing_is_done_twice_or_lost(cuts, number, after):
    assert cuts.at(number, is_creation, after=after), "the workload creates less than was thought"
    assert cuts.failures == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(7, 40, 8))
def test_a_connection_cut_at_any_request_is_no_conflict_and_nothing_is_done_twice_or_lost(cuts, number, after):
    cuts.at(number, every_request, after=after)
    assert cuts.failures == []


@pytest.mark.parametrize("answer", [SLOW_DOWN, CONFLICT])
def test_a_server_that_is_too_busy_is_asked_again(cuts, answer):
    cuts.under(refusals(answer, 2, is_record), f"refused twice each: {answer.reason}")
    assert cuts.failures == []


def is_record(request):
    return is_creation(request) and "/log/" in request.path


@pytest.mark.parametrize(("number", "after"), [(3, False), (17, True), (23, False), (31, True)])
def test_a_killed_writer_leaves_what_it_acknowledged_and_nothing_to_repair(server, proxy, tmp_path, number, after):
    kills = Kills(server, proxy, tmp_path, QUICK)
    assert kills.at(number, after=after), "the workload asks less than was thought"
    assert kills.failures == []


def test_what_many_processes_do_is_all_there_although_another_collects_all_the_while(server):
    mixed = many_remote(server, 2, 10)
    assert (mixed.operations, mixed.missing, mixed.findings) == (20, [], [])


def test_what_many_processes_do_is_all_there_although_connections_are_cut_all_the_while(server):
    mixed = storm(server, 2, 10, seed=1)
    assert (mixed.operations, mixed.missing, mixed.findings) == (20, [], [])


def test_what_was_acknowledged_and_is_not_there_is_told(server, tmp_path):
    place = new_place(server)
    place.open().add_json("a", {"x": 2})
    with pytest.raises(AssertionError, match="expected one of"):
        check_place(place, states(chosen(tmp_path, QUICK)))


def test_what_was_done_otherwise_than_without_a_cut_is_told(cuts):
    cuts.under(lambda _: Pass(), "with one step more", [*cuts.steps, Step("more", lambda f: f.add_json("more", 1))])
    assert len(cuts.failures) == 2
