"""The cache that every folio far away shares, as the environment sets it up.

Beside the command, this alone reads settings from the environment.  The cache is one for all programs of a
user: a notebook and a command that each had one would fetch everything twice and take twice the room, and a
handle of the library has nowhere to say where it is, since that is no property of a folio.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from datafolio.errors import UsageError
from datafolio.store.cache import LIMIT, Cache, default_folder
from datafolio.text import parse_size, quoted

__all__ = ["cache"]


def cache() -> Cache:
    """The cache in the folder DATAFOLIO_CACHE_DIR, by default the user's own, of the size DATAFOLIO_CACHE_SIZE.

    The same one for as long as these stay the same.  Raises UsageError if the size is none.
    """
    folder = os.environ.get("DATAFOLIO_CACHE_DIR")
    return _cache(_absolute(folder) if folder else None, _limit(os.environ.get("DATAFOLIO_CACHE_SIZE", "")))


def _absolute(folder: str) -> str:
    return os.path.abspath(os.path.expanduser(folder))


def _limit(text: str) -> int:
    if not text.strip():
        return LIMIT
    limit = parse_size(text)
    if limit is None:
        raise UsageError(
            f"DATAFOLIO_CACHE_SIZE is {quoted(text)}; set it to a size, such as 20GB, or to 0 for no cache"
        )
    return limit


@functools.cache
def _cache(folder: str | None, limit: int) -> Cache:
    return Cache(default_folder() if folder is None else Path(folder), limit)
