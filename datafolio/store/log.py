"""The log: the only thing in a folio that changes.

``log/<seq>`` is a record, made by an exclusive creation and never written again.  The record with the
highest number is the folio.  The newest `RETAINED` records stay; older ones are removed, oldest first,
so that what is left is always an unbroken run, each record naming the digest of the one before.

``log/newest`` is a second name of the newest record, given after each commit.  It is never read as
truth, and may lag behind; but if it is ahead, records have gone missing, and the folio would
otherwise look like an older one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of
from datafolio.errors import ConflictError, DamageError, FormatError, KeyExistsError, KeyMissingError, StorageError
from datafolio.store.clock import Moment
from datafolio.store.model import Record
from datafolio.store.parallel import at_once
from datafolio.store.record import Logged, read_record, written

__all__ = ["LOG", "MARKER", "RETAINED", "Log", "is_trimming", "record_key", "record_number"]

LOG = "log/"
MARKER = Key(f"{LOG}newest")

#: How many records are kept at least; with fewer than two a writer could not tell whether it was overtaken.
RETAINED = 100

_TRIM_EVERY = 8

# In seconds.  Nobody makes `RETAINED` commits in that time on storage that is far away.
_LONG = 0.5

_NAME = re.compile(r"\d{12}")


class _Listing(NamedTuple):
    """What is in the log, as one listing has it."""

    #: The numbers of the records, in order.
    numbers: list[int]
    #: Of every key, where the listing tells it.
    stamps: Mapping[Key, Hashable | None]
    marker: Hashable | None


def _numbers(keys: Iterable[Key]) -> list[int]:
    numbers = map(record_number, keys)
    return sorted(number for number in numbers if number is not None)


def record_key(seq: int) -> Key:
    """Where record number `seq` is."""
    return Key(f"{LOG}{seq:012d}")


def record_number(key: Key) -> int | None:
    """The number of the record that belongs at `key`, or None where none does."""
    name = key.removeprefix(LOG)
    return int(name) if _NAME.fullmatch(name) else None


def is_trimming(seq: int) -> bool:
    """Whether the log is trimmed once record number `seq` was made: now and then."""
    return seq % _TRIM_EVERY == 0


class Log:
    """The records of one folio."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._oldest: Logged | None = None
        #: A record, and a moment since when it was the newest.
        self._latest: tuple[Digest, Moment] | None = None

    def sequence(self) -> list[int]:
        """The numbers of the records that are there, in order."""
        return _numbers(listed.key for listed in self._backend.list(LOG))

    def read(self, seq: int) -> Logged:
        """Record number `seq`.  Raises KeyMissingError where it is not, FormatError where it is damaged."""
        key = record_key(seq)
        logged = read_record(self._backend.read(key), key)
        if logged.record.seq != seq:
            raise FormatError(f"{key} holds record {logged.record.seq}")
        return logged

    def readable(self, seq: int) -> Logged | None:
        """Record number `seq`, or None where it is not, or can't be read."""
        if seq < 0:
            return None
        with contextlib.suppress(DamageError, StorageError):
            return self.read(seq)
        return None

    def glance(self) -> Logged | None:
        """The record with the highest number as it is listed; it is what `newest` gives if it `is_newest` after that.

        Raises FormatError as `newest` does.
        """
        if not self._backend.is_distant:
            return self.newest()
        began = Moment.now()
        found = at_once(self._backend, self._list, self._marked_if_whole)
        listed: _Listing = found[0]
        marked: Logged | None = found[1]
        if not listed.numbers:
            return self._not_behind(None, listed.marker)
        seq = listed.numbers[-1]
        stamp = listed.stamps[record_key(seq)]
        if marked is not None and marked.record.seq == seq and stamp is not None:
            # The marker's contents are the record's: no other one has had this number yet.
            newest: Logged | None = replace(marked, stamp=stamp)
        else:
            newest = self._read_listed(seq, listed)
        if newest is None or (marked is not None and marked.record.seq > seq):
            return self._newest_as_listed()
        self._latest = newest.digest, began
        return newest

    def newest(self) -> Logged | None:
        """The record with the highest number, which was in the log after it was read.

        Raises FormatError if it is damaged, or if it is known that there was a newer one.
        """
        if self._backend.is_distant:
            seen = self.glance()
            # Long after it was listed, it may have been trimmed, and another one have taken its number.
            if seen is None or not self._may_be_old(seen) or self.is_newest(seen):
                return seen
        return self._newest_as_listed()

    def _newest_as_listed(self) -> Logged | None:
        listed = self._list()
        return self._not_behind(self._read_end(-1, listed), listed.marker)

    def _not_behind(self, newest: Logged | None, marker: Hashable | None) -> Logged | None:
        """`newest`, unless the marker names a newer record, which is given then."""
        if marker is not None and newest is not None and newest.stamp == marker:
            return newest
        marked = self._marked_number()
        if marked is not None and newest is not None and newest.record.seq < marked:
            newest = self._read_end(-1, self._list())  # a commit may have come between
        if marked is None or (newest is not None and newest.record.seq >= marked):
            return newest
        logged = self._read_stamped(marked)  # a network file system may show a name before it lists it
        if logged is None:
            raise FormatError(
                f"{record_key(marked)} is missing, and {MARKER} shows that it was there; "
                f"`datafolio fsck --repair` says what can be done"
            )
        return logged

    def marked(self) -> Logged | None:
        """The record that was the newest when it was last marked, or None.  Raises FormatError if it is damaged."""
        try:
            logged = read_record(self._backend.read(MARKER), MARKER)
        except KeyMissingError:
            return None
        if record_number(record_key(logged.record.seq)) is None:
            raise FormatError(f"{MARKER} holds record {logged.record.seq}, and no log goes so far")
        return logged

    def _list(self) -> _Listing:
        # Where the listing tells no stamps: the marker's first, since what it names was in the log by then.
        marker = None if self._backend.is_distant else self._marker_stamp()
        stamps = {listed.key: listed.stamp for listed in self._backend.list(LOG)}
        return _Listing(_numbers(stamps), stamps, stamps.get(MARKER) if marker is None else marker)

    def _mark(self, seq: int, data: bytes) -> None:
        """Let the marker name the record, if that can be.  Not durable: one that lags behind does no harm."""
        with contextlib.suppress(StorageError):
            self._backend.alias(record_key(seq), MARKER, data)

    def _marker_stamp(self) -> Hashable | None:
        with contextlib.suppress(StorageError):
            return self._backend.stamp(MARKER)
        return None

    def _marked_if_whole(self) -> Logged | None:
        with contextlib.suppress(FormatError, StorageError):  # a damaged marker tells nothing, and takes nothing down
            return self.marked()
        return None

    def _marked_number(self) -> int | None:
        logged = self._marked_if_whole()
        return None if logged is None else logged.record.seq

    def oldest(self) -> Logged:
        """The record with the lowest number, in a log that has any."""
        oldest = self._oldest
        # It is the oldest for as long as it is there.
        if oldest is None or self._backend.stamp(record_key(oldest.record.seq)) != oldest.stamp:
            oldest = self._oldest = self._read_end(0, self._list())
        assert oldest is not None
        return oldest

    def _read_end(self, end: int, listed: _Listing) -> Logged | None:
        while listed.numbers:
            seq = listed.numbers[end]
            before, logged = listed, self._read_listed(seq, listed)
            listed = self._list()
            # What was read may have been trimmed since it was listed, and a sleeping writer's record have taken
            # its number; or it is there and can't be read.
            if logged is not None and listed.numbers and listed.numbers[end] == seq:
                return logged
            if logged is None and listed.numbers == before.numbers:
                raise FormatError(f"{record_key(seq)} is a link to nothing")
        return None

    def _read_listed(self, seq: int, listed: _Listing) -> Logged | None:
        return self._read_stamped(seq, listed.stamps.get(record_key(seq)))

    def _read_stamped(self, seq: int, stamp: Hashable | None = None) -> Logged | None:
        """Record number `seq`, or None where it is not, with the stamp that it had before it was read."""
        stamp = self._backend.stamp(record_key(seq)) if stamp is None else stamp
        try:
            return replace(self.read(seq), stamp=stamp)
        except KeyMissingError:
            return None

    def is_newest(self, logged: Logged) -> bool:
        """Whether the record is there, the very one, and the next one is not."""
        began = Moment.now()
        if not self._may_be_old(logged) and not self._is_last(logged):
            return False
        # Two looks at the same time may see the record and miss the next one if both are being trimmed.
        if self._may_be_old(logged) and not self._is_at_end(logged):
            return False
        self._latest = logged.digest, began
        return True

    def _may_be_old(self, logged: Logged) -> bool:
        """Whether it may be so long since the record was the newest that retention no longer covers it."""
        if not self._backend.is_distant:
            return False  # where one look comes after the other
        latest = self._latest
        return latest is None or latest[0] != logged.digest or latest[1].is_longer_ago_than(_LONG)

    def _is_last(self, logged: Logged) -> bool:
        next_size, stamp = at_once(
            self._backend,
            lambda: self._backend.size(record_key(logged.record.seq + 1)),
            lambda: self._backend.stamp(record_key(logged.record.seq)),
        )
        # A sleeping writer's record may have taken the number of one that was trimmed.
        return next_size is None and stamp is not None and stamp == logged.stamp

    def _is_at_end(self, logged: Logged) -> bool:
        """The same by a listing, which tells of one moment, and takes the server longer."""
        listed = self._list()
        seq = logged.record.seq
        if listed.numbers[-1:] != [seq]:
            return False
        return (listed.stamps[record_key(seq)] or self._backend.stamp(record_key(seq))) == logged.stamp

    def retained(self) -> Iterator[Logged]:
        """The records that are there, newest first.  One that is trimmed meanwhile ends the walk."""
        for logged in self._newest_first(self._found):
            if logged is None:
                return
            yield logged

    def whole(self) -> Iterator[Logged]:
        """The records that are there and can be read, newest first."""
        return (logged for logged in self._newest_first(self.readable) if logged is not None)

    def _newest_first(self, read: Callable[[int], Logged | None]) -> Iterator[Logged | None]:
        """What `read` gives for each record's number, several at a time where each takes a while."""
        waiting = self.sequence()
        some = self._backend.concurrency if self._backend.is_distant else 1
        while waiting:
            yield from at_once(self._backend, *(partial(read, seq) for seq in reversed(waiting[-some:])))
            del waiting[-some:]

    def _found(self, seq: int) -> Logged | None:
        try:
            return self.read(seq)
        except KeyMissingError:
            return None

    def append(self, record: Record, unknown: Mapping[str, msgspec.Raw]) -> Logged:
        """Make `record` the newest, durably, if its number is free and the record before it is there.

        Raises KeyExistsError if another writer was first; ConflictError if so many were that nobody
        can tell any more.
        """
        key = record_key(record.seq)
        if record_number(key) is None:
            raise FormatError(f"{record_key(record.seq - 1)} is the last record that a log can have")
        # Where a look costs as much as the creation, the look after that, which is needed anyhow, has to do.
        is_looked_for = record.previous is not None and not self._backend.is_distant
        if is_looked_for and self._backend.size(record_key(record.seq - 1)) is None:
            raise KeyExistsError(f"{key} is older than the log")
        data, logged = written(record, unknown)
        began = Moment.now()
        try:
            self._backend.create(key, data)
        except StorageError:
            # A file system or server that lost the reply reports our own record as somebody's, and one that
            # failed after it took the record may be able to keep it.
            if not self._is_ours(key, record.write_id):
                raise
            self._backend.confirm(key)
        if record.previous is None:
            return self._settled(logged)  # a folio in the making has no second names yet
        settled: Logged = at_once(self._backend, lambda: self._settled(logged), lambda: self._mark(record.seq, data))[0]
        self._latest = settled.digest, began
        return settled

    def _settled(self, logged: Logged) -> Logged:
        """The record, just created, once it is known to be part of the log.

        It is there by now, so an error of the disk is given a second chance before it is told.
        """
        words = f"{logged.record.operation}: this was written, and may have taken effect, but then"
        for is_last in (False, True):
            try:
                return self._in_log(logged)
            except KeyExistsError:
                raise
            except StorageError as error:
                if is_last:
                    raise StorageError(f"{words} {error}", error.errno) from error
        raise AssertionError("unreachable")

    def _in_log(self, logged: Logged) -> Logged:
        record = logged.record
        stamp, is_next = at_once(
            self._backend,
            lambda: self._backend.stamp(record_key(record.seq)),
            lambda: record.previous is None or self._holds(record.seq - 1, record.previous),
        )
        if is_next:
            return replace(logged, stamp=stamp)
        self._require_in_log(logged)
        return logged

    def _require_in_log(self, logged: Logged) -> None:
        """Return if the record is part of the log although the one before it is gone.

        This writer slept while the log moved on.  Either its record was in time, and trimming has come
        as far as the one before, or it was created where trimming had passed already.
        """
        key = record_key(logged.record.seq)
        if self._is_followed(logged):
            return
        # Trimming goes from the oldest on, so a record in time that is not followed any more is gone itself.
        if not self._holds(logged.record.seq, logged.digest):
            raise ConflictError(
                f"{logged.record.operation}: this write waited while more than {RETAINED} others were made, "
                f"so it can't be told whether it took effect; look, and make it again if it did not"
            )
        self._backend.delete(key)
        raise KeyExistsError(f"{key} is older than the log")

    def _is_followed(self, logged: Logged) -> bool:
        try:
            return self.read(logged.record.seq + 1).record.previous == logged.digest
        except (KeyMissingError, FormatError):
            return False

    def trim(self, newest: int) -> None:
        """Remove the records that retention no longer covers, oldest first.

        The order matters: a sleeping writer takes a record that is there for a sign that all the
        newer ones are.
        """
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
