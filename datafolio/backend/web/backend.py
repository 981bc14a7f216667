"""A published folder, read over HTTP.

HTTP has no listings, and so there is none of what needs one: verification, collection, undo.  They are
for a copy.  One thing has to be found all the same: the newest record.  ``log/newest`` holds a copy of it,
or of one a little older, so that record's number and the next ones are where to look.
"""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn, cast

from datafolio.backend.base import LARGEST_READ, Backend, Key, Listed, Stage
from datafolio.backend.ranges import WHOLE, RangedFile
from datafolio.backend.web.site import Download, Site
from datafolio.digest import Buffer, Hasher
from datafolio.errors import KeyMissingError, ReadOnlyError, StorageError

__all__ = ["HttpBackend"]

_LOG = "log/"
_MARKER = Key("log/newest")
# A marker lags behind by a few records at most.
_FARTHEST = 1000


class HttpBackend(Backend):
    """The files below one URL, which are only read.  Every write raises ReadOnlyError.

    A query in the URL, such as a signature, goes with each request, and so do a user and password before the
    host; `location` shows none of them.  Of `storage_options` there are ``headers``, a mapping, which that server
    alone is sent, and ``timeout``, in seconds.
    """

    is_distant = True
    is_read_only = True
    concurrency = 16

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        self._site = Site(url, storage_options or {})
        self.location = self._site.location

    def read(self, key: Key) -> bytes:
        return self._read(Download(self._site, key))

    def open(self, key: Key) -> BinaryIO:
        download = Download(self._site, key)
        pieces = download.pieces()
        first = next(pieces, b"")
        size = download.size
        if size is not None and size > WHOLE and download.takes_ranges:
            pieces.close()
            return io.BufferedReader(RangedFile(lambda start, stop: self._part(key, start, stop), size, first))
        is_small = size is not None and size <= WHOLE
        file = io.BytesIO() if is_small else cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller's
        for piece in itertools.chain([first], pieces):
            file.write(piece)
        file.seek(0)
        return file

    def fetch(self, key: Key, file: BinaryIO) -> int:
        return sum(file.write(piece) for piece in Download(self._site, key).pieces())

    def size(self, key: Key) -> int | None:
        found = self._site.look(key)
        return None if found is None else found.size

    def exists(self, key: Key) -> bool:
        return self._site.look(key) is not None

    def stamp(self, key: Key) -> Hashable | None:
        found = self._site.look(key)
        if found is None or found.stamp is not None:
            return found and found.stamp
        hasher = Hasher()  # the server tells nothing else to go by
        try:
            for piece in Download(self._site, key).pieces():
                hasher.update(piece)
        except KeyMissingError:
            return None
        return hasher.digest()

    def list(self, prefix: str) -> Iterator[Listed]:
        """``log/newest`` and the newest records, for ``log/``.  Anything else raises StorageError."""
        if prefix != _LOG:
            raise StorageError(
                f"{self.location}/{prefix} can't be listed, since HTTP has no listings; make a copy of your own "
                f"(`datafolio clone {self.location} DIRECTORY`) and do this there"
            )
        return self._newest_records()

    def stage(self) -> Stage:
        self._refuse()

    def create(self, key: Key, data: Buffer) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def copy_from(self, source: Backend, source_key: Key, key: Key, *, replace: bool = False) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def replace(self, key: Key, data: Buffer) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def move(self, key: Key, other: Key) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def confirm(self, key: Key) -> None:
        """Nothing to do: nothing is written from here."""

    def delete(self, key: Key) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def delete_all(self, keys: Iterable[Key]) -> None:  # noqa: ARG002 - nothing is written
        self._refuse()

    def sweep_stages(self) -> int:
        return 0

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            f"{self.location} can only be read, as any folio over HTTP; "
            f"`datafolio clone {self.location} DIRECTORY` makes a copy of your own"
        )

    def _part(self, key: Key, start: int, stop: int) -> bytes:
        return b"".join(Download(self._site, key, start, stop).pieces())

    def _read(self, download: Download) -> bytes:
        data = bytearray()
        for piece in download.pieces():
            data += piece
            if len(data) > LARGEST_READ:
                what = f"{self.location}/{download.key}"
                raise StorageError(f"{what} has more than {LARGEST_READ} bytes, and no more can be read at once")
        return bytes(data)

    def _newest_records(self) -> Iterator[Listed]:
        marker = Download(self._site, _MARKER)
        data = self._read_marker(marker)
        yield Listed(_MARKER, len(data), marker.stamp)
        first = _number_in(data, f"{self.location}/{_MARKER}")
        for number in range(first, first + _FARTHEST):
            key = Key(f"{_LOG}{number:012d}")
            found = self._site.look(key)
            if found is None:
                return
            yield Listed(key, found.size, self.stamp(key) if found.stamp is None else found.stamp)
        raise StorageError(
            f"{self.location} has {_FARTHEST} records that come after {_MARKER}, so it gives something for files "
            f"that are not there, too; have it answer 404 for those"
        )

    def _read_marker(self, marker: Download) -> bytes:
        try:
            return self._read(marker)
        except KeyMissingError:
            raise StorageError(
                f"{self.location} has no {_MARKER}, without which the newest record can't be found over HTTP; "
                f"publish the whole directory (the next change to the folio makes that file)"
            ) from None


def _number_in(data: bytes, where: str) -> int:
    """The number of the record in `data`.  Whether the rest is right is for those to judge who know records."""
    try:
        return int(json.loads(data)["seq"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StorageError(
            f"{where} holds no record, and without it the newest can't be found over HTTP; publish the folio again"
        ) from None
