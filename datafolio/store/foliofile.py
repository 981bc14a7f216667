"""`folio.json`: what makes a place a folio, and says in which format.  Written once, last of all."""

from __future__ import annotations

from typing import Any

from datafolio.backend import Backend, Key
from datafolio.errors import FolioNotFoundError, FormatError, KeyMissingError
from datafolio.store.model import FolioFile, decode, encode, require_format
from datafolio.store.seal import is_sealed, sealed

__all__ = ["FOLIO_FILE", "folio_file", "read_folio_file", "require_exclusive", "require_folio"]

FOLIO_FILE = Key("folio.json")


def folio_file(info: FolioFile) -> bytes:
    """The contents of the file."""
    return sealed(encode(info)) + b"\n"


def read_folio_file(backend: Backend) -> FolioFile | None:
    """What it says, or None where there is none.  Raises FormatError for one that is newer or damaged."""
    try:
        data = backend.read(FOLIO_FILE)
    except KeyMissingError:
        return None
    return _checked(data, f"{backend.location}/{FOLIO_FILE}")


def require_folio(backend: Backend, *, to_write: bool) -> None:
    """Raise FolioNotFoundError where there is none, FormatError for one that is newer or damaged.

    If it is `to_write`, raise NotExclusiveError where several can't.
    """
    try:
        data = backend.read(FOLIO_FILE)
    except KeyMissingError as error:
        raise FolioNotFoundError(f"no folio at {backend.location} (it has no {FOLIO_FILE})") from error
    _checked(data, f"{backend.location}/{FOLIO_FILE}")
    if to_write:
        require_exclusive(backend, FOLIO_FILE, data)


def require_exclusive(backend: Backend, key: Key, data: bytes) -> None:
    """Raise NotExclusiveError where several writers can't be kept apart.  `data` is what is at `key`, for ever."""
    if backend.is_distant:
        from datafolio.backend.remote import probe  # noqa: PLC0415 - brings what only distant storage needs

        probe.require_exclusive(backend, key, data)


def _checked(data: bytes, where: str) -> FolioFile:
    info = decode(data, FolioFile, where)
    if not is_sealed(data.removesuffix(b"\n")):
        # The first version of datafolio did not seal the file, and wrote nothing else in it.
        fields = decode(data, dict[str, Any], where).keys()
        if fields != set(FolioFile.__struct_fields__) or info.format != 1:
            raise FormatError(f"{where} is damaged: it does not end with the digest of what stands before")
    require_format(info.format, where)
    return info
