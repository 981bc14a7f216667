"""What an object store is asked for, through fsspec.  Errors are those of the libraries below.

`Service` keeps to what fsspec promises of every file system.  `S3` asks the server itself where
fsspec would ask it more than once, or not say what went wrong.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from datafolio.backend.remote.requests import NOTHING_THERE, is_out_of_range
from datafolio.errors import UsageError

__all__ = [
    "CONCURRENCY",
    "CONDITIONAL",
    "Page",
    "Seen",
    "Service",
    "connect",
    "identity_of",
    "protocol_of",
    "require_protocol",
]

CONCURRENCY = 32

_S3 = frozenset({"s3", "s3a"})
_GCS = frozenset({"gs", "gcs"})
_AZURE = frozenset({"az", "abfs", "abfss"})

#: The protocols of stores that can create a key on the condition that it is free.
CONDITIONAL = _S3 | _GCS | _AZURE

# Parts of this size keep a connection busy, and few enough of them are in memory at a time.
_PART = 16 << 20
_PARTS_AT_ONCE = 8
_MOST_PARTS = 10_000
_MOST_DELETED_AT_ONCE = 1000


# Every file system that was connected, by its id: in a forked process none must be let go of.
_connected: dict[int, Any] = {}


class Seen(NamedTuple):
    """What a server tells of one object without sending it."""

    path: str
    size: int
    stamp: Hashable


class Page(NamedTuple):
    """A part of a listing; with `more` for the next one, or None after the last."""

    seen: Sequence[Seen]
    more: str | None


def protocol_of(url: str) -> str:
    return url.partition("://")[0].lower()


def require_protocol(protocol: str) -> None:
    """Raise UsageError if nothing that fsspec knows is called `protocol`."""
    import fsspec  # noqa: PLC0415 - slow to import, and few need it

    if protocol not in fsspec.available_protocols():
        raise UsageError(
            f"{protocol}:// is no place known here; folios can be at s3://, gs://, az://, https:// and file://"
        )


def connect(url: str, options: Mapping[str, Any]) -> tuple[Service, str]:
    """The service behind `url`, and the path there.  One for each process: none outlives a fork."""
    from fsspec.core import url_to_fs  # noqa: PLC0415 - as above

    protocol = protocol_of(url)
    settled = {**options, "use_listings_cache": False}
    if protocol in _S3:
        pool = {"max_pool_connections": CONCURRENCY}
        settled["config_kwargs"] = {**pool, **(options.get("config_kwargs") or {})}
    fs, root = url_to_fs(url, **settled)
    _connected[id(fs)] = fs
    return (S3(fs) if hasattr(fs, "call_s3") else Service(fs, copies=protocol in _GCS)), root


def _leave_to_parent() -> None:
    """Let a forked process never close what its parent connected.

    It would take the connections out of the queue of events that both share (epoll), and the parent would wait
    for its next answers in vain.
    """
    for fs in _connected.values():
        for reference in weakref.getweakrefs(fs):
            if isinstance(reference.__callback__, weakref.finalize):
                reference.__callback__.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


def identity_of(service: Service, options: Mapping[str, Any]) -> Hashable:
    """Equal for the same way to the same server.  Tells nothing of what is in `options`."""
    from fsspec.utils import tokenize  # noqa: PLC0415 - as above

    return service.kind, tokenize(**options)


class Service:
    """Any file system of fsspec.  Paths are the file system's own, as `connect` gives the first of them."""

    def __init__(self, fs: Any, *, copies: bool) -> None:
        self._fs = fs
        self.kind = type(fs)
        #: Whether the server copies an object by itself, at once and whole.
        self.copies = copies

    def get(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, or to where they end."""
        try:
            return bytes(self._fs.cat_file(path, start=start, end=end))
        except Exception as error:
            # An empty object has no range at all, and servers say so in different ways.
            if start or not (is_out_of_range(error) or isinstance(error, ValueError)):
                raise
            return bytes(self._fs.cat_file(path))

    def look(self, path: str) -> Seen | None:
        try:
            info = self._fs.info(path)
        except NOTHING_THERE:
            return None
        return _seen(info) if info["type"] == "file" else None

    def page(self, folder: str, more: str | None) -> Page:  # noqa: ARG002 - fsspec gives all of it at once
        """Some of what is below `folder`, which ends with ``/``, and what to ask the rest with, if there is more."""
        try:
            found = self._fs.find(folder.rstrip("/"), detail=True)
        except FileNotFoundError:
            return Page([], None)
        # A folder that has nothing in it may be found in its own place.
        infos = found.values() if isinstance(found, Mapping) else ()
        seen = [_seen(info) for info in infos if info["type"] == "file" and info["name"].startswith(folder)]
        return Page(seen, None)

    def put(self, path: str, data: bytes, *, exclusive: bool) -> None:
        self._fs.pipe_file(path, data, mode="create" if exclusive else "overwrite")

    def put_file(self, path: str, file: Path, *, exclusive: bool) -> None:
        self._fs.put_file(str(file), path, mode="create" if exclusive else "overwrite")

    def copy(self, path: str, other: str) -> None:
        self._fs.cp_file(path, other)

    def delete(self, path: str) -> None:
        with contextlib.suppress(*NOTHING_THERE):
            self._fs.rm_file(path)

    def delete_all(self, paths: Sequence[str]) -> Sequence[str]:
        """Delete what can be deleted with few requests; those of `paths` that may still be there."""
        return paths


class S3(Service):
    """Amazon's S3, and what speaks like it."""

    def __init__(self, fs: Any) -> None:
        super().__init__(fs, copies=True)
        self._is_quick = False

    def look(self, path: str) -> Seen | None:
        bucket, key = self._split(path)
        try:
            found = self._call("head_object", Bucket=bucket, Key=key)
        except FileNotFoundError:
            return None
        return Seen(path, found["ContentLength"], _tag(found))

    def page(self, folder: str, more: str | None) -> Page:
        bucket, prefix = self._split(folder)
        rest = {} if more is None else {"ContinuationToken": more}
        page = self._call("list_objects_v2", Bucket=bucket, Prefix=prefix, **rest)
        seen = [
            Seen(f"{bucket}/{found['Key']}", found["Size"], _tag(found))
            for found in page.get("Contents", ())
            if not found["Key"].endswith("/")  # made by consoles, to show an empty folder
        ]
        return Page(seen, page["NextContinuationToken"] if page.get("IsTruncated") else None)

    def put(self, path: str, data: bytes, *, exclusive: bool) -> None:
        bucket, key = self._split(path)
        self._call("put_object", Bucket=bucket, Key=key, Body=data, **_condition(exclusive=exclusive))

    def put_file(self, path: str, file: Path, *, exclusive: bool) -> None:
        """In parts, several at once.  After an error of any kind none of them is left on the server."""
        bucket, key = self._split(path)
        upload = {"Bucket": bucket, "Key": key}
        upload["UploadId"] = self._call("create_multipart_upload", **upload)["UploadId"]
        try:
            parts = self._put_parts(upload, file)
            made = {"MultipartUpload": {"Parts": parts}, **_condition(exclusive=exclusive)}
            self._call("complete_multipart_upload", **upload, **made)
        except BaseException:
            # The error at hand says more than one of this would; stores forget old parts by themselves if told to.
            with contextlib.suppress(Exception):
                self._call("abort_multipart_upload", **upload)
            raise

    def _put_parts(self, upload: Mapping[str, str], file: Path) -> Sequence[Mapping[str, Any]]:
        size = file.stat().st_size
        length = max(_PART, -(-size // _MOST_PARTS))

        def put(number: int) -> Mapping[str, Any]:
            with file.open("rb") as opened:
                opened.seek((number - 1) * length)
                data = opened.read(length)
            made = self._call("upload_part", **upload, PartNumber=number, Body=data)
            return {"PartNumber": number, "ETag": made["ETag"]}

        with ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="datafolio-upload") as pool:
            parts = [pool.submit(put, number) for number in range(1, -(-size // length) + 1)]
            try:
                return [part.result() for part in parts]
            except BaseException:
                _cancel(parts)
                raise

    def delete_all(self, paths: Sequence[str]) -> Sequence[str]:
        if not paths:
            return paths
        left: list[str] = []
        for first in range(0, len(paths), _MOST_DELETED_AT_ONCE):
            some = paths[first : first + _MOST_DELETED_AT_ONCE]
            bucket = self._split(some[0])[0]
            keys = [{"Key": self._split(path)[1]} for path in some]
            try:
                done = self._call("delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            except OSError:
                return [*left, *paths[first:]]  # not every store has this request; one by one, errors tell
            left += [f"{bucket}/{error['Key']}" for error in done.get("Errors", ())]
        return left

    def _call(self, method: str, **arguments: Any) -> Any:
        if not self._is_quick:
            _send_at_once(self._fs)
            self._is_quick = True
        return self._fs.call_s3(method, **arguments)

    @staticmethod
    def _split(path: str) -> tuple[str, str]:
        bucket, _, key = path.partition("/")
        return bucket, key


def _send_at_once(fs: Any) -> None:
    """Have each PUT send its bytes at once.

    botocore asks the server first whether it wants them, which takes a round trip, and the answer is always yes.
    """
    from botocore import handlers  # noqa: PLC0415 - comes with s3fs

    asks = getattr(handlers, "add_expect_header", None)
    if asks is not None:  # it is no part of what botocore promises
        fs.connect()
        fs.s3.meta.events.unregister("before-call.s3", asks)


def _condition(*, exclusive: bool) -> Mapping[str, str]:
    return {"IfNoneMatch": "*"} if exclusive else {}


def _cancel(parts: Sequence[Future[Any]]) -> None:
    for part in parts:
        part.cancel()


def _tag(found: Mapping[str, Any]) -> Hashable:
    return str(found["ETag"]).strip('"')


def _seen(info: Mapping[str, Any]) -> Seen:
    return Seen(info["name"], info["size"], _stamp(info))


def _stamp(info: Mapping[str, Any]) -> Hashable:
    """What tells of a change, in what fsspec calls the details: the same from a listing and from a look."""
    for name in ("ETag", "generation", "etag"):
        if info.get(name):
            return str(info[name]).strip('"')
    times = [str(info.get(name)) for name in ("LastModified", "last_modified", "modified", "mtime", "updated")]
    return (*times, info["size"])
