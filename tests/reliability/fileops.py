"""Every file operation of a process, one at a time, with something to do before or instead.

The functions of `os` that datafolio uses on files are wrapped, and `open`, `flock` and what `open` and
`scandir` return; the files are real.  What a hook does is up to it: kill the process, raise an
OSError, stop it, write the operation down.
"""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import functools
import io
import itertools
import os
import pathlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["CHANGING", "READING", "FileOperation", "intercepted"]

#: Operations that change what is on the disk, or what of it is durable.
CHANGING = ("open", "write", "fsync", "link", "unlink", "replace", "rename", "mkdir", "ftruncate", "posix_fallocate")
#: The others, which can fail as well.  `file.read` is one of a file that was opened to be read in bytes.
READING = (
    *("read", "stat", "lstat", "fstat", "scandir", "entry.stat", "listdir"),
    *("builtins.open", "file.read", "close", "flock"),
)


class FileOperation(NamedTuple):
    """One call that is about to be made."""

    #: Counted from 0 since the hook was put in place.
    number: int
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


#: Called in place of each operation, with the operation and what carries it out.
Hook = Callable[[FileOperation, Callable[[], Any]], Any]
#: Makes of a function one that goes through the hook under a name.
Wrap = Callable[[str, Callable[..., Any]], Callable[..., Any]]


@contextlib.contextmanager
def intercepted(hook: Hook, names: tuple[str, ...] = CHANGING) -> Iterator[None]:
    """Within the block `hook` is called for every operation of `names`, in whichever thread; its own calls pass by."""
    wrap = _wrapper(hook)
    with contextlib.ExitStack() as stack:
        for name in names:
            for owner, attribute in _places(name):
                _set(stack, owner, attribute, wrap(name, getattr(owner, attribute)))
        # Around the functions wrapped above, since these two are methods of what those return.
        if "file.read" in names:
            _set(stack, builtins, "open", _opening(builtins.open, wrap))
        if "entry.stat" in names:
            _set(stack, os, "scandir", _scanning(os.scandir, wrap))
        yield


def _wrapper(hook: Hook) -> Wrap:
    numbers = itertools.count()
    inside = threading.local()

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "hook", False):
                return function(*args, **kwargs)
            inside.hook = True
            try:
                operation = FileOperation(next(numbers), name, args, kwargs)
                return hook(operation, lambda: function(*args, **kwargs))
            finally:
                inside.hook = False

        return call

    return wrap


def _places(name: str) -> list[tuple[Any, str]]:
    """Where the functions of an operation are; none for one that this system does not have."""
    if name == "builtins.open":
        return [(builtins, "open")]
    if name == "flock":
        return [(fcntl, "flock")]
    # Python 3.10's paths keep functions of their own.
    owners = [os, getattr(pathlib, "_NormalAccessor", None)]
    return [(owner, name) for owner in owners if owner is not None and callable(getattr(owner, name, None))]


def _set(stack: contextlib.ExitStack, owner: Any, attribute: str, value: Callable[..., Any]) -> None:
    stack.callback(setattr, owner, attribute, vars(owner)[attribute])
    setattr(owner, attribute, staticmethod(value) if isinstance(owner, type) else value)


def _opening(inner: Callable[..., Any], wrap: Wrap) -> Callable[..., Any]:
    @functools.wraps(inner)
    def opening(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        opened = inner(file, mode, *args, **kwargs)
        if mode != "rb" or args:
            return opened
        if isinstance(opened, io.FileIO):  # buffering=0
            return _Raw(opened, wrap)
        return io.BufferedReader(_Raw(opened.detach(), wrap))

    return opening


class _Raw(io.RawIOBase):
    """A file whose reads go through the hook."""

    def __init__(self, raw: io.FileIO, wrap: Wrap) -> None:
        self._raw = raw
        self.name = raw.name
        self.fileno, self.seek, self.tell = raw.fileno, raw.seek, raw.tell
        self.readinto = wrap("file.read", raw.readinto)
        self.readall = wrap("file.read", raw.readall)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()


def _scanning(inner: Callable[..., Any], wrap: Wrap) -> Callable[..., Any]:
    @functools.wraps(inner)
    @contextlib.contextmanager
    def scanning(path: Any = ".") -> Iterator[Iterator[Any]]:
        with inner(path) as entries:
            yield (_Entry(entry, wrap) for entry in entries)

    return scanning


class _Entry:
    """An entry of a folder, whose `stat` goes through the hook."""

    def __init__(self, entry: os.DirEntry[str], wrap: Wrap) -> None:
        self.name, self.path = entry.name, entry.path
        self.is_dir, self.is_file, self.is_symlink = entry.is_dir, entry.is_file, entry.is_symlink
        self.inode = entry.inode
        self.stat = wrap("entry.stat", entry.stat)

    def __fspath__(self) -> str:
        return self.path
