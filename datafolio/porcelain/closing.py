"""What is left to be done far away when the program ends."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading

from datafolio.errors import DamageError, FolioNotFoundError, StorageError
from datafolio.store.repository import Repository
from datafolio.store.views import write_views

__all__ = ["write_views_at_the_end"]

_waiting: dict[str, Repository] = {}


def write_views_at_the_end(repository: Repository) -> None:
    """Have the files for people brought up to date when the main thread ends."""
    _come_at_the_end()
    _waiting[repository.backend.location] = repository


def _come() -> None:
    # A server that does not answer is waited for once, and not for each folio: the next program makes the files.
    with contextlib.suppress(StorageError):
        while _waiting:
            with contextlib.suppress(DamageError, FolioNotFoundError):
                write_views(_waiting.popitem()[1], last_chance=True)
    _waiting.clear()


@functools.cache
def _come_at_the_end() -> None:
    """Have `_come` called when the main thread ends, while connections can still be made.

    `atexit` is too late for that: no address can be looked up in a thread then, and file systems may have closed
    their connections.  It is for what other threads write after the main one has ended.
    """
    import concurrent.futures.thread  # what is registered last comes first

    del concurrent
    with contextlib.suppress(AttributeError, RuntimeError):  # it is no part of what Python promises; or it is too late
        threading._register_atexit(_come)  # type: ignore[attr-defined]  # noqa: SLF001 - nothing public is early enough
    atexit.register(_come)


if hasattr(os, "register_at_fork"):  # what waits is for the parent to do
    os.register_at_fork(after_in_child=_waiting.clear)
