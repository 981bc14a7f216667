"""Ordinary files in ordinary folders, and nothing else.

A folder from a stranger may have a link, a pipe or a device in the place of anything.  What a link leads
to is not the stranger's to show or to change, opening a pipe waits for its other end, and a device has no
end.  So none of them is opened.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from datafolio.errors import NotAFileError, StorageError

__all__ = ["OwnFolders", "is_folder", "open_ordinary", "require_ordinary", "require_regular"]

# Windows has none of these.
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_FLAGS = _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_ordinary(path: str, flags: int) -> int:
    """An opener for `open`, of ordinary files.

    Raises StorageError for anything else, but IsADirectoryError for a folder, and what the operating
    system says of a link or a socket: see `require_ordinary`.
    """
    if not _NO_FOLLOW:
        require_ordinary(Path(path))
    descriptor = os.open(path, flags | _FLAGS)
    try:
        _require_file(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_file(path: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(path)
    require_regular(path, mode)


def require_ordinary(path: Path) -> None:
    """Raise StorageError if there is something at `path` that is no ordinary file."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # whoever asks is about to use the path, and that says it better
    require_regular(path, mode)


def require_regular(path: Path | str, mode: int) -> None:
    """Raise StorageError if `mode` is not that of an ordinary file."""
    if not stat.S_ISREG(mode):
        what = next((words for is_one, words in _KINDS if is_one(mode)), "something else")
        raise NotAFileError(f"{path} is {what}, where only an ordinary file can be; move it away")


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


class OwnFolders:
    """The folders below a root, which may itself be reached through links."""

    def __init__(self, root: Path) -> None:
        # Each is looked at once: a stranger left what is there, and is not there to change it meanwhile.
        self._known = {root}

    def is_known(self, folder: Path) -> bool:
        """Whether `require` has found `folder` to be one, and will not look again."""
        return folder in self._known

    def require(self, folder: Path) -> None:
        """Raise StorageError if `folder`, or one between it and the root, is a link."""
        if folder in self._known:
            return
        self.require(folder.parent)
        try:
            mode = os.lstat(folder).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StorageError.during(f"looking at {folder}", error) from error
        if stat.S_ISLNK(mode):
            raise StorageError(
                f"{folder} is a symbolic link, which may lead anywhere; put an ordinary directory in its place"
            )
        if stat.S_ISDIR(mode):
            self._known.add(folder)
