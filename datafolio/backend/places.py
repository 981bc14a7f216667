"""Which backend is behind a URL."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datafolio.backend.base import Backend
from datafolio.backend.local import LocalBackend
from datafolio.backend.memory import MemoryBackend
from datafolio.errors import MissingDependencyError, UsageError

__all__ = ["is_url", "open_backend"]

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)(?P<chained>::.*)?://(?P<rest>.*)", re.DOTALL)

#: The extra that each protocol needs.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}

_memories: dict[str, MemoryBackend] = {}


def is_url(text: str) -> bool:
    """Whether `text` is a URL, and not the path of a folder."""
    return _URL.fullmatch(text) is not None


def open_backend(url: str, storage_options: Mapping[str, Any] | None = None, *, single_writer: bool = False) -> Backend:
    """The backend for what is at `url`, which need not be there yet.  Nothing is asked of a server.

    Raises UsageError for a URL that says no place, and MissingDependencyError.
    """
    scheme, rest = _parts(url)
    if scheme in {"file", "local"}:
        return LocalBackend(_local_path(url))
    if scheme == "memory":
        return _memories.setdefault(rest, MemoryBackend(url))
    if scheme in {"http", "https"}:
        from datafolio.backend.web import HttpBackend  # noqa: PLC0415 - few need it

        return HttpBackend(url, storage_options)
    _require_bucket(url, scheme, rest)
    return _open_remote(f"{scheme}://{rest}", scheme, storage_options, single_writer=single_writer)


def _parts(url: str) -> tuple[str, str]:
    """The scheme of `url`, in small letters, and what follows the ``://``."""
    found = _URL.fullmatch(url)
    if found is None:
        raise UsageError(f"{url!r} is no URL; one looks like s3://bucket/name")
    if found["chained"]:
        raise UsageError(f"{found['scheme']}::… is a chain of file systems; give the URL of the last one alone")
    return found["scheme"].lower(), found["rest"].rstrip("/")


def _local_path(url: str) -> Path:
    from urllib.parse import urlsplit  # noqa: PLC0415 - few need it
    from urllib.request import url2pathname  # noqa: PLC0415 - brings much of the standard library

    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"{url} names another machine; a file URL has three slashes, as in file:///data/folio")
    if not parts.path:
        raise UsageError(f"{url} names no folder; a file URL is absolute, as in file:///data/folio")
    if "?" in url or "#" in url:
        raise UsageError(f"{url} goes on after a ? or #; write %3F or %23 where that is part of a name")
    return Path(os.path.abspath(url2pathname(parts.path)))


def _require_bucket(url: str, scheme: str, rest: str) -> None:
    authority, slash, path = rest.partition("/")
    if scheme in _EXTRAS and ":" in authority.rpartition("@")[0]:
        raise UsageError(f"a {scheme} URL has no room for credentials; give them as storage_options")
    if not authority or authority in {".", ".."}:
        raise UsageError(f"{url} names no bucket; it looks like {scheme}://bucket/name")
    # Some servers take such parts away, and others do not: what is written would not be found where it is looked for.
    if scheme in _EXTRAS and slash and not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise UsageError(f"{url} has an empty part, or one of dots; it looks like {scheme}://bucket/name")


def _open_remote(url: str, scheme: str, storage_options: Mapping[str, Any] | None, *, single_writer: bool) -> Backend:
    from datafolio.backend.remote import RemoteBackend  # noqa: PLC0415 - few need it
    from datafolio.backend.remote.services import require_protocol  # noqa: PLC0415 - the same

    require_protocol(scheme)
    try:
        return RemoteBackend(url, storage_options, single_writer=single_writer)
    except ImportError as error:
        raise MissingDependencyError(f"{scheme} URLs need another package: {_remedy(scheme, error)}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{scheme} can't be opened with these storage_options: {error}") from error


def _remedy(scheme: str, error: ImportError) -> str:
    extra = _EXTRAS.get(scheme)
    return f"pip install 'datafolio[{extra}]'" if extra else str(error)
