"""Repair of the log: every whole record in its place, and the newest of them the folio again.

What the folio itself has is what everything else is held against: a copy counts only if the records
beside it name it, or it them.  So no other folio, and no copy that parted from this one, takes its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from datafolio.digest import Digest
from datafolio.errors import DamageError, KeyMissingError, NewerFormatError, NotAFileError, StorageError
from datafolio.store.log import MARKER, Log, record_key
from datafolio.store.record import Logged
from datafolio.store.repair.copies import Place, RecordCopy
from datafolio.store.repair.work import Work

__all__ = ["mend_log"]

_WHY = "not a whole record, or not the one that belongs there"


def mend_log(work: Work) -> None:
    """Put copies in the place of records that are damaged or missing, and set aside what stays damaged.

    If the newest record is lost, the newest whole one takes its place.  Where there is none, nothing is done.
    """
    found = _Found.of(work)
    restored = _restored(found, work)
    newest = max({**found.whole, **restored}, default=None)
    if newest is None:
        return
    _restore(work, restored)
    for seq in sorted(found.damaged - restored.keys()):
        work.set_aside(record_key(seq), _WHY)
    if newest < max([*found.damaged, *found.whole, found.marked]):
        work.act("fall-back", record_key(newest), "the newest record that can be had; what came after it is lost")
    if found.marker_is_damaged or found.marked > newest:
        work.set_aside(MARKER, "damaged, or ahead of the log")
        work.backend.alias(record_key(newest), MARKER)
        work.act("mark-newest", MARKER, f"names record {newest} now")


@dataclass(frozen=True)
class _Found:
    """The log as it is."""

    whole: Mapping[int, Logged]
    #: The numbers under which there is something else.
    damaged: frozenset[int]
    #: The number of the record that was marked as the newest; -1 where that can't be told.
    marked: int
    marker_is_damaged: bool

    @classmethod
    def of(cls, work: Work) -> _Found:
        log = Log(work.backend)
        sequence = log.sequence()
        whole, damaged = {}, set()
        for seq in sequence:
            try:
                whole[seq] = log.read(seq)
            except NewerFormatError:
                raise
            except (DamageError, KeyMissingError, NotAFileError):
                damaged.add(seq)
            except StorageError:
                if seq == sequence[-1]:
                    raise  # what can't be read today may be whole, and nothing may take its place
        try:
            marked = log.marked()
        except (DamageError, NotAFileError):
            return cls(whole, frozenset(damaged), -1, marker_is_damaged=True)
        odd = marked is None and work.backend.exists(MARKER)
        return cls(whole, frozenset(damaged), -1 if marked is None else marked.record.seq, marker_is_damaged=odd)


def _restored(found: _Found, work: Work) -> dict[int, RecordCopy]:
    """The copies that belong where the log has no record, or another one than was written."""
    copies: dict[Digest, RecordCopy] = {}
    after: dict[Digest | None, list[RecordCopy]] = defaultdict(list)
    for copy in work.copies.records():
        copies.setdefault(copy.logged.digest, copy)
        after[copy.logged.record.previous].append(copy)
    newest = found.whole.get(max(found.whole, default=-1))
    restored: dict[int, RecordCopy] = {}
    if newest is not None:
        newest = _restore_after(newest, found, after, restored)
    lone = _newest_alone(work, list(copies.values()), found, -1 if newest is None else newest.record.seq)
    if lone is not None:
        restored[lone.logged.record.seq] = lone
        newest = lone.logged
    if newest is not None:
        _restore_before(newest, found, copies, restored)
    return restored


def _restore_after(
    newest: Logged, found: _Found, after: Mapping[Digest | None, list[RecordCopy]], restored: dict[int, RecordCopy]
) -> Logged:
    """Go on from the newest whole record, as far as it is known that there was more; the newest then."""
    top = max(found.marked, *found.damaged, newest.record.seq)
    while newest.record.seq < top or found.marked < 0:
        copy = next(iter(after.get(newest.digest, ())), None)
        if copy is None:
            break
        restored[copy.logged.record.seq] = copy
        newest = copy.logged
    return newest


def _newest_alone(work: Work, copies: list[RecordCopy], found: _Found, reached: int) -> RecordCopy | None:
    """The folio's own newest record, under another name, if nothing leads to it; where it has none, a copy's."""
    own = [copy for copy in copies if copy.place.backend is work.backend and copy.logged.record.seq > reached]
    named = [copy for copy in own if not found.whole or copy.logged.record.seq == found.marked]
    if reached < 0 and not named:
        named = copies
    return max(named, key=lambda copy: copy.logged.record.seq, default=None)


def _restore_before(
    newest: Logged, found: _Found, copies: Mapping[Digest, RecordCopy], restored: dict[int, RecordCopy]
) -> None:
    """Go back from the newest record, each of which names the one before."""
    oldest = min({*found.whole, *found.damaged}, default=newest.record.seq)
    numbers = {*found.whole, *found.damaged, *(copy.logged.record.seq for copy in copies.values())}
    known = {newest.record.seq: newest}
    for seq in sorted((seq for seq in numbers if oldest <= seq < newest.record.seq), reverse=True):
        there, following = found.whole.get(seq), known.get(seq + 1)
        copy = None
        if following is not None and (there is None or there.digest != following.record.previous):
            copy = copies.get(following.record.previous or Digest(""))
        if copy is not None:
            restored[seq] = copy
            there = copy.logged
        if there is not None:
            known[seq] = there


def _restore(work: Work, restored: Mapping[int, RecordCopy]) -> None:
    moved: dict[Place, Place] = {}
    for seq, copy in sorted(restored.items()):
        key = record_key(seq)
        place = moved.get(copy.place, copy.place)  # two records may have stood in each other's place
        aside = work.replace(key, place, _WHY)
        if aside is not None:
            moved[Place(work.backend, key)] = Place(work.backend, aside)
        work.act("restore-record", key, f"copied from {work.words_for(copy.place)}")
