"""The log: the only thing in a folio that changes.

``log/<seq>`` is a record, made by an exclusive creation and never written again.  The record with the
highest number is the folio.  The newest `RETAINED` records stay; older ones are removed, oldest first,
so that what is left is always an unbroken run, each record naming the digest of the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of
from datafolio.errors import FormatError, KeyExistsError, KeyMissingError
from datafolio.store.model import FORMAT, Record, decode, encode

__all__ = ["LOG", "RETAINED", "Log", "Logged", "record_key", "sealed"]

LOG = "log/"

#: How many records are kept at least.
RETAINED = 100

_TRIM_EVERY = 8

_NAME = re.compile(r"\d{12}")
_KNOWN = frozenset((*Record.__struct_fields__, "kind", "check"))
_SEAL = b',"check":"%b"}'


@dataclass(frozen=True)
class Logged:
    """A record as it stands in the log."""

    record: Record
    #: Of the record's file: what the next record calls `previous`.
    digest: Digest
    #: Fields that this version does not know.
    unknown: Mapping[str, msgspec.Raw]


def record_key(seq: int) -> Key:
    """Where record number `seq` is."""
    return Key(f"{LOG}{seq:012d}")


def read_record(data: bytes, key: Key) -> Logged:
    """The record in `data`.  Raises FormatError, naming `key`."""
    fields = decode(data, dict[str, msgspec.Raw], str(key))
    version = decode(bytes(fields.get("format", b"0")), int, f"{key}: format")
    if version > FORMAT:
        raise FormatError(f"{key} has format {version}, and this datafolio reads up to {FORMAT}; install a newer one")
    _require_seal(data, key)
    record = decode(data, Record, str(key))
    if record_key(record.seq) != key:
        raise FormatError(f"{key} holds record {record.seq}")
    return Logged(record, digest_of(data), {name: raw for name, raw in fields.items() if name not in _KNOWN})


class Log:
    """The records of one folio."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def sequence(self) -> list[int]:
        """The numbers of the records that are there, in order."""
        names = (listed.key.removeprefix(LOG) for listed in self._backend.list(LOG))
        return sorted(int(name) for name in names if _NAME.fullmatch(name))

    def read(self, seq: int) -> Logged:
        """Record number `seq`.  Raises KeyMissingError where it is not, FormatError where it is damaged."""
        key = record_key(seq)
        return read_record(self._backend.read(key), key)

    def newest(self) -> Logged | None:
        """The record with the highest number, or None in an empty log."""
        return self._read_end(-1)

    def oldest(self) -> Logged:
        """The record with the lowest number, in a log that has any."""
        oldest = self._read_end(0)
        assert oldest is not None
        return oldest

    def _read_end(self, end: int) -> Logged | None:
        sequence = self.sequence()
        while sequence:
            try:
                return self.read(sequence[end])
            except KeyMissingError as error:
                # Trimmed since it was listed, so there are newer ones; unless it is there and can't be read.
                before, sequence = sequence, self.sequence()
                if before == sequence:
                    raise FormatError(f"{record_key(before[end])} is a link to nothing") from error
        return None

    def is_newest(self, seq: int) -> bool:
        """Whether record number `seq` is there and the next one is not."""
        return self._backend.size(record_key(seq + 1)) is None and self._backend.size(record_key(seq)) is not None

    def retained(self) -> Iterator[Logged]:
        """The records that are there, newest first.  One that is trimmed meanwhile ends the walk."""
        for seq in reversed(self.sequence()):
            try:
                yield self.read(seq)
            except KeyMissingError:
                return

    def append(self, record: Record, unknown: Mapping[str, msgspec.Raw]) -> Logged:
        """Make `record` the newest, durably, if its number is free and the record before it is there.

        Raises KeyExistsError if another writer was first.
        """
        key = record_key(record.seq)
        data = sealed(_with_fields(encode(record), unknown))
        try:
            self._backend.create(key, data)
        except KeyExistsError:
            # A file system or server that lost the reply reports our own record as somebody's.
            if not self._is_ours(key, record.write_id):
                raise
        if record.previous is not None and not self._holds(record.seq - 1, record.previous):
            # This writer slept while the log moved on and its place was trimmed away.
            self._backend.delete(key)
            raise KeyExistsError(f"{key} is older than the log")
        return Logged(record, digest_of(data), unknown)

    def trim(self, newest: int) -> None:
        """Now and then, remove the records that retention no longer covers, oldest first.

        The order matters: a sleeping writer takes a record that is there for a sign that all the
        newer ones are.
        """
        if newest % _TRIM_EVERY:
            return
        for seq in self.sequence():
            if seq > newest - RETAINED:
                break
            self._backend.delete(record_key(seq))

    def _holds(self, seq: int, digest: Digest) -> bool:
        try:
            return digest_of(self._backend.read(record_key(seq))) == digest
        except KeyMissingError:
            return False

    def _is_ours(self, key: Key, write_id: str) -> bool:
        try:
            return read_record(self._backend.read(key), key).record.write_id == write_id
        except (KeyMissingError, FormatError):
            return False


def sealed(encoded: bytes) -> bytes:
    """A record's JSON with the digest of itself as its last field: no other record names the newest one's."""
    return encoded[:-1] + _SEAL % digest_of(encoded[:-1]).encode()


def _require_seal(data: bytes, key: Key) -> None:
    body = data[: -len(_SEAL % (b"0" * 64))]
    if data != body + _SEAL % digest_of(body).encode():
        raise FormatError(f"{key} is damaged: its {len(data)} bytes do not end with the digest of those before")


def _with_fields(encoded: bytes, fields: Mapping[str, msgspec.Raw]) -> bytes:
    """A JSON object with more fields at its end."""
    if not fields:
        return encoded
    return encoded[:-1] + b"," + msgspec.json.encode(dict(sorted(fields.items())))[1:]
