"""Where a folio is, or may come to be: a directory, or what a URL names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from datafolio.backend import Backend, LocalBackend
from datafolio.backend.places import is_url, open_backend
from datafolio.errors import DestinationExistsError, FolioNotFoundError, UsageError
from datafolio.porcelain import directory
from datafolio.porcelain.nearby import cache
from datafolio.store.cache import Cache
from datafolio.store.foliofile import FOLIO_FILE
from datafolio.store.log import record_key
from datafolio.store.repository import README_FILE, Repository
from datafolio.text import quoted

__all__ = ["Place", "bind_path", "bind_place", "shortest", "working_directory"]

#: What the making of a folio begins with, before it is one.
_BEGUN = frozenset({README_FILE, record_key(0)})


class Place(NamedTuple):
    """Where a folio is, or may come to be."""

    backend: Backend
    #: Whether more was said of how to get there than the location shows, such as credentials.
    has_options: bool = False

    @property
    def path(self) -> Path | str:
        """The directory, absolute; the URL, where it is none."""
        return self.backend.root if isinstance(self.backend, LocalBackend) else self.backend.location

    def open(self, *, read_only: bool) -> Repository:
        """The folio that is there.  Raises FolioNotFoundError where there is none; makes nothing."""
        if isinstance(self.backend, LocalBackend):
            return directory.open_folio(self.backend)
        try:
            return Repository.open(self.backend, self._cache(), to_write=not (read_only or self.backend.is_read_only))
        except FolioNotFoundError as error:
            raise FolioNotFoundError(f"{error}; `datafolio init {self.path}` makes one") from error

    def open_or_create(self) -> Repository:
        """The folio that is there, made if there is nothing, or an empty directory.

        Raises DestinationExistsError, and writes nothing, for anything else.
        """
        if isinstance(self.backend, LocalBackend):
            return directory.open_or_create(self.backend)
        try:
            return self.open(read_only=False)
        except FolioNotFoundError:
            self._require_free()
            return Repository.create(self.backend, self._cache())

    def init(self) -> Repository:
        """A new folio, beside whatever else is there.

        Raises DestinationExistsError, and writes nothing, where there is a folio already, or something
        that bears a name which the folio needs.
        """
        if isinstance(self.backend, LocalBackend):
            return directory.init_folio(self.backend)
        if self.backend.exists(FOLIO_FILE):
            raise DestinationExistsError(f"{self.path} is a folio already")
        return Repository.create(self.backend, self._cache())

    def _cache(self) -> Cache | None:
        return cache() if self.backend.is_distant else None

    def _require_free(self) -> None:
        if self.backend.is_read_only:
            raise FolioNotFoundError(f"no folio at {self.path} (it has no {FOLIO_FILE}), and none can be made there")
        other = next((key for key, _, _ in self.backend.list("") if key not in _BEGUN), None)
        if other == FOLIO_FILE:
            return  # another process has made it a moment ago
        if other is not None:
            raise DestinationExistsError(
                f"{self.path} is no folio: it has {quoted(other)} and no {FOLIO_FILE}; choose another place, "
                f"or make a folio beside what is there with `datafolio init {self.path}`"
            )


def bind_place(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None, *, single_writer: bool = False
) -> Place:
    """The place that `path` names: a URL, or a directory as `bind_path` has it.  Looks at nothing.

    Raises UsageError, and MissingDependencyError for a URL that needs an extra.
    """
    if storage_options is not None and not isinstance(storage_options, Mapping):
        raise UsageError(f"storage_options is a mapping, such as a dict, not a {type(storage_options).__name__}")
    if isinstance(path, str) and is_url(path):
        backend = open_backend(path, storage_options, single_writer=single_writer)
        return Place(backend, bool(storage_options) or _has_secret(path))
    if storage_options:
        raise UsageError(f"storage_options are for URLs, and {quoted(path)} is a directory")
    return Place(LocalBackend(bind_path(path)))


def _has_secret(url: str) -> bool:
    """Whether there is a password in `url`, or a signature: what its backend's location does not show."""
    return url.lower().startswith("http") and ("?" in url or "@" in url)


def bind_path(path: str | os.PathLike[str]) -> Path:
    """`path` made absolute now, so that a later change of directory does not move the folio; ``~`` is expanded."""
    if not isinstance(path, (str, os.PathLike)):
        raise UsageError(f"a path is a str or PathLike, not {quoted(path)} ({type(path).__name__})")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise UsageError(f"{quoted(path)} is no path")
    if is_url(text):
        raise UsageError(f"{quoted(text)} is a URL; give a path here, and a URL as a str where it names a folio")
    text = os.path.expanduser(text)
    if not os.path.isabs(text) and working_directory() is None:
        raise UsageError(
            f"{quoted(text)} is relative to the current directory, which was deleted; give an absolute path"
        )
    return Path(os.path.abspath(text))


def shortest(path: Path | str) -> str:
    """`path` as one would type it here: relative below the current directory, absolute elsewhere; a URL as it is."""
    here = working_directory()
    if here is None or isinstance(path, str) or here not in path.parents:
        return str(path)
    return str(path.relative_to(here))


def working_directory() -> Path | None:
    """The current directory, or None if it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None
