"""Web servers on loopback, from Python's own to ones with the habits of others.

with serving(folder, Static) as server:
    HttpBackend(server.url)
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import gzip
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["HABITS", "Static", "Web", "serving"]


@dataclass
class Web:
    """A running server."""

    url: str
    folder: Path
    #: Method, path and status of each answer, in order.
    answered: list[tuple[str, str, int]] = field(default_factory=list)
    #: The headers of each request.
    asked: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    #: What a habit needs to remember.
    left: int = 0


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A client may end a connection when it likes."""


@contextlib.contextmanager
def serving(folder, handler, *, at="", tls=None) -> Iterator[Web]:
    """The files of `folder`, as `handler` gives them, below the path `at`."""
    web = Web("", Path(folder))
    with _Server(("127.0.0.1", 0), partial(handler, web, at)) as server:
        web.url = f"http://127.0.0.1:{server.server_address[1]}{at}"
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            web.url = web.url.replace("http://127.0.0.1", "https://localhost")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()


class _Watched(http.server.SimpleHTTPRequestHandler):
    """Python's own: no ranges, no ETag, a connection for each request, and a page for each folder."""

    def __init__(self, web, at, *arguments):
        self.web, self.at = web, at
        super().__init__(*arguments, directory=str(web.folder))

    def setup(self):
        self.web.connections += 1
        super().setup()

    def parse_request(self):
        if not super().parse_request():
            return False
        self.web.asked.append(dict(self.headers))
        return True

    def send_response(self, code, message=None):
        self.web.answered.append((self.command, self.path, int(code)))
        super().send_response(code, message)

    def translate_path(self, path):
        return super().translate_path(path.removeprefix(self.at))

    def log_message(self, *arguments):
        pass


class Static(_Watched):
    """As nginx, Apache or a bucket gives files: ranges, ETags, connections that stay open, no listings."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in as few packets as there may be
    takes_ranges = True
    tells_versions = True

    def do_GET(self):
        self.give(self.found())

    do_HEAD = do_GET

    def found(self):
        path = self.web.folder / unquote(urlsplit(self.path).path.removeprefix(self.at)).lstrip("/")
        return path.read_bytes() if path.is_file() else None

    def give(self, data):
        if data is None:
            return self.say(404)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not (wanted and self.takes_ranges):
            return self.say(200, data)
        start, stop = int(wanted[1]), min(int(wanted[2] or len(data)) + 1, len(data))
        if start >= len(data):
            return self.say(416, headers={"Content-Range": f"bytes */{len(data)}"})
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        return self.say(206, data[start:stop], headers, whole=data)

    def say(self, status, body=b"", headers=None, *, whole=None):
        self.send_response(status)
        if status in {200, 206}:
            self.tell_of(body if whole is None else whole)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_body(body)

    def tell_of(self, whole):
        if self.takes_ranges:
            self.send_header("Accept-Ranges", "bytes")
        if self.tells_versions:
            self.send_header("ETag", f'"{hashlib.md5(whole).hexdigest()}"')
            self.send_header("Last-Modified", email.utils.formatdate(0, usegmt=True))

    def send_body(self, body):
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


class _Unversioned(Static):
    """Tells no ETag and no date, and takes no ranges."""

    takes_ranges = False
    tells_versions = False


class _Headless(Static):
    """Refuses HEAD, as signed URLs do."""

    def do_HEAD(self):
        self.say(403)


class _Flowing(Static):
    """Makes its answers while it sends them, so that it never tells a length."""

    takes_ranges = False

    def send_body(self, body):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command != "HEAD":
            for part in [body[: len(body) // 2], body[len(body) // 2 :]]:
                if part:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()


class _Hiding(Static):
    """Forbids what is not there, as S3 does to those who may not list a bucket."""

    def say(self, status, *arguments, **more):
        super().say(403 if status == 404 else status, *arguments, **more)


class _Homely(Static):
    """Has a page for whatever it does not find, as servers of one-page applications do."""

    def say(self, status, *arguments, **more):
        if status == 404:
            return super().say(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})
        return super().say(status, *arguments, **more)


class _Elsewhere(Static):
    """Sends everybody on to where the files are."""

    def do_GET(self):
        if "/elsewhere" in self.path:
            self.path = self.path.replace("/elsewhere", "", 1)
            return super().do_GET()
        return self.say(302, headers={"Location": f"/elsewhere{self.path}"})

    do_HEAD = do_GET


class Stale(Static):
    """Closes each connection after one answer, without saying so before."""

    def do_GET(self):
        super().do_GET()
        self.close_connection = True

    do_HEAD = do_GET


class Busy(Static):
    """Says every other time that it has too much to do."""

    def do_GET(self):
        self.web.left += 1
        if self.web.left % 2:
            return self.say(503)
        return super().do_GET()

    do_HEAD = do_GET


class Cutting(Static):
    """Breaks every answer of some size off, after as much as a piece."""

    piece = 1 << 20

    def send_body(self, body):
        if len(body) <= self.piece or self.command == "HEAD":
            return super().send_body(body)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.piece])
        self.wfile.flush()
        self.close_connection = True
        return None


class CuttingWithoutRanges(Cutting):
    """The same, once, from a server that then begins from the start again."""

    takes_ranges = False

    def send_body(self, body):
        if self.web.left == 0 and len(body) > self.piece and self.command == "GET":
            self.web.left = 1
            return super().send_body(body)
        return Static.send_body(self, body)


class CutForGood(Cutting):
    """Breaks off, and then sends nothing more."""

    def send_body(self, body):
        if "Range" in self.headers and self.command == "GET":
            self.close_connection = True
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return self.wfile.flush()
        return super().send_body(body)


class Zipping(Static):
    """Compresses what nobody asked it to."""

    def say(self, status, body=b"", headers=None, **more):
        super().say(status, gzip.compress(body), {"Content-Encoding": "gzip"} | (headers or {}))


class Guarded(Static):
    """Wants a user and a password."""

    def do_GET(self):
        expected = "Basic " + base64.b64encode(b"ada:pass word").decode()
        if self.headers.get("Authorization") != expected:
            return self.say(401)
        return super().do_GET()

    do_HEAD = do_GET


class Signed(Static):
    """Wants a signature in the query."""

    def do_GET(self):
        if urlsplit(self.path).query != "sig=hush%2Bhush":
            return self.say(403)
        return super().do_GET()

    do_HEAD = do_GET


class Failing(Static):
    """Is out of order."""

    def do_GET(self):
        self.say(500)

    do_HEAD = do_GET


#: All of these can publish a folio.
HABITS = {
    "python -m http.server": _Watched,
    "ranges and ETags": Static,
    "no versions and no ranges": _Unversioned,
    "no HEAD": _Headless,
    "no lengths": _Flowing,
    "missing is forbidden": _Hiding,
    "missing is a page": _Homely,
    "redirects": _Elsewhere,
    "closes without a word": Stale,
    "busy": Busy,
}
