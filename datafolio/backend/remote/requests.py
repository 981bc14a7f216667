"""Requests to a server: patiently where it is busy, and with errors of ours where they fail.

The libraries below have errors of many kinds, not all of them the operating system's.  What matters of one:

* *missing*, *taken*, *denied*: an answer, and the same the next time.
* *busy*: the server did nothing, and says that it may later.  Asked again after a pause, a random part
  of one that doubles, so that those who got in each other's way once do not do so again.
* *cut*: nobody knows what the server did.  Only what does no harm twice is asked again.
"""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

__all__ = ["NOTHING_THERE", "Requests", "is_missing", "is_out_of_range", "is_taken"]

T = TypeVar("T")

_ATTEMPTS = 8
_ATTEMPTS_WHEN_CUT = 3
_FIRST_PAUSE = 0.05

#: A conflict with another request for the same key; too many requests; no server ready to take this one.
_BUSY = frozenset({409, 429, 503})
_BUSY_ERRNO = frozenset({errno.EBUSY, errno.EAGAIN})

# A folder, or what is below a file, is no object, where a file system has such things.
NOTHING_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)

_SECRET = ("key", "secret", "token", "password", "passwd", "credential", "signature", "connection_string", "sas")
_SHORTEST_SECRET = 6  # what is shorter is in many a word


class Requests:
    """How requests about the keys of one place are made.  Safe to use from several threads."""

    def __init__(self, location: str, options: Mapping[str, Any]) -> None:
        self._location = location
        self._secrets = sorted(_secrets(options), key=len, reverse=True)

    def make(self, doing: str, key: str, call: Callable[[], T], *, repeatable: bool = True) -> T:
        """What `call` returns.  Raises KeyMissingError, KeyExistsError, or StorageError.

        `doing` says what it does ("reading"), and `repeatable` that it does no harm twice.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return call()
            except StorageError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library fails with is a failure of the storage
                if attempt >= _attempts(error, repeatable=repeatable):
                    raise self._translated(doing, key, error) from self._cause(error)
            time.sleep(random.uniform(0, _FIRST_PAUSE * 2**attempt))  # noqa: S311 - no secret
        raise AssertionError

    def _translated(self, doing: str, key: str, error: Exception) -> StorageError:
        if is_taken(error):
            return KeyExistsError(f"{key} exists in {self._location}")
        if is_missing(error) and not _says_no_bucket(error) and doing != "writing":
            return KeyMissingError(f"{self._location} has no {key}")
        return StorageError(f"{doing} {self._location}/{key}: {self._reason(error)}", _number(error))

    def _reason(self, error: Exception) -> str:
        if is_missing(error):
            return "there is no such bucket; make it first, or look at how it is spelt"
        if type(error).__name__ == "NoCredentialsError":
            return "no credentials were found; give them as storage_options, or where the library below looks for them"
        return self._without_secrets(_text(error))

    def _cause(self, error: Exception) -> Exception | None:
        """`error`, for those who look into a failure, unless it is an ordinary answer or tells a secret."""
        plain = is_taken(error) or is_missing(error)
        return None if plain or self._without_secrets(_text(error)) != _text(error) else error

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "(secret)")
        return text


def is_taken(error: Exception) -> bool:
    """Whether the server refused because the key exists."""
    return isinstance(error, FileExistsError) or _status(error) == 412


def is_missing(error: Exception) -> bool:
    """Whether the server has nothing there."""
    return isinstance(error, NOTHING_THERE) or _status(error) == 404


def is_out_of_range(error: Exception) -> bool:
    """Whether the server has fewer bytes there than the first that was asked for."""
    return _status(error) == 416


def _attempts(error: Exception, *, repeatable: bool) -> int:
    if is_taken(error) or is_missing(error):
        return 1
    if _status(error) in _BUSY or getattr(error, "errno", None) in _BUSY_ERRNO:
        return _ATTEMPTS
    return _ATTEMPTS_WHEN_CUT if repeatable and _is_cut(error) else 1


def _is_cut(error: Exception) -> bool:
    """Whether the connection failed, in a way that the library below does not itself try again."""
    return isinstance(error, ConnectionError) or _maker(error) == "aiohttp"


def _maker(error: Exception) -> str:
    return type(error).__module__.partition(".")[0]


def _status(error: BaseException | None) -> int | None:
    """The HTTP status that `error` or what caused it tells of."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):  # botocore's
            return _integer(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
        for name in ("status_code", "code", "status"):  # azure's, gcsfs's, aiohttp's
            if (status := _integer(getattr(error, name, None))) is not None:
                return status
        error = error.__cause__
    return None


def _integer(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None


def _says_no_bucket(error: Exception) -> bool:
    response = getattr(error.__cause__, "response", None)
    return isinstance(response, Mapping) and response.get("Error", {}).get("Code") == "NoSuchBucket"


def _text(error: Exception) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return "the server did not answer in time"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _number(error: Exception) -> int | None:
    # gcsfs says it in words only.
    if isinstance(error, PermissionError) or _status(error) in {401, 403} or str(error).startswith("Forbidden"):
        return errno.EACCES
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else None


def _secrets(options: Mapping[str, Any]) -> set[str]:
    """The values in `options`, at whatever depth, that their names tell to be secrets."""
    found: set[str] = set()
    for name, value in options.items():
        if isinstance(value, Mapping):
            found |= _secrets(value)
        elif (
            isinstance(value, str)
            and len(value) >= _SHORTEST_SECRET
            and any(part in str(name).lower() for part in _SECRET)
        ):
            found.add(value)
    return found
