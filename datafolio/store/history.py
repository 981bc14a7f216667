"""The log as history: the operations it still holds, and the way back to before one of them.

An undo goes through the log like any other operation: its record holds the contents of an earlier one
again, and says which (`restores`).  So undoing once more goes on from there, and an undo can be undone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import SupportsIndex

from msgspec.structs import replace

from datafolio.errors import DamageError, KeyMissingError, NotKeptError, UsageError
from datafolio.store.changes import Change, back_to, holds_the_same
from datafolio.store.kept import require_kept
from datafolio.store.record import Logged
from datafolio.store.repository import Repository, Tip
from datafolio.store.state import State

__all__ = ["Commit", "Step", "Undo", "operations", "undo"]

#: Makes a change durable, as the operation that the words describe.
Commit = Callable[[str, Change], object]


@dataclass(frozen=True)
class Step:
    """One operation of the log, and the states on its two sides."""

    seq: int
    #: None where the record can't be read.
    logged: Logged | None
    #: None where the record before is not there, or can't be read.
    before: State | None
    after: State | None


def operations(repository: Repository) -> Iterator[Step]:
    """The operations that the log still holds, newest first."""
    sequence = repository.log.sequence()
    records: dict[int, Logged | None] = {}
    for seq in reversed(sequence):
        for number in (seq, seq - 1):
            if number not in records:
                records[number] = repository.log.readable(number)
        logged, previous = records.pop(seq), records[seq - 1]
        # The folio was made of nothing.
        before = _state_of(repository, previous) if seq else State.empty(repository.tip().state.loaders)
        yield Step(seq, logged, before, _state_of(repository, logged))


def _state_of(repository: Repository, logged: Logged | None) -> State | None:
    return None if logged is None else repository.state_of(logged)


def undo(repository: Repository, operation: int | None, commit: Commit) -> Undo | None:
    """Make the folio hold what it held before `operation`, by default the newest; None if it does so already.

    An undo counts as the place in the log that it went back to, so the next one by default goes one
    operation further.  Operations that changed nothing, such as collections, are passed over.  If
    another writer commits meanwhile, the newest operation is theirs, and the undo begins again.
    Raises NotKeptError, and changes nothing, where the log does not go back so far or a collection
    freed what it held; UsageError for what can't be the number of an operation.
    """
    number = None if operation is None else _checked(operation)
    while True:
        plan = _Planning(repository).plan(number)
        if plan is None:
            return None
        commit(plan.words, plan.change)
        if plan.is_applied:
            return plan


def _checked(operation: SupportsIndex) -> int:
    try:
        number = -1 if isinstance(operation, bool) else operator.index(operation)
    except TypeError as error:
        raise UsageError(f"an operation is a whole number, as history() shows them, not {operation!r}") from error
    if number < 1:
        raise UsageError(f"operation {operation} can't be undone; they are numbered from 1, and 0 made the folio")
    return number


class Undo:
    """What an undo is going to do."""

    def __init__(self, repository: Repository, tip: Tip, past: Logged, restores: int, words: str) -> None:
        self._repository = repository
        #: The newest record, whose operation is the last that is undone.
        self.tip = tip
        #: The record whose contents come back.
        self.past = past
        #: The place in the log that this is: that record, or, of an undo, the one that it went back to.
        self.restores = restores
        self.words = words
        #: Whether the change was applied to the state that it was planned for.
        self.is_applied = False

    def change(self, state: State) -> State:
        """The state that holds what `past` does; or no change, if another writer was first."""
        self.is_applied = state is self.tip.state
        if not self.is_applied:
            return state
        # Whoever condemns anything that is found now takes the number that this commit is going for.
        require_kept(self._repository, state, self.past, f"can't {self.words}")
        return replace(back_to(state, self._repository.state_of(self.past)), restores=self.restores)


class _Planning:
    """Looking for the record to go back to, as seen from the newest one."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._tip = repository.tip()
        self._sequence = repository.log.sequence()

    def plan(self, operation: int | None) -> Undo | None:
        past = self._before_newest() if operation is None else self._before(operation)
        if self._holds_the_same(past, self._tip.logged):
            return None
        words = self._words(past.record.seq + 1 if operation is None else operation, only_one=operation is None)
        return Undo(self._repository, self._tip, past, self._position_of(past), words)

    def _before_newest(self) -> Logged:
        """The newest record that came before what the folio holds, and that holds something else."""
        position = self._position_of(self._tip.logged)
        for seq in reversed([seq for seq in self._sequence if seq < position]):
            logged = self._read(seq)
            if not self._holds_the_same(logged, self._tip.logged):
                return logged
        if self._sequence[0] == 0:
            raise NotKeptError(f"there is nothing to undo: {self._location} is as it was before its first operation")
        raise NotKeptError(f"there is nothing more to undo: {self._reach()}")

    def _before(self, operation: int) -> Logged:
        if operation > self._tip.seq:
            raise NotKeptError(f"there is no operation {operation}; the newest of {self._location} is {self._tip.seq}")
        if operation - 1 < self._sequence[0]:
            raise NotKeptError(f"can't go back to before operation {operation}: {self._reach()}")
        return self._read(operation - 1)

    def _read(self, seq: int) -> Logged:
        try:
            return self._repository.log.read(seq)
        except KeyMissingError as error:
            raise NotKeptError(f"operation {seq} is no longer in the log, or missing from it") from error
        except DamageError as error:
            raise NotKeptError(
                f"how the folio was after operation {seq} is not known, since {error}; choose another operation"
            ) from error

    def _reach(self) -> str:
        oldest = self._sequence[0]
        return f"the log of {self._location} goes back to operation {oldest}, so {oldest + 1} is the first to undo"

    @property
    def _location(self) -> str:
        return self._repository.backend.location

    def _position_of(self, logged: Logged) -> int:
        """The number of the record from which an undo of `logged` goes on: of an undo, the one that it went back to."""
        while logged.record.restores is None:
            # A collection leaves the folio where it was.
            previous = self._repository.log.readable(logged.record.seq - 1)
            if previous is None or not self._holds_the_same(previous, logged):
                return logged.record.seq
            logged = previous
        return logged.record.restores

    def _holds_the_same(self, logged: Logged, other: Logged) -> bool:
        return holds_the_same(self._repository.state_of(logged), self._repository.state_of(other))

    def _words(self, first: int, *, only_one: bool) -> str:
        newest = self._tip.seq
        if first != newest and not only_one:
            return f"undo operations {first} to {newest}"
        logged = self._tip.logged if first == newest else self._repository.log.readable(first)
        if logged is None:
            return f"undo operation {first}"
        # The words of an undo in those of another, and so on, would say no more and grow longer.
        words = logged.record.operation
        return f"undo operation {first} ({words if logged.record.restores is None else words.partition(' (')[0]})"
