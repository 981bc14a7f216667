"""The proxy itself: what it passes on, what it notes, and how it lets things go wrong."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
import time

import pytest

from tests.remote.proxy import SLOW_DOWN, Cut, Pass, Proxy, Stall
from tests.remote.recording import Request, most_at_once, round_trips, timeline


class _Handler(http.server.BaseHTTPRequestHandler):
    """Keeps what is PUT, in whatever form it came, and gives it back in chunks."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self._chunks() if self.headers["Transfer-Encoding"] else self.rfile.read(length)
        if len(body) >= length:  # all that was announced
            self.server.kept[self.path] = body
            self.server.hosts.append(self.headers["Host"])
            self._reply(b"")

    def do_GET(self):
        body = self.server.kept.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def do_HEAD(self):
        self._reply(b"", length=len(self.server.kept[self.path]))

    def _reply(self, body, length=0):
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _chunks(self):
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size + 2)[:-2]
        self.rfile.readline()
        return found

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.kept, running.hosts = {}, []
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def proxy(server):
    with Proxy(f"http://127.0.0.1:{server.server_port}") as running:
        yield running


@contextlib.contextmanager
def client(proxy):
    connection = http.client.HTTPConnection(proxy.endpoint.removeprefix("http://"), timeout=10)
    with contextlib.closing(connection):
        yield connection


def ask(connection, method, path="/a", body=None, **headers):
    connection.request(method, path, body, headers)
    with connection.getresponse() as reply:
        return reply.status, reply.read()


def put_if_free(connection, path="/a"):
    return ask(connection, "PUT", path, b"1", **{"If-None-Match": "*"})


def test_bodies_go_through_whole_on_one_connection_whatever_their_form(proxy, server):
    data = bytes(range(256)) * 9000
    with client(proxy) as connection:
        assert ask(connection, "PUT", "/plain", data)[0] == 200
        assert ask(connection, "PUT", "/chunked", iter([data[:7], data[7:]]))[0] == 200
        assert ask(connection, "HEAD", "/plain") == (200, b"")
        assert ask(connection, "GET", "/plain") == ask(connection, "GET", "/chunked") == (200, data)
        assert ask(connection, "GET", "/missing")[0] == 404
    assert set(server.hosts) == {proxy.endpoint.removeprefix("http://")}


def test_every_request_is_noted_with_what_became_of_it(proxy):
    with client(proxy) as connection:
        put_if_free(connection, "/a%20b?x=1")
        ask(connection, "GET", "/missing")
    put, get = proxy.recording()
    assert (put.method, put.path, put.query, put.condition) == ("PUT", "/a b", "x=1", "If-None-Match: *")
    assert (put.length, put.status, put.is_conditional_write) == (1, 200, True)
    assert (get.number, get.status, get.condition) == (1, 404, None)
    assert put.start < put.end <= get.start < get.end
    assert "PUT /a b?x=1 (If-None-Match: *) 1 bytes -> 200" in timeline([put, get])


def test_a_request_and_its_reply_take_the_delay_each_and_large_ones_no_longer(proxy):
    with client(proxy) as connection:
        proxy.delay = 0.05
        for size in (1, 4 << 20):
            began = time.monotonic()
            ask(connection, "PUT", "/a", bytes(size))
            assert 0.1 <= time.monotonic() - began < 0.2


def test_a_client_that_asks_whether_it_may_send_makes_a_round_trip_more(proxy):
    with client(proxy) as connection:
        connection.putrequest("PUT", "/a")
        connection.putheader("Content-Length", "1")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        connection.send(b"1")
        assert connection.getresponse().status == 200
    assert [(each.number, each.status) for each in proxy.recording()] == [(0, 100), (0, 200)]
    assert round_trips(proxy.recording()) == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_cut_request_is_carried_out_only_if_it_is_cut_after_the_answer(proxy, server, after):
    proxy.rule = lambda request: Cut(after=after) if request.is_conditional_write else Pass()
    with client(proxy) as connection, pytest.raises(ConnectionError):
        put_if_free(connection)
    assert ("/a" in server.kept) == after
    assert proxy.recording()[0].status is None


def test_an_error_can_be_answered_in_the_servers_place(proxy, server):
    proxy.rule = lambda request: SLOW_DOWN if request.number < 2 else Pass()
    with client(proxy) as connection:
        status, body = put_if_free(connection)
        assert (status, b"<Code>SlowDown</Code>" in body) == (503, True)
        assert ask(connection, "HEAD") == (503, b"")
        assert server.kept == {}
        assert put_if_free(connection)[0] == 200


def test_a_stalled_request_comes_later(proxy):
    proxy.rule = lambda _: Stall(0.1)
    with client(proxy) as connection:
        assert put_if_free(connection)[0] == 200
    (request,) = proxy.recording()
    assert request.end - request.start >= 0.1


@pytest.mark.parametrize("after", [False, True])
def test_something_is_called_at_one_request_before_or_after_it_is_carried_out(proxy, server, after):
    seen = []
    proxy.kill_at(1, lambda: seen.append(dict(server.kept)), after=after)
    with client(proxy) as connection:
        put_if_free(connection, "/first")
        with pytest.raises(ConnectionError):
            put_if_free(connection, "/second")
        assert put_if_free(connection, "/third")[0] == 200
    assert list(seen[0]) == (["/first", "/second"] if after else ["/first"])
    assert list(server.kept) == (["/first", "/second", "/third"] if after else ["/first", "/third"])


def test_a_client_that_is_gone_halfway_leaves_nothing_in_flight(proxy, server):
    with client(proxy) as connection:
        connection.putrequest("PUT", "/a")
        connection.putheader("Content-Length", "2")
        connection.endheaders()
        connection.send(b"1")
    while not proxy.recording():
        time.sleep(0.001)
    proxy.settle()
    assert server.kept == {}


def test_what_goes_wrong_inside_the_proxy_is_told_at_its_end(server):
    with pytest.raises(ZeroDivisionError), Proxy(f"http://127.0.0.1:{server.server_port}") as broken:
        ask_with_a_broken_rule(broken)


def ask_with_a_broken_rule(proxy):
    proxy.rule = lambda request: 1 // request.number
    with client(proxy) as connection, pytest.raises(ConnectionError):
        put_if_free(connection)


def request(start, end):
    return Request(0, "GET", "/a", "", None, 0, start, end, 200)


@pytest.mark.parametrize(
    ("spans", "trips", "at_once"),
    [
        ([], 0, 0),
        ([(0, 1)], 1, 1),
        ([(0, 1), (1, 2)], 2, 1),
        ([(0, 1), (0, 1), (0, 2)], 1, 3),
        ([(0, 3), (0, 1), (1, 2), (2, 4)], 3, 2),
        ([(0, 10), (1, 2), (3, 4), (5, 6)], 3, 2),
        ([(0, 1), (0.5, 1.5), (1.2, 2)], 2, 2),
    ],
)
def test_round_trips_are_the_longest_chain_and_not_all_that_overlaps(spans, trips, at_once):
    requests = [request(*span) for span in spans]
    assert round_trips(requests) == trips
    assert most_at_once(requests) == at_once
    assert timeline(requests)
