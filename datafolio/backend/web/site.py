"""Files below a URL, as any web server gives them.

Of what a server may do beyond giving whole files, byte ranges and HEAD, nothing is needed: what it
does not do is done without.  What differs from one server to another is known here alone.
"""

from __future__ import annotations

import contextlib
import http.client
import re
from collections.abc import Generator, Hashable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from datafolio.backend.base import Key, check_key
from datafolio.backend.web.connections import ATTEMPTS, BROKEN, Client, basic, pause
from datafolio.errors import KeyMissingError, StorageError, UsageError

__all__ = ["Download", "Found", "Site"]

_PIECE = 1 << 20
_TIMEOUT = 60.0

_OK = 200
_PARTIAL = 206
_FORBIDDEN = 403
_NO_SUCH_RANGE = 416
# A redirect that is not followed is the one from a folder's name to the same with a slash.
_GONE = frozenset({301, 302, 303, 307, 308, 404, 410})
# What servers, and signatures made for GET, say to HEAD.
_NO_HEAD = frozenset({400, 401, 403, 405, 501})
_HINTS = {
    401: "; credentials go before the host in the URL, or into storage_options as a header",
    403: "; there is no such file, or it may not be read",
}
# Where a server that shows a page instead of saying that there is no such file would mislead.
_NEVER_HTML = ("log/", "folio.json")

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Found(NamedTuple):
    """What a server tells of a file without sending it."""

    size: int
    #: Its version: None from a server that tells nothing to go by.
    stamp: Hashable | None


class Site:
    """What is below one URL.  Errors are StorageErrors that never show the URL's query, user and password."""

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        parts = _parts(url)
        path = quote(parts.path.rstrip("/"), safe="/%~!$&'()*+,;=:@")
        self.location = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        self._query = f"?{parts.query}" if parts.query else ""
        headers, timeout = _settings(storage_options)
        if parts.username is not None:
            headers["Authorization"] = basic(parts.username, parts.password)
        self._client = Client(headers, timeout)
        # Whether anything could be read: then what is forbidden is what is not there.
        self._is_open = False
        # Whether HEAD is answered; None as long as that is not known.
        self._has_head: bool | None = None

    def look(self, key: Key) -> Found | None:
        """What is at `key`, or None where nothing is."""
        with self.during("looking at", key):
            if self._has_head is not False:
                with self.answer("HEAD", key) as response:
                    if response.status not in _NO_HEAD or self._has_head:
                        if self._is_gone(response, key):
                            return None
                        self.require(response, key)
                        size = _size(response)
                        if size is not None:
                            self._has_head = True
                            return Found(size, _stamp(response, size))
            return self._look_with_get(key)

    def _look_with_get(self, key: Key) -> Found | None:
        with self.answer("GET", key, {"Range": "bytes=0-0"}) as response:
            if self._is_gone(response, key):
                return None
            if response.status != _NO_SUCH_RANGE:  # which an empty file has not
                self.require(response, key)
            size = _size(response)
            if size is None:
                size = sum(map(len, _bytes_of(response)))
        self._has_head = False
        return Found(size, _stamp(response, size))

    def answer(
        self, method: str, key: Key, headers: Mapping[str, str] | None = None
    ) -> contextlib.AbstractContextManager[http.client.HTTPResponse]:
        """What the server answers to a request for `key`, whatever it is."""
        check_key(key)
        return self._client.request(method, f"{self.location}/{quote(key)}{self._query}", headers or {})

    def require(self, response: http.client.HTTPResponse, key: Key) -> None:
        """Raise KeyMissingError or StorageError unless `response` is about what is at `key`."""
        if self._is_gone(response, key):
            raise KeyMissingError(f"{self.location} has no {key}")
        if response.status not in {_OK, _PARTIAL}:
            said = f"{response.status} {response.reason}{_HINTS.get(response.status, '')}"
            raise StorageError(f"reading {self.location}/{key}: the server says {said}")
        encoding = response.getheader("Content-Encoding", "identity")
        if encoding != "identity":
            raise StorageError(
                f"reading {self.location}/{key}: the server compresses it ({encoding}), though it was asked not to; "
                f"have it send files as they are"
            )
        self._is_open = True

    def _is_gone(self, response: http.client.HTTPResponse, key: Key) -> bool:
        if response.status in _GONE:
            return True
        if response.status == _FORBIDDEN:
            return self._is_open
        return key.startswith(_NEVER_HTML) and response.getheader("Content-Type", "").startswith("text/html")

    @contextlib.contextmanager
    def during(self, what: str, key: Key) -> Iterator[None]:
        """Tell of any failure as a StorageError that says what was being done."""
        try:
            yield
        except StorageError:
            raise
        except http.client.IncompleteRead:
            raise StorageError(f"{what} {self.location}/{key}: the connection broke off") from None
        except OSError as error:  # before the next one, since some are both
            raise StorageError.during(f"{what} {self.location}/{key}", error) from error
        except http.client.HTTPException as error:
            raise StorageError(f"{what} {self.location}/{key}: the answer is no HTTP ({error!r})") from error


