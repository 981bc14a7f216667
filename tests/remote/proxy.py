"""A proxy in front of an object store, which delays, notes every request, and can let any of them go wrong.

    with Proxy("http://127.0.0.1:8333", delay=0.02) as proxy:
        fs = s3fs.S3FileSystem(endpoint_url=proxy.endpoint, ...)

It forwards a request with the Host that the client gave it, so signatures made for the proxy's own
address hold.  It runs in a thread, and each client's connection has one to the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from tests.remote.recording import Request, request_of
from tests.remote.wire import LARGEST_HEAD, Head, discard_body, pass_body, pass_reply_body, read_head

__all__ = ["CONFLICT", "SERVER_ERROR", "SLOW_DOWN", "Action", "Answer", "Cut", "Pass", "Proxy", "Rule", "Stall"]

T = TypeVar("T")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Pass:
    """Forward the request, and the reply."""


@dataclass(frozen=True)
class Cut:
    """Cut the client's connection instead of forwarding the request, or `after` the server has answered."""

    after: bool = False
    #: Called just before, in the proxy's thread: something that kills the client, for example.
    hook: Callable[[], object] = _nothing


@dataclass(frozen=True)
class Answer:
    """Answer in the server's place with an error in S3's own form."""

    status: int
    reason: str
    code: str


@dataclass(frozen=True)
class Stall:
    """Wait so many seconds, then forward."""

    seconds: float


#: What to do with a request.
Action = Pass | Cut | Answer | Stall

#: Decides in the proxy's thread, for one request after another.
Rule = Callable[[Request], Action]

SLOW_DOWN = Answer(503, "Slow Down", "SlowDown")
CONFLICT = Answer(409, "Conflict", "ConditionalRequestConflict")
SERVER_ERROR = Answer(500, "Internal Server Error", "InternalError")


class _ConnectionCut(Exception):
    pass


@dataclass
class _Recording:
    requests: list[Request] = field(default_factory=list)
    #: Of the requests, without those that only ask whether they may come.
    count: int = 0


