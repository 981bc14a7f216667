"""Whether a place creates exclusively, which is what keeps two writers from losing each other's work.

An object store may take the condition "only if this key is free" and not look at it, and so may a library
on the way there: an old botocore does not send it, and some file systems of fsspec only look first.
None of them says so; it shows when a key that exists is created once more.
"""

from __future__ import annotations

import errno
from collections.abc import Hashable

from datafolio.backend.base import Backend, Key
from datafolio.backend.remote.backend import RemoteBackend
from datafolio.backend.remote.services import CONDITIONAL
from datafolio.errors import KeyExistsError, NotExclusiveError, StorageError

__all__ = ["require_exclusive"]

_EXCLUDE = "create a file if, and only if, there is none"
_HOW = (
    "Two writers at once could then each take the other's place in the log, and lose what it wrote. "
    "single_writer=True opens the folio all the same, which is right only if nobody else ever writes to it meanwhile."
)

_proved: set[Hashable] = set()


def require_exclusive(backend: Backend, key: Key, data: bytes) -> None:
    """Raise NotExclusiveError unless `backend` is known to create exclusively, or has a single writer.

    `data` is what is at `key`, and what will be there after: it is created once more, which the server must
    refuse.  One request in the life of a process for each bucket.  A server that does not let this user
    write proves nothing, and is no reason to refuse: writing will fail by itself.
    """
    if not isinstance(backend, RemoteBackend) or backend.single_writer:
        return
    if backend.protocol not in CONDITIONAL:
        raise NotExclusiveError(f"{backend.location}: {backend.protocol} is not known to {_EXCLUDE}. {_HOW}")
    place = backend.identity()
    if place not in _proved and _is_refused(backend, key, data):
        _proved.add(place)


def _is_refused(backend: RemoteBackend, key: Key, data: bytes) -> bool:
    """Whether `key` could not be created again for the reason that it is there; else whether nobody knows."""
    try:
        backend.create(key, data)
    except KeyExistsError:
        return True
    except StorageError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            return False
        if error.errno == errno.ENOSYS:
            raise NotExclusiveError(f"{backend.location}: the server can't {_EXCLUDE}. {_HOW}") from error
        raise
    raise NotExclusiveError(
        f"{backend.location}: {key} exists and was created again; the server, or a library on the way there "
        f"(an old botocore, for S3), does not heed the condition to {_EXCLUDE}. {_HOW}"
    )
