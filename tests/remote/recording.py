"""Requests as they went through a proxy: what they were, how many followed one another, how many went at once."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from tests.remote.wire import Head

__all__ = ["Request", "most_at_once", "request_of", "round_trips", "timeline", "waves"]

_CONDITIONS = ("if-none-match", "if-match")
_WIDTH = 40
#: Names that nobody reads to the end, such as digests.
_LONG = re.compile(r"([0-9a-f]{8})[0-9a-f]{8,}")


@dataclass(frozen=True)
class Request:
    """One request, and what became of it so far."""

    #: How many came before it.
    number: int
    method: str
    #: As text, not quoted for a URL.
    path: str
    query: str
    #: The precondition: ``"If-None-Match: *"``; None where there is none.
    condition: str | None
    #: Of the body, where its length was said beforehand.
    length: int
    #: In seconds, of one clock for all requests.
    start: float
    #: When the last of the reply was sent; infinite for a request in flight.
    end: float = math.inf
    #: What the client was answered; None where it was not, or not yet.
    status: int | None = None

    @property
    def is_conditional_write(self) -> bool:
        """Whether it may be refused for what is there already."""
        return self.condition is not None and self.method not in {"GET", "HEAD"}

    def __str__(self) -> str:
        target = self.path + (f"?{self.query}" if self.query else "")
        words = [self.method, _LONG.sub(lambda name: f"{name[1]}..", target)]
        words += [f"({self.condition})"] if self.condition else []
        words += [f"{self.length} bytes"] if self.length else []
        return " ".join([*words, "->", "no answer" if self.status is None else str(self.status)])


def request_of(number: int, head: Head) -> Request:
    """The request that begins now with `head`."""
    method, target, _ = head.first.split(" ", 2)
    url = urlsplit(target)
    condition = next((f"{name.title()}: {value}" for name in _CONDITIONS if (value := head.get(name))), None)
    return Request(number, method, unquote(url.path), url.query, condition, head.length or 0, time.monotonic())


def round_trips(requests: Iterable[Request]) -> int:
    """The length of the longest chain of requests none of which began before the one before it had ended."""
    return len(waves(requests))


def waves(requests: Iterable[Request]) -> list[list[Request]]:
    """The requests, those in one list that began before the first of them to end had ended."""
    found: list[list[Request]] = []
    first_end = -math.inf
    for request in sorted(requests, key=lambda request: request.start):
        if request.start >= first_end:
            found.append([])
            first_end = math.inf
        found[-1].append(request)
        first_end = min(first_end, request.end)
    return found


def most_at_once(requests: Iterable[Request]) -> int:
    """The highest number of requests in flight."""
    moments = [(moment, step) for each in requests for moment, step in ((each.start, 1), (each.end, -1))]
    count = most = 0
    for _, step in sorted(moments):  # at one moment ends come before starts
        count += step
        most = max(most, count)
    return most


def timeline(requests: Sequence[Request]) -> str:
    """The requests wave by wave, each with its bar, for people."""
    if not requests:
        return "no requests"
    ends = [request.end for request in requests if request.end < math.inf]
    begin = min(request.start for request in requests)
    last = max([*ends, *(request.start for request in requests)])
    lines = [f"{len(requests)} requests in {round_trips(requests)} round trips, {(last - begin) * 1e3:.0f} ms"]
    for number, wave in enumerate(waves(requests), 1):
        lines += [f"{number:3} |{_bar(request, begin, last)}| {request}" for request in wave]
    return "\n".join(lines)


def _bar(request: Request, begin: float, last: float) -> str:
    scale = _WIDTH / ((last - begin) or 1)
    start = min(int((request.start - begin) * scale), _WIDTH - 1)
    end = max(int((min(request.end, last) - begin) * scale), start + 1)
    return " " * start + "=" * (end - start) + " " * (_WIDTH - end)