class Proxy:
    """A running proxy, to be used in a ``with`` statement, from any thread."""

    def __init__(self, endpoint: str, *, delay: float = 0.0) -> None:
        """Forward to `endpoint`, an http URL; each request and each reply takes `delay` seconds more."""
        url = urlsplit(endpoint)
        assert url.scheme == "http", endpoint
        assert url.hostname, endpoint
        self._server_address = url.hostname, url.port or 80
        self.delay = delay
        #: What is done with the requests that come from now on; may be changed at any time.
        self.rule: Rule = lambda _: Pass()
        self._recording = _Recording()
        self._connections: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._listener = self._do(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LARGEST_HEAD))
        self.endpoint = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._failures and error is None:
            raise self._failures[0]

    def recording(self) -> list[Request]:
        """The requests since `restart`, in the order in which they came."""
        return self._do(self._recorded())

    def restart(self) -> None:
        """Forget the requests so far, and number those that come from 0."""
        self._do(self._forget())

    def settle(self) -> None:
        """Wait until no request is in flight: after a client was killed, the last may still be on its way."""
        self._do(self._settled())

    def kill_at(self, number: int, kill: Callable[[], object], *, after: bool = False) -> None:
        """Start a new recording, and call `kill` instead of forwarding request `number`, or `after` it was answered."""
        self.restart()
        cut = Cut(after=after, hook=kill)
        self.rule = lambda request: cut if request.number == number else Pass()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _recorded(self) -> list[Request]:
        return list(self._recording.requests)

    async def _forget(self) -> None:
        self._recording = _Recording()

    async def _settled(self) -> None:
        while any(request.end == math.inf for request in self._recording.requests):  # noqa: ASYNC110 - rarely, shortly
            await asyncio.sleep(0.002)

    async def _close(self) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connection = _Connection(self, reader, writer)
        try:
            await connection.serve()
        except asyncio.CancelledError:
            pass  # the proxy ends
        except (ConnectionError, asyncio.IncompleteReadError, _ConnectionCut):
            pass  # one of the two sides is gone, and so is the other in a moment
        except Exception as error:  # noqa: BLE001 - raised at the end of the with statement
            self._failures.append(error)
        finally:
            connection.abort()
            self._connections.discard(task)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection to the server."""
        return await asyncio.open_connection(*self._server_address, limit=LARGEST_HEAD)

    @contextlib.contextmanager
    def noted(self, head: Head, *, is_ask: bool = False) -> Iterator[tuple[Request, Callable[[int], None]]]:
        """The request, noted until the end of the block, and what to call with the status of the answer.

        One that only asks whether it may come has the number of the request that it is about.
        """
        recording = self._recording  # this one, even if another begins meanwhile
        request = request_of(recording.count, head)
        place = len(recording.requests)
        recording.requests.append(request)
        recording.count += not is_ask
        status: list[int] = []
        try:
            yield request, status.append
        finally:
            told = status[0] if status else None
            recording.requests[place] = dataclasses.replace(request, end=time.monotonic(), status=told)


class _Connection:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def serve(self) -> None:
        """Answer requests until the client or the server ends the connection."""
        goes_on = True
        while goes_on and (head := await read_head(self._reader)) is not None:
            if (head.get("expect") or "").lower() == "100-continue":
                await self._let_it_come(head)
            with self._proxy.noted(head) as (request, answered):
                await self._travel()
                goes_on = await self._carry_out(self._proxy.rule(request), request, head.without("expect"), answered)

    def abort(self) -> None:
        """Let go of both sides at once."""
        for writer in (self._writer, *([self._server[1]] if self._server else [])):
            writer.transport.abort()

    async def _travel(self) -> None:
        if self._proxy.delay:
            await asyncio.sleep(self._proxy.delay)

    async def _let_it_come(self, head: Head) -> None:
        """The client sends the head alone, and waits to be told to go on: a round trip by itself."""
        with self._proxy.noted(head, is_ask=True) as (_, answered):
            await self._travel()
            await self._travel()
            answered(100)
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _carry_out(self, action: Action, request: Request, head: Head, answered: Callable[[int], None]) -> bool:
        if isinstance(action, Answer):
            return await self._answer(action, request, head, answered)
        if isinstance(action, Cut) and not action.after:
            await discard_body(head, self._reader)
            action.hook()
            raise _ConnectionCut
        if isinstance(action, Stall):
            await asyncio.sleep(action.seconds)
        return await self._forward(action, request, head, answered)

    async def _answer(self, answer: Answer, request: Request, head: Head, answered: Callable[[int], None]) -> bool:
        await discard_body(head, self._reader)
        await self._travel()
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{answer.code}</Code></Error>'.encode()
        fields = (("Content-Type", "application/xml"), ("Content-Length", str(len(body))))
        reply = Head(f"HTTP/1.1 {answer.status} {answer.reason}", fields).encoded()
        self._writer.write(reply if request.method == "HEAD" else reply + body)
        answered(answer.status)
        await self._writer.drain()
        return True

    async def _forward(self, action: Action, request: Request, head: Head, answered: Callable[[int], None]) -> bool:
        reader, writer = await self._to_server()
        writer.write(head.encoded())
        sending = asyncio.ensure_future(pass_body(head, self._reader, writer))
        try:
            reply = await _reply_to(sending, reader)
            if isinstance(action, Cut):
                action.hook()
                raise _ConnectionCut
            await self._travel()
            self._writer.write(reply.encoded())
            answered(reply.status)
            goes_on = await pass_reply_body(reply, request.method, reader, self._writer)
            await self._writer.drain()
            return goes_on and sending.done()  # a server may refuse what it has not read to the end
        finally:
            await _end(sending)

    async def _to_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._server is None or self._server[0].at_eof():
            if self._server is not None:
                self._server[1].transport.abort()
            self._server = await self._proxy.connect()
        return self._server


async def _reply_to(sending: asyncio.Future[None], reader: asyncio.StreamReader) -> Head:
    """The head of the reply; an error if the client is gone before it has sent everything."""
    reply = asyncio.ensure_future(_reply_head(reader))
    try:
        await asyncio.wait({sending, reply}, return_when=asyncio.FIRST_COMPLETED)
        if not reply.done() and isinstance(error := sending.exception(), asyncio.IncompleteReadError):
            raise error
        return await reply
    finally:
        reply.cancel()


async def _reply_head(reader: asyncio.StreamReader) -> Head:
    while (head := await read_head(reader)) is not None:
        if head.status >= 200:
            return head
    raise ConnectionResetError("the server ended the connection without a reply")


async def _end(sending: asyncio.Future[None]) -> None:
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
        await sending
