"""HTTP requests over connections that stay open: as much of the protocol as reading files takes.

Requests are sent again where sending them twice does no harm, which for GET and HEAD is always: when a
connection breaks before the answer has begun, and when a server says that it has too much to do.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import random
import ssl
import time
import urllib.request
import weakref
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

from datafolio.errors import StorageError

__all__ = ["ATTEMPTS", "BROKEN", "Client", "basic", "pause"]

#: What a request is sent again for, and how often in all.
BROKEN = (ConnectionError, TimeoutError, http.client.HTTPException, ssl.SSLEOFError, ssl.SSLZeroReturnError)
ATTEMPTS = 5
_LONGEST_PAUSE = 1.0

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_WAY = 5

# What is left of an answer that nobody wants is read up to here, so that the connection can be used again.
_LEFT_OVER = 64 << 10

# A redirect may name anything; what can't stand in a request is quoted, what is quoted stays so.
_AS_IT_IS = "/%:?#[]@!$&'()*+,;=~"


class _Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class _Proxy(NamedTuple):
    host: str
    port: int
    headers: Mapping[str, str]


class _Answer(NamedTuple):
    origin: _Origin
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def is_read_to_the_end(self) -> bool:
        """Whether nothing of it is on the way any more, so that the connection can be used again."""
        with contextlib.suppress(*BROKEN):
            if not self.response.isclosed() and (self.response.length or 0) <= _LEFT_OVER:
                self.response.read(_LEFT_OVER)
        return self.response.isclosed() and self.connection.sock is not None

    def end(self) -> None:
        self.response.close()
        self.connection.close()


class Client:
    """Sends requests to any number of servers.  Safe to share between threads, and with forked processes.

    The system's proxies are used as other programs use them (``https_proxy``, ``no_proxy``).
    """

    def __init__(self, headers: Mapping[str, str], timeout: float) -> None:
        """`headers` go with each request, but to no other server than the one that was asked."""
        self._headers = dict(headers)
        self._timeout = timeout
        self._proxies = urllib.request.getproxies()
        self._idle: dict[_Origin, list[http.client.HTTPConnection]] = {}
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle)

    @contextlib.contextmanager
    def request(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """The answer, redirects followed, whatever its status; its body is read inside the ``with``."""
        answer = self._patiently(method, url, headers)
        try:
            yield answer.response
        except BROKEN:
            answer.end()
            raise
        finally:
            self._give_back(answer)

    def _patiently(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        for attempt in range(ATTEMPTS):
            is_last = attempt == ATTEMPTS - 1
            try:
                answer = self._followed(method, url, headers)
            except BROKEN:
                if is_last:
                    raise
                _close_all(self._idle)  # the server has let go of one, and so of the others, most likely
            else:
                if is_last or answer.response.status not in _BUSY:
                    return answer
                answer.end()
            pause(attempt)
        raise AssertionError("unreachable")

    def _followed(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        first = _origin(url)
        for _ in range(_LONGEST_WAY):
            origin = _origin(url)
            answer = self._sent(method, origin, url, {**(self._headers if origin == first else {}), **headers})
            location = answer.response.getheader("Location")
            if answer.response.status not in _REDIRECTS or location is None:
                return answer
            target = quote(urljoin(url, location), safe=_AS_IT_IS)
            if urlsplit(target).path == urlsplit(url).path + "/":
                return answer  # that is how servers speak of a folder
            self._give_back(answer)
            url = target
        raise StorageError(f"the server redirects more than {_LONGEST_WAY} times")

    def _sent(self, method: str, origin: _Origin, url: str, headers: Mapping[str, str]) -> _Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxy = self._proxy(origin)
        if proxy is not None and origin.scheme == "http":
            target = f"http://{parts.netloc}{target}"
            headers = {**headers, **proxy.headers}
        connection = self._connection(origin, proxy)
        try:
            connection.request(method, target, headers={"Accept-Encoding": "identity", **headers})
            return _Answer(origin, connection, connection.getresponse())
        except BaseException:
            connection.close()
            raise

    def _connection(self, origin: _Origin, proxy: _Proxy | None) -> http.client.HTTPConnection:
        if self._process != os.getpid():  # what is open is the other process's too, and stays open there
            _close_all(self._idle)
            self._process = os.getpid()
        with contextlib.suppress(KeyError, IndexError):
            return self._idle[origin].pop()
        kind = http.client.HTTPSConnection if origin.scheme == "https" else http.client.HTTPConnection
        if proxy is None:
            return kind(origin.host, origin.port, timeout=self._timeout)
        connection = kind(proxy.host, proxy.port, timeout=self._timeout)
        if origin.scheme == "https":
            connection.set_tunnel(origin.host, origin.port, dict(proxy.headers))
        return connection

    def _give_back(self, answer: _Answer) -> None:
        if answer.is_read_to_the_end():
            self._idle.setdefault(answer.origin, []).append(answer.connection)
        else:
            answer.end()

    def _proxy(self, origin: _Origin) -> _Proxy | None:
        url = self._proxies.get(origin.scheme)
        if url is None or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        headers = {} if parts.username is None else {"Proxy-Authorization": basic(parts.username, parts.password)}
        return _Proxy(parts.hostname or "", parts.port or 80, headers)


def basic(user: str, password: str | None) -> str:
    """The value of a header for what stands before the ``@`` of a URL."""
    both = f"{unquote(user)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(both.encode()).decode()


def pause(attempt: int) -> None:
    """Wait before attempt `attempt` + 2; hardly at all before the second."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.05 * 3**attempt)) if attempt else 0)  # noqa: S311 - no secret


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise StorageError(f"the server redirects to {parts.scheme or 'nowhere'}, and only http and https are followed")
    return _Origin(parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))


def _close_all(idle: dict[_Origin, list[http.client.HTTPConnection]]) -> None:
    for connections in list(idle.values()):
        while connections:
            with contextlib.suppress(IndexError):  # another thread took the last one
                connections.pop().close()
