"""Folios in directories: finding the one that is there, and making one."""

from __future__ import annotations

import os
import re
from pathlib import Path

from datafolio.backend import LocalBackend
from datafolio.backend.local import STAGING
from datafolio.errors import DestinationExistsError, FolioNotFoundError, StorageError
from datafolio.store.foliofile import FOLIO_FILE
from datafolio.store.log import LOG, record_key
from datafolio.store.repository import README_FILE, Repository

__all__ = ["init_folio", "open_folio", "open_or_create"]

#: What a folio keeps in its directory, besides a README.
_OWN_NAMES = frozenset(
    {"folio.json", "log", "objects", "condemned", STAGING, "items.json", "snapshots.json", "synced.json", "lost+found"}
)
#: How the staging folder's files are named.
_STAGED = re.compile(r"[0-9a-f]{16}(\.lock|-[0-9a-f]{16})|reserve-\d")


def open_folio(backend: LocalBackend) -> Repository:
    """The folio at `path`.  Raises FolioNotFoundError where there is none; makes nothing."""
    path = backend.root
    if not _is_folio(path):
        raise FolioNotFoundError(f"no folio at {path}; {_what_is(path)}; `datafolio init {path}` makes one")
    return Repository.open(backend)


def open_or_create(backend: LocalBackend) -> Repository:
    """The folio at `path`, made if there is nothing there or an empty directory.

    Raises DestinationExistsError, and writes nothing, for anything else.
    """
    path = backend.root
    if _is_folio(path):
        return Repository.open(backend)
    # In this order: another process may make the folio between the two.
    if not _is_free(path) and not _is_folio(path):
        raise DestinationExistsError(
            f"{path} is no folio: {_what_is(path)}; choose another path, or make a folio "
            f"beside what is there with `datafolio init {path}`"
        )
    return Repository.create(backend)


def init_folio(backend: LocalBackend) -> Repository:
    """A new folio at `path`, which may be a directory that has other things.

    Raises DestinationExistsError, and writes nothing, where there is a folio already, or something
    that bears a name which the folio needs.
    """
    path = backend.root
    if _is_folio(path):
        raise DestinationExistsError(f"{path} is a folio already")
    taken = sorted(_OWN_NAMES.intersection(_entries(path)))
    if taken and not _is_free(path):
        raise DestinationExistsError(
            f"{path} has {', '.join(taken)}, and a folio needs the name{'s' if len(taken) > 1 else ''}; "
            f"move that away, or choose another path"
        )
    return Repository.create(backend)


def _is_folio(path: Path) -> bool:
    try:
        os.lstat(path / FOLIO_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unseen(path, error) from error
    return True


def _is_free(path: Path) -> bool:
    """Whether there is nothing at `path`, or an empty directory, or what the making of a folio begins with."""
    return all(_is_begun(path, name) for name in _entries(path))


def _is_begun(path: Path, name: str) -> bool:
    """Whether the making of a folio at `path` may have left `name` there, before it is one."""
    folder = path / name
    if name == README_FILE:
        return (path / "log").is_dir()
    if name == STAGING:
        return folder.is_dir() and all(map(_STAGED.fullmatch, _entries(folder)))
    return name == "log" and folder.is_dir() and set(_entries(folder)) <= {record_key(0).removeprefix(LOG)}


def _entries(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
    except NotADirectoryError:
        place = "is" if os.path.exists(path) else "is below"
        raise DestinationExistsError(
            f"{path} {place} a file, and a folio is a directory; choose another path (`datafolio init` makes a folio)"
        ) from None
    except OSError as error:
        raise _unseen(path, error) from error


def _unseen(path: Path, error: OSError) -> StorageError:
    return StorageError.during(f"looking into {path}", error)


def _what_is(path: Path) -> str:
    if not os.path.exists(path):
        return "there is nothing there"
    if not os.path.isdir(path):
        return "that is a file"
    return f"the directory has other things in it and no {FOLIO_FILE}" if _entries(path) else "the directory is empty"
