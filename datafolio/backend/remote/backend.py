"""A backend on an object store: S3 and what speaks it, Google Cloud Storage, Azure; through fsspec.

One request makes a key if it is free, and fails if it is not; that is the exclusive creation everything
rests on.  What a server acknowledged is durable, and a key is seen whole or not at all.  Where the reply
was lost, `create` and `Stage.publish` raise what they saw, KeyExistsError too: read back what is there.

The connection belongs to a process; a forked one gets its own when it first needs it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from datafolio.backend.base import LARGEST_READ, Backend, Key, Listed, Stage, check_key
from datafolio.backend.ranges import HEAD, WHOLE, RangedFile, in_ranges
from datafolio.backend.remote.requests import Requests
from datafolio.backend.remote.services import CONCURRENCY, Page, Seen, Service, connect, identity_of, protocol_of
from datafolio.backend.remote.spool import RemoteStage
from datafolio.digest import Buffer, octets
from datafolio.errors import KeyExistsError, StorageError

__all__ = ["RemoteBackend", "public_url"]

# Up to this many bytes go in one request; more in parts, several at once.
_ONE_REQUEST = 2 * (16 << 20)

T = TypeVar("T")


def public_url(url: str) -> str:
    """`url` without the name and the password that it may have."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    # Without a password it is no secret: Azure's URLs have the container there.
    return f"{scheme}{separator}{host if at and ':' in user else authority}{slash}{path}".rstrip("/")


