"""Repair of the log: every whole record in its place, and the newest of them the folio again."""

from __future__ import annotations

from collections import defaultdict

from datafolio.errors import DamageError, KeyMissingError, NewerFormatError
from datafolio.store.log import MARKER, Log, Logged, record_key
from datafolio.store.repair.copies import Place, RecordCopy
from datafolio.store.repair.work import Work

__all__ = ["mend_log"]

_WHY = "not a whole record, or not the one that belongs there"


def mend_log(work: Work) -> None:
    """Put copies in the place of records that are damaged or missing, and set aside what stays damaged.

    If the newest record is lost, the newest whole one takes its place.  Where there is none, nothing is done.
    """
    plan = _Plan(work)
    if plan.newest is None:
        return
    moved: dict[Place, Place] = {}
    for seq, copy in sorted(plan.restored.items()):
        key = record_key(seq)
        place = moved.get(copy.place, copy.place)  # two records may have stood in each other's place
        aside = work.replace(key, place, _WHY)
        if aside is not None:
            moved[Place(work.backend, key)] = Place(work.backend, aside)
        work.act("restore-record", key, f"copied from {work.words_for(copy.place)}")
    for seq in plan.damaged:
        work.set_aside(record_key(seq), _WHY)
    if plan.newest < plan.top:
        lost = f"record {plan.top}" if plan.top == plan.newest + 1 else f"records {plan.newest + 1} to {plan.top}"
        work.act("fall-back", record_key(plan.newest), f"the newest whole record; what {lost} did is forgotten")
    if plan.marker_is_damaged or plan.marked > plan.newest:
        work.set_aside(MARKER, "damaged, or ahead of the log")
        Log(work.backend).mark(plan.newest)
        work.act("mark-newest", MARKER, f"names record {plan.newest} now")


class _Plan:
    """What can be had, and what is to be done about the rest."""

    def __init__(self, work: Work) -> None:
        self._own = work.backend
        self._log = Log(work.backend)
        self._whole: dict[int, Logged] = {}
        self._copies: dict[int, list[RecordCopy]] = defaultdict(list)
        for copy in work.copies.records():
            self._copies[copy.logged.record.seq].append(copy)
        self.marker_is_damaged = False
        self.marked = self._marked()
        present = self._log.sequence()
        #: Those that are there, are not whole, and of which there is no copy.
        self.damaged = [seq for seq in present if not self._read(seq)]
        #: The number of the newest record that there ever was, as far as anybody knows.
        self.top = max([*present, self.marked], default=-1)
        if self.top < 0:
            self.top = max(self._copies, default=-1)
        self.restored: dict[int, RecordCopy] = {}
        for seq in range(self.top, min(present, default=self.top) - 1, -1):
            self._restore(seq)
        if self.marked < 0:
            self._go_on()
        self.damaged = [seq for seq in self.damaged if seq not in self.restored]
        self.newest = max(self._whole, default=None)

    def _marked(self) -> int:
        try:
            marked = self._log.marked()
        except DamageError:
            self.marker_is_damaged = True
            return -1
        return -1 if marked is None else marked.record.seq

    def _read(self, seq: int) -> bool:
        try:
            self._whole[seq] = self._log.read(seq)
        except NewerFormatError:
            raise
        except (DamageError, KeyMissingError):
            return False
        return True

    def _restore(self, seq: int) -> None:
        """Choose a copy for record number `seq`, if it is not there or not the one that was written."""
        if seq in self._whole and self._belongs(self._whole[seq]):
            return
        copy = next((copy for copy in self._copies[seq] if self._belongs(copy.logged)), None)
        if copy is None:
            return  # one that is whole stays, though it is not what the next one was made after
        self._whole[seq] = copy.logged
        self.restored[seq] = copy

    def _go_on(self) -> None:
        """Nothing says that the log ends where it does: take the records of a copy that come after the newest."""
        seq = max(self._whole, default=None)
        while seq is not None and seq >= self.top:
            seq += 1
            self._restore(seq)
            seq = seq if seq in self.restored else None

    def _belongs(self, logged: Logged) -> bool:
        """Whether the records before and after it, where they are whole, are its neighbours."""
        after = self._whole.get(logged.record.seq + 1)
        if after is not None:
            return after.record.previous == logged.digest
        before = self._whole.get(logged.record.seq - 1)
        return before is None or logged.record.previous == before.digest
