"""A record of the log as bytes, and read from them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import msgspec

from datafolio.backend import Key
from datafolio.digest import Digest, digest_of
from datafolio.errors import FormatError
from datafolio.store.model import Record, decode, encode, require_format, require_readable
from datafolio.store.seal import is_sealed, sealed
from datafolio.store.shape import checked_root

__all__ = ["Logged", "read_record", "written"]

_KNOWN = frozenset((*Record.__struct_fields__, "kind", "check"))


class Logged(msgspec.Struct, frozen=True):
    """A record as it stands in the log."""

    record: Record
    #: Of the record's file: what the next record calls `previous`.
    digest: Digest
    #: Of the record's file, in bytes.
    size: int
    #: Fields that this version does not know.
    unknown: Mapping[str, msgspec.Raw]
    #: Of what was in its place when it was read or made; None where that is not known.
    stamp: Hashable | None = None


def read_record(data: bytes, key: Key) -> Logged:
    """The record in `data`, whatever its number.  Raises FormatError, naming `key`."""
    if not is_sealed(data):
        raise FormatError(f"{key} is damaged: its {len(data)} bytes do not end with the digest of those before")
    fields = decode(data, dict[str, msgspec.Raw], str(key))
    require_format(decode(bytes(fields.get("format", b"0")), int, f"{key}: format"), str(key))
    record = decode(data, Record, str(key))
    for root in (record.items, record.snapshots, record.retired, record.condemned):
        checked_root(root)
    return Logged(record, digest_of(data), len(data), {name: raw for name, raw in fields.items() if name not in _KNOWN})


def written(record: Record, unknown: Mapping[str, msgspec.Raw]) -> tuple[bytes, Logged]:
    """The bytes of `record`, with fields that this version does not know, and what stands in the log then.

    Raises the error of `require_readable` for one that no reader would take.
    """
    data = sealed(_with_fields(encode(record), unknown))
    require_readable(data, f"the record of {record.operation!r}")
    return data, Logged(record, digest_of(data), len(data), unknown)


def _with_fields(encoded: bytes, fields: Mapping[str, msgspec.Raw]) -> bytes:
    """A JSON object with more fields at its end."""
    if not fields:
        return encoded
    return encoded[:-1] + b"," + msgspec.json.encode(dict(sorted(fields.items())))[1:]