class RemoteBackend(Backend):
    """Bytes in the objects below one prefix.  Safe to use from several threads.

    `storage_options` are what fsspec takes; they are in no message.  A `single_writer` does not need the
    server to create exclusively: it looks before it writes, which is right only while nobody else writes.
    Larger payloads wait in files of the folder `staging`, or the system's for such files.
    """

    is_distant = True
    concurrency = CONCURRENCY

    def __init__(
        self,
        url: str,
        storage_options: Mapping[str, Any] | None = None,
        *,
        single_writer: bool = False,
        staging: Path | None = None,
    ) -> None:
        self.location = public_url(url)
        self.protocol = protocol_of(url)
        self.single_writer = single_writer
        self._url = url.rstrip("/")
        self._options = dict(storage_options or {})
        self._staging = staging
        self._requests = Requests(self.location, self._options)
        self._connected: tuple[int, Service] | None = None
        self._root = ""
        self._service()

    def __repr__(self) -> str:
        return f"RemoteBackend({self.location!r})"

    def identity(self) -> Hashable:
        """Equal for two backends in the same bucket of the same server, used in the same name."""
        return self.protocol, self._root.partition("/")[0], identity_of(self._service(), self._options)

    def read(self, key: Key) -> bytes:
        data = self._get(key, 0, LARGEST_READ + 1)
        if len(data) > LARGEST_READ:
            raise StorageError(
                f"{self.location}/{key} has more than {LARGEST_READ} bytes, and no more can be read at once"
            )
        return data

    def open(self, key: Key) -> BinaryIO:
        head = self._get(key, 0, HEAD)
        if len(head) < HEAD:
            return io.BytesIO(head)
        size = self._looked_at(key).size
        return io.BufferedReader(RangedFile(lambda start, end: self._get(key, start, end), size, head))

    def fetch(self, key: Key, file: BinaryIO) -> int:
        head = self._get(key, 0, WHOLE)
        written = file.write(head)
        if len(head) == WHOLE:
            size = self._looked_at(key).size
            for data in in_ranges(lambda start, end: self._get(key, start, end), len(head), size):
                written += file.write(data)
        return written

    def size(self, key: Key) -> int | None:
        seen = self._look(key)
        return None if seen is None else seen.size

    def exists(self, key: Key) -> bool:
        return self._look(key) is not None

    def stamp(self, key: Key) -> Hashable | None:
        seen = self._look(key)
        return None if seen is None else seen.stamp

    def list(self, prefix: str) -> Iterator[Listed]:
        folder = f"{self._root}/{prefix}"
        more: str | None = None
        while True:
            page = self._page(folder, more)
            for path, size, stamp in page.seen:
                yield Listed(self._key(path), size, stamp)
            if page.more is None:
                return
            more = page.more

    def _page(self, folder: str, more: str | None) -> Page:
        return self._ask("listing", folder[len(self._root) + 1 :], lambda: self._service().page(folder, more))

    def stage(self) -> Stage:
        return RemoteStage(self.location, self._staging, self._upload)

    def create(self, key: Key, data: Buffer) -> None:
        self._put(key, bytes(octets(data)), replace=False)

    def replace(self, key: Key, data: Buffer) -> None:
        self._put(key, bytes(octets(data)), replace=True)

    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:
        source, target = self._path(key), self._path(other)
        if data is not None:
            self.replace(other, data)
        elif self._service().copies:
            self._ask("copying", key, lambda: self._service().copy(source, target))
        else:
            self.copy_from(self, key, other, replace=True)

    def move(self, key: Key, other: Key) -> None:
        self.copy_from(self, key, other)
        self.delete(key)

    def confirm(self, key: Key) -> None:
        """Nothing to do: what can be seen is durable."""
        check_key(key)

    def delete(self, key: Key) -> None:
        path = self._path(key)
        self._ask("deleting", key, lambda: self._service().delete(path))

    def delete_all(self, keys: Iterable[Key]) -> None:
        paths = [self._path(key) for key in keys]
        left = self._ask("deleting", "keys", lambda: self._service().delete_all(paths))
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="datafolio-delete") as pool:
            for _ in pool.map(self.delete, (self._key(path) for path in left)):
                pass

    def sweep_stages(self) -> int:
        return 0

    def _upload(self, key: Key, data: bytes | Path, replace: bool) -> None:
        if isinstance(data, Path):
            self._put_file(key, data, replace=replace)
        else:
            self._put(key, data, replace=replace)

    def _put(self, key: Key, data: bytes, *, replace: bool) -> None:
        path = self._path(key)
        exclusive = self._is_exclusive(key, replace=replace)
        self._ask(
            "writing", key, lambda: self._service().put(path, data, exclusive=exclusive), repeatable=not exclusive
        )

    def _put_file(self, key: Key, file: Path, *, replace: bool) -> None:
        try:
            if file.stat().st_size <= _ONE_REQUEST:
                return self._put(key, file.read_bytes(), replace=replace)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.during(f"reading {file}", error) from error
        path = self._path(key)
        if not replace:
            self._require_free(key)  # or all of it would be sent to find out
        exclusive = self._is_exclusive(key, replace=replace)
        self._ask(
            "writing", key, lambda: self._service().put_file(path, file, exclusive=exclusive), repeatable=not exclusive
        )
        return None

    def _is_exclusive(self, key: Key, *, replace: bool) -> bool:
        """Whether the server is to see to it that `key` is free; a single writer looks for itself."""
        if not replace and self.single_writer:
            self._require_free(key)
        return not replace and not self.single_writer

    def _require_free(self, key: Key) -> None:
        if self.exists(key):
            raise KeyExistsError(f"{key} exists in {self.location}")

    def _get(self, key: Key, start: int, end: int) -> bytes:
        path = self._path(key)
        return self._ask("reading", key, lambda: self._service().get(path, start, end))

    def _look(self, key: Key) -> Seen | None:
        path = self._path(key)
        return self._ask("looking at", key, lambda: self._service().look(path))

    def _looked_at(self, key: Key) -> Seen:
        path = self._path(key)

        def look() -> Seen:
            seen = self._service().look(path)
            if seen is None:
                raise FileNotFoundError(path)
            return seen

        return self._ask("looking at", key, look)

    def _ask(self, doing: str, key: str, call: Callable[[], T], *, repeatable: bool = True) -> T:
        return self._requests.make(doing, key, call, repeatable=repeatable)

    def _path(self, key: Key) -> str:
        check_key(key)
        return f"{self._root}/{key}"

    def _key(self, path: str) -> Key:
        return Key(path[len(self._root) + 1 :])

    def _service(self) -> Service:
        # Two threads may both connect; fsspec gives them the same.  A lock could be held where a process forks.
        connected = self._connected
        if connected is None or connected[0] != os.getpid():
            service, self._root = connect(self._url, self._options)
            self._connected = connected = os.getpid(), service
        return connected[1]
