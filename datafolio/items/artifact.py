"""Files of any kind, as they are."""

from __future__ import annotations

import os
import pathlib
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from datafolio.errors import StorageError, UnsupportedValueError
from datafolio.items.base import Encoded, ItemType, Payload, Sink

__all__ = ["ArtifactType"]

_SUFFIX = re.compile(r"\.[A-Za-z0-9_+-]{1,16}")
_COMPRESSIONS = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4", ".br", ".z"})
_KINDS = (
    (stat.S_ISDIR, "a directory; pack it first, for instance with shutil.make_archive"),
    (stat.S_ISFIFO, "a pipe; write what it gives to a file first"),
    (stat.S_ISSOCK, "a socket; write what it gives to a file first"),
    (stat.S_ISCHR, "a device; write what it gives to a file first"),
    (stat.S_ISBLK, "a device; write what it gives to a file first"),
)


class ArtifactType(ItemType):
    """The path of an ordinary file; what comes back is the path of a file with the same bytes.

    Any pathlib.Path is taken for one, so that a misspelt path is refused instead of pickled.
    """

    tag: ClassVar[str] = "artifact"

    def matches(self, value: object) -> bool:
        return isinstance(value, pathlib.Path)

    def encode(self, value: Any, sink: Sink) -> Encoded:
        path = _path(value)
        with _reading(path):
            before = os.stat(path)
            _refuse(before, path)
            # O_NONBLOCK: if a pipe has taken the file's place since, opening it must not wait for a writer.
            with open(path, "rb", buffering=0, opener=_open_nonblocking) as file:
                # At most what there was: a file that grows as fast as it is read has no end.
                size = sink.copy_from(file, before.st_size)
                # Files of /proc say that they are empty.
                size += len(file.read(1))
                after = os.fstat(file.fileno())
        if _identity(before) != _identity(after) or size != after.st_size:
            raise UnsupportedValueError(f"{path} changed while it was read; add it when nothing writes to it any more")
        name = os.path.basename(path)
        return Encoded(_suffix(name), {"filename": name})

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> pathlib.Path:  # noqa: ARG002 - the contract's
        return payload.path()


def _path(value: Any) -> str:
    try:
        path: str | bytes = os.fspath(value)
    except TypeError as error:
        raise UnsupportedValueError(f"an artifact is the path of a file, not a {type(value).__qualname__}") from error
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if "\0" in path:
        raise UnsupportedValueError(f"{path!r} is no path: it holds a null character")
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedValueError(f"the path {path!r} is not valid Unicode; rename the file first") from error
    return os.path.expanduser(path)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, StorageError):
            raise
        raise UnsupportedValueError(f"there is no file at {path}; check the path, or write the file first") from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{path} can't be read: {error.strerror}", error.errno) from error


def _refuse(status: os.stat_result, path: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    what = next((text for test, text in _KINDS if test(status.st_mode)), "no ordinary file")
    raise UnsupportedValueError(f"{path} is {what}")


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    if not _SUFFIX.fullmatch(suffix):
        return ""
    if suffix.lower() in _COMPRESSIONS:
        inner = os.path.splitext(stem)[1]
        if _SUFFIX.fullmatch(inner) and inner[1].isalpha():
            return inner + suffix
    return suffix
