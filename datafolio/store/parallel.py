"""Several things at once, in a few threads."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from datafolio.backend import Backend

__all__ = ["at_once", "in_parallel"]

T = TypeVar("T")

_THREADS = 8
_LOOK_EVERY = 0.01


def at_once(backend: Backend, *calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, in their order; when all have ended, the first of the errors that they raised.

    The first is made in this thread.  Only where `backend` is distant are the others made beside it: a thread costs
    more than a look at a disk, and much less than a request.  Elsewhere an error ends the row.
    """
    if not backend.is_distant:
        return [call() for call in calls]
    results: list[Any] = [None] * len(calls)
    errors: list[Exception | None] = [None] * len(calls)

    def make(number: int) -> None:
        try:
            results[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 - raised again below
            errors[number] = error

    others = collections.deque(range(1, len(calls)))

    def help_out() -> None:
        with contextlib.suppress(IndexError):
            while True:
                make(others.popleft())

    def own() -> None:
        make(0)
        help_out()  # with what nobody took, where no more threads can be had

    _with_helpers(len(others), own, help_out)
    for error in errors:
        if error is not None:
            raise error
    return results


def in_parallel(work: Callable[[T], object], items: Iterable[T], threads: int = _THREADS) -> None:
    """Call `work` with every item, in this thread and others, at most `threads`; raise the first error when all ended.

    After an error no more items are begun.  An interrupt waits for those that were, too, and is raised before errors.
    """
    waiting = collections.deque(items)
    errors: list[BaseException] = []

    def run() -> None:
        with contextlib.suppress(IndexError):
            while not errors:
                item = waiting.popleft()
                try:
                    work(item)
                except BaseException as error:  # noqa: BLE001 - raised again where the caller sees it
                    errors.append(error)

    try:
        _with_helpers(min(threads, len(waiting)) - 1, run, run, waiting.clear)
    finally:
        if errors:
            raise next((error for error in errors if not isinstance(error, Exception)), errors[0])


def _with_helpers(
    count: int, own: Callable[[], None], helper: Callable[[], None], stop: Callable[[], None] = lambda: None
) -> None:
    """Do `own` here and `helper` in `count` threads; return when all have ended."""
    at_work: set[int] = set()

    def help_out() -> None:
        at_work.add(threading.get_ident())
        try:
            helper()
        finally:
            at_work.discard(threading.get_ident())

    # A pool would take longer to begin than two small files to write.
    helpers = [threading.Thread(target=help_out, daemon=True) for _ in range(count)]
    try:
        for thread in helpers:
            with contextlib.suppress(RuntimeError):  # there are as many as there can be, and those do it all
                thread.start()
        own()
    finally:
        stop()  # so a helper that is not at work yet will find nothing to do
        _wait_for(helpers, at_work)


def _wait_for(helpers: list[threading.Thread], at_work: set[int]) -> None:
    """Return when all have ended; an interrupt is raised, but only then, however many there are."""
    try:
        for helper in helpers:
            if helper.is_alive():
                helper.join()
        # Before Python 3.13, a thread is said to have ended once the waiting for it was interrupted.
        while at_work:
            time.sleep(_LOOK_EVERY)
    except BaseException:
        _wait_for(helpers, at_work)
        raise