class Download:
    """The bytes of one key, all or those from `start` to `stop`, gone on with where a connection breaks."""

    def __init__(self, site: Site, key: Key, start: int = 0, stop: int | None = None) -> None:
        self.key = key
        #: What the server told of the file, once it is under way.
        self.size: int | None = None
        self.stamp: Hashable | None = None
        self.takes_ranges = False
        self._site = site
        self._at = start
        self._stop = stop
        self._is_answered = False

    def pieces(self) -> Generator[bytes, None, None]:
        """The bytes.  Raises KeyMissingError, and StorageError when there is no going on."""
        fruitless = 0
        with self._site.during("reading", self.key):
            while True:
                before = self._at
                self._is_answered = False
                try:
                    yield from self._attempt()
                except BROKEN:
                    fruitless = fruitless + 1 if self._at == before else 0
                    if not self._is_answered or fruitless == ATTEMPTS:
                        raise
                    pause(fruitless)
                else:
                    return

    def _attempt(self) -> Iterator[bytes]:
        with self._site.answer("GET", self.key, self._range()) as response:
            self._is_answered = True
            self._site.require(response, self.key)
            self._note(response)
            skipped = self._at - _start(response)
            if skipped < 0:
                raise StorageError(f"reading {self._site.location}/{self.key}: the server sends another range")
            for piece in _bytes_of(response):
                wanted = piece[skipped:][: None if self._stop is None else self._stop - self._at]
                skipped = max(0, skipped - len(piece))
                self._at += len(wanted)
                if wanted:
                    yield wanted
                if self._at == self._stop:
                    return
        end = self.size if self._stop is None else self._stop
        if end is not None and self._at < end:
            raise http.client.IncompleteRead(b"")  # it sent less than it was asked for

    def _range(self) -> dict[str, str]:
        if self._stop is not None:
            return {"Range": f"bytes={self._at}-{self._stop - 1}"}
        return {"Range": f"bytes={self._at}-"} if self._at else {}

    def _note(self, response: http.client.HTTPResponse) -> None:
        size = _size(response)
        stamp = None if size is None else _stamp(response, size)
        if self.size is not None and (size, stamp) != (self.size, self.stamp):
            raise StorageError(f"{self._site.location}/{self.key} was changed while it was read; read it again")
        self.size, self.stamp = size, stamp
        self.takes_ranges = response.status == _PARTIAL or response.getheader("Accept-Ranges") == "bytes"


def _parts(url: str) -> SplitResult:
    with contextlib.suppress(ValueError):  # of a port or an address that is none
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return parts
    raise UsageError("a folio over HTTP is at a URL such as https://example.org/folio")


def _settings(options: Mapping[str, Any]) -> tuple[dict[str, str], float]:
    unknown = sorted(set(options) - {"headers", "timeout"})
    if unknown:
        raise UsageError(f"over HTTP storage_options has headers and timeout, and not {', '.join(unknown)}")
    try:
        return dict(options.get("headers") or {}), float(options.get("timeout") or _TIMEOUT)
    except (TypeError, ValueError):
        raise UsageError("in storage_options, headers is a mapping, and timeout a number of seconds") from None


def _bytes_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while piece := response.read(_PIECE):
        yield piece
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def _content_range(response: http.client.HTTPResponse) -> re.Match[str] | None:
    return _RANGE.fullmatch(response.getheader("Content-Range", "")) if response.status != _OK else None


def _start(response: http.client.HTTPResponse) -> int:
    found = _content_range(response)
    return int(found[1] or 0) if found else 0


def _size(response: http.client.HTTPResponse) -> int | None:
    """Of the whole file; None where that is not told."""
    found = _content_range(response)
    if found:
        return int(found[2])
    length = response.getheader("Content-Length", "")
    return int(length) if response.status == _OK and length.isdecimal() else None


def _stamp(response: http.client.HTTPResponse, size: int) -> Hashable | None:
    told = response.getheader("ETag"), response.getheader("Last-Modified")
    return (*told, size) if any(told) else None
