"""A batch: changes that wait to be committed together, and the state that they would make."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from datafolio.backend import Key, Stage
from datafolio.digest import Digest
from datafolio.errors import FolioError, MissingObjectError, UsageError
from datafolio.store.changes import Change
from datafolio.store.objects import Elsewhere, ObjectStore, Source
from datafolio.store.parallel import in_parallel
from datafolio.store.repository import DELETING, Repository
from datafolio.store.state import State

__all__ = ["Batch"]

T = TypeVar("T")

# Small payloads are stored together, since that takes a fraction of the time; this much of them waits in memory.
_MOST_WAITING = 64 << 20
_OVERHEAD = 1 << 10


class Batch:
    """The changes of one thread's batch.

    A payload is stored with the others at the end, or earlier: a large one at once, a small one when it
    is read or when there are too many to keep.  What is stored stays staged as well, since a collection
    that knows nothing of the batch may come before its end.
    """

    def __init__(self, repository: Repository, stages: contextlib.ExitStack) -> None:
        self._repository = repository
        self._process = os.getpid()
        self.stages = stages
        self._changes: list[Change] = []
        # Far away a look takes a while, and is left to who needs it.
        self._is_looked_up = not repository.backend.is_distant
        self._base = (repository.tip() if self._is_looked_up else repository.known()).state
        self.state = self._base
        self.operations: list[str] = []
        self._lets_go: list[bool] = []
        self.payloads: dict[Digest, Source] = {}
        self.stored: set[Key] = set()
        self._waiting: dict[Digest, bytes] = {}
        self._waiting_size = 0

    def is_own(self) -> bool:
        """Whether this process began the batch, and was not forked from one that did."""
        return self._process == os.getpid()

    def require_own(self) -> None:
        """Raise UsageError unless this process began the batch."""
        if not self.is_own():
            raise UsageError(
                f"this batch belongs to process {self._process}, which began it and forked this one inside it, and "
                f"nothing of it is committed here; fork before the batch, or use the folio here after the batch's block"
            )

    def add(self, operation: str, change: Change, payloads: Mapping[Digest, Source], *, lets_go: bool) -> None:
        """One more change, with the payloads that it needs.  What it raises leaves the batch as it was."""
        try:
            state = change(self.state)
        except FolioError:
            if not self._look_up():
                raise
            state = change(self.state)
        for digest, source in payloads.items():
            assert not isinstance(source, Elsewhere), "what is copied from another folio is no part of a batch"
            if isinstance(source, Stage):
                self._publish([(digest, source)])
                source.seal()
                self.payloads[digest] = source
            elif digest not in self.payloads:
                self._keep_waiting(digest, source)
        self._changes.append(change)
        self.operations.append(operation)
        self._lets_go.append(lets_go)
        self.state = state

    def view(self, read: Callable[[State], T]) -> T:
        """What `read` makes of the state that the changes make.

        If a payload that it needs was collected meanwhile, it reads again when all are stored again.
        """
        seen = None
        self._look_up()
        while True:
            try:
                return read(self.state)
            except MissingObjectError:
                newest = self._repository.tip()
                if newest is seen:
                    raise
                seen = newest
                self.make_readable()

    def _look_up(self) -> bool:
        """Begin with the newest state, if it was begun with what was known here; whether that made a change."""
        if self._is_looked_up:
            return False
        newest = self._repository.tip().state
        is_newer = newest is not self._base
        if is_newer:
            self.state, self._base = self.apply(newest), newest
        self._is_looked_up = True  # last: what could not be looked up, or made on that, is tried again
        return is_newer

    def make_readable(self, digest: Digest | None = None) -> None:
        """Store all payloads, or only the one with that digest, where the folio as it is now has them."""
        self._store(list(self.payloads) if digest is None else [digest] if digest in self.payloads else [])

    def _keep_waiting(self, digest: Digest, data: bytes) -> None:
        size = len(data) + _OVERHEAD
        # First, since it may raise.
        if self._waiting_size + size > _MOST_WAITING:
            self._store(list(self._waiting))
        self._waiting[digest] = self.payloads[digest] = data
        self._waiting_size += size

    def _store(self, chosen: list[Digest]) -> None:
        waiting = [digest for digest in chosen if digest in self._waiting]
        in_parallel(self._stage, waiting)
        self._publish((digest, self.payloads[digest]) for digest in chosen)
        for digest in waiting:
            self._waiting_size -= len(self._waiting.pop(digest)) + _OVERHEAD

    def _stage(self, digest: Digest) -> None:
        stage = self.stages.enter_context(self._repository.backend.stage())
        stage.write(self._waiting[digest])
        stage.seal()
        self.payloads[digest] = stage

    def _publish(self, payloads: Iterable[tuple[Digest, Source]]) -> None:
        """Store payloads where they belong by now: a collection may have taken them from where they were."""
        key_of = self._repository.tip().state.key_of
        ObjectStore(self._repository.backend, key_of).put_all(dict(payloads), self.stored)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Take back what was added inside the block if it raises."""
        self._look_up()  # first, since it changes what the state goes back to
        state, count = self.state, len(self._changes)
        try:
            yield
        except BaseException:
            self.state = state
            del self._changes[count:], self.operations[count:], self._lets_go[count:]
            raise

    def apply(self, state: State) -> State:
        """`state` with all the changes."""
        if state is self._base:
            return self.state
        for change in self._changes:
            state = change(state)
        return state

    def reserve(self) -> float:
        """The share of the reserve that its commit may take."""
        return DELETING if all(self._lets_go) else 0

    def words(self) -> str:
        """What is done, for the log."""
        shown = "; ".join(self.operations[:3])
        more = len(self.operations) - 3
        return shown if more <= 0 else f"{shown}; and {more} more"
