"""What a handle is bound to: a folio, or one of its snapshots, and what may be done through it.

Every read of the porcelain goes through `Binding.view`, and every write through `Binding.commit`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from datafolio.backend import Key, is_full
from datafolio.digest import Digest
from datafolio.errors import (
    DamageError,
    FolioError,
    FolioNotFoundError,
    ReadOnlyError,
    SnapshotNotFoundError,
    StorageError,
    UsageError,
)
from datafolio.porcelain.batch import Batch
from datafolio.porcelain.closing import write_views_at_the_end
from datafolio.porcelain.place import Place
from datafolio.store.changes import Change, at_snapshot, require_snapshot
from datafolio.store.model import Entry
from datafolio.store.objects import Source
from datafolio.store.payload import IncomingPayload, StoredPayload
from datafolio.store.repository import DELETING, DUE_SHARE, Repository, Tip
from datafolio.store.state import State
from datafolio.store.views import write_views

__all__ = ["Binding", "check_auto_gc"]

T = TypeVar("T")


def check_auto_gc(share: object) -> float | None:
    """The share of garbage after which collections come by themselves, or None for never; else UsageError."""
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < math.inf:
        raise UsageError(f"auto_gc is a share of what the folio holds, such as {DUE_SHARE}, or None, not {share!r}")
    return float(share)


class PinnedSnapshot(NamedTuple):
    """One snapshot, told from any other that may bear its name later."""

    name: str
    digest: Digest


class Binding:
    """One handle's view of a folio: the newest state, or, with `snapshot`, that snapshot's."""

    def __init__(
        self,
        repository: Repository,
        place: Place | None = None,
        *,
        read_only: bool,
        trust: bool,
        auto_gc: float | None = DUE_SHARE,
        snapshot: PinnedSnapshot | None = None,
        batches: threading.local | None = None,
    ) -> None:
        self.repository = repository
        self.place = Place(repository.backend) if place is None else place
        self.read_only = read_only or snapshot is not None or repository.backend.is_read_only
        if not self.read_only:
            _import_what_writes()
        self.trust = trust
        self.auto_gc = auto_gc
        #: An automatic collection that failed waits until so much has been let go of.
        self._no_collection_before = 0
        self._pinned = snapshot
        # Shared with the bindings to snapshots that are made of this one: they may be the batch's own.
        self._batches = threading.local() if batches is None else batches
        self._work = _Work()
        self._finish = weakref.finalize(self, _finish, repository, self._work)

    def finish(self) -> None:
        """Bring the files for people up to date now, and not when this is garbage or the program ends."""
        self._finish()

    @property
    def location(self) -> str:
        """Where the folio is, for people."""
        return self.repository.backend.location

    @property
    def snapshot(self) -> str | None:
        """The name of the snapshot that this shows, or None for the folio as it is."""
        return None if self._pinned is None else self._pinned.name

    def at_snapshot(self, name: str) -> Binding:
        """A binding to one snapshot of the same folio.  Raises SnapshotNotFoundError."""
        pinned = PinnedSnapshot(name, self.folio_view(lambda state: require_snapshot(state, name)).digest)
        return Binding(
            self.repository,
            self.place,
            read_only=True,
            trust=self.trust,
            auto_gc=self.auto_gc,
            snapshot=pinned,
            batches=self._batches,
        )

    def view(self, read: Callable[[State], T]) -> T:
        """What `read` makes of the state this handle shows, looked up afresh."""
        return self.folio_view(lambda state: read(self._shown(state)))

    def folio_view(self, read: Callable[[State], T], *, is_pure: bool = True) -> T:
        """What `read` makes of the folio's newest state, whatever snapshot the handle shows.

        One that does more than read is not pure: see `Repository.view`.
        """
        batch = self._batch
        return self.repository.view(read, is_pure=is_pure) if batch is None else batch.view(read)

    def _shown(self, state: State) -> State:
        if self._pinned is None:
            return state
        if require_snapshot(state, self._pinned.name).digest != self._pinned.digest:
            raise SnapshotNotFoundError(
                f"the snapshot {self._pinned.name!r} that this handle shows was deleted, and another of that name "
                f"was made since; load it again"
            )
        return at_snapshot(state, self._pinned.name)

    def foresee(self, check: Callable[[State], None]) -> None:
        """Raise now what `check` would raise in a commit, as far as that can be told without waiting for storage."""
        if not self.repository.backend.is_distant:
            self.view(check)
            return
        batch = self._batch
        state = self.repository.known().state if batch is None else batch.state
        try:
            check(self._shown(state))
        except FolioError:
            self.view(check)  # what is known here may be older than what is there

    def require_writable(self) -> None:
        """Raise ReadOnlyError, saying why and what to do, if the handle only reads."""
        if self.snapshot is not None:
            raise ReadOnlyError(
                f"this is the snapshot {self.snapshot!r}, and snapshots never change; "
                f"write to DataFolio({self.location!r}), or go back there with restore_snapshot({self.snapshot!r})"
            )
        if self.repository.backend.is_read_only:
            raise ReadOnlyError(
                f"{self.location} can only be read; `datafolio clone {self.location} DIRECTORY` makes a copy "
                f"of your own"
            )
        if self.read_only:
            raise ReadOnlyError(f"{self.location} was opened with read_only=True; open it without to write")

    def payload(self, entry: Entry, *, item: str, filename: str) -> StoredPayload:
        """The payload of an item, to read, even if it was added by a batch that is under way."""
        if self._batch is not None:
            self._batch.make_readable(entry.digest)
        return self.repository.payload(entry, item=item, filename=filename)

    def repository_to_read(self) -> Repository:
        """The folio's repository, with every payload that a batch under way has added so far."""
        if self._batch is not None:
            self._batch.make_readable()
        return self.repository

    @contextlib.contextmanager
    def incoming(self, *, recall: bool) -> Iterator[IncomingPayload]:
        """A new payload to write to, staged until the end of the block, or of the batch if one is under way.

        `recall` is the repository's; not in a batch, which can't go back to the file at its end.
        """
        self.require_writable()
        batch = self._batch
        with self._telling_how_to_make_room(), contextlib.ExitStack() as stages:
            payload = stages.enter_context(self.repository.incoming(recall=recall and batch is None))
            yield payload
            if batch is not None and payload.is_staged:
                batch.stages.push(stages.pop_all())

    def commit(
        self,
        operation: str,
        change: Change,
        payloads: Mapping[Digest, Source] | None = None,
        *,
        lets_go: bool = False,
        stored: set[Key] | None = None,
    ) -> None:
        """Make `change` durable with the payloads it needs; inside a batch, when that ends.

        One that `lets_go` of something, and adds nothing, works on a full disk too.  `stored` is the repository's,
        and not for batches.
        """
        self.require_writable()
        batch = self._batch
        if batch is not None:
            with self._telling_how_to_make_room():
                batch.add(operation, change, payloads or {}, lets_go=lets_go)
            return
        with self._telling_how_to_make_room():
            tip = self.repository.commit(operation, change, payloads, stored, reserve=DELETING if lets_go else 0)
        self._note_work()
        self._collect_if_due(tip)

    @contextlib.contextmanager
    def _telling_how_to_make_room(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            import shlex

            hint = f"`datafolio --folio {shlex.quote(self.location)} snapshot gc`"
            # What is full for one far away is the disk that its payloads wait on.
            if not is_full(error) or hint in str(error) or self.repository.backend.is_distant:
                raise
            raise StorageError(
                f"{error}; nothing was changed; {hint} makes room if there is anything that nothing needs",
                error.errno,
            ) from error

    def _note_work(self) -> None:
        self._work.was_done = True
        if self.repository.backend.is_distant:
            write_views_at_the_end(self.repository)

    def _collect_if_due(self, tip: Tip) -> None:
        if self.auto_gc is None:
            return
        # What was committed is durable whether or not there is garbage that can be told from the rest.
        with contextlib.suppress(StorageError, DamageError, FolioNotFoundError):
            from datafolio.store.gc import DUE_BYTES, collect_if_due

            loosened = tip.state.garbage.loosened
            if loosened < self._no_collection_before:
                return
            # One that fails would fail again at the next commit, and each takes a look at the whole folio.
            self._no_collection_before = loosened + DUE_BYTES
            collect_if_due(self.repository, self.auto_gc, tip)
            self._no_collection_before = 0

    def refresh_views(self) -> None:
        """Bring the files for people up to date, if it is time; outside a batch."""
        if self._batch is None:
            _write_views(self.repository, last_chance=False)

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Collect this thread's changes and commit them as one; on an exception, none.

        Inner batches join in; one that raises is taken back by itself.  In a process forked inside,
        every use of the batch raises UsageError, and so does its end.
        """
        self.require_writable()
        if self._batch is not None:
            with self._batch.savepoint():
                yield
            return
        with contextlib.ExitStack() as stages:
            batch = self._batches.current = Batch(self.repository, stages)
            try:
                yield
            finally:
                self._batches.current = None
                if not batch.is_own():
                    stages.pop_all()  # the staged files are those of the process that began it
            batch.require_own()
            if not batch.operations:
                return
            with self._telling_how_to_make_room():
                tip = self.repository.commit(
                    batch.words(), batch.apply, batch.payloads, batch.stored, reserve=batch.reserve()
                )
            self._note_work()
        self._collect_if_due(tip)

    def refuse_in_batch(self, what: str) -> None:
        """Raise UsageError if a batch is under way."""
        if self._batch is not None:
            raise UsageError(f"{what} can't be part of a batch; do it after the batch")

    @property
    def _batch(self) -> Batch | None:
        batch: Batch | None = getattr(self._batches, "current", None)
        if batch is not None:
            batch.require_own()
        return batch


def _import_what_writes() -> None:
    """Import now what would else be imported at the first write.

    That may come in a thread, and in a process that is forked meanwhile the import would never end.
    """
    import concurrent.futures.thread
    import ctypes

    import datafolio.items
    import datafolio.store.gc
    import datafolio.store.pump

    del concurrent, ctypes, datafolio


class _Work:
    """Whether anything was written.  No Event: its lock could be held when the process is forked."""

    was_done = False


def _finish(repository: Repository, work: _Work) -> None:
    # Garbage is found in any thread, and in the one that makes the requests this would wait for itself for ever.
    if work.was_done and not repository.backend.is_distant:
        _write_views(repository, last_chance=True)


def _write_views(repository: Repository, *, last_chance: bool) -> None:
    # What was committed is durable whether or not the copies for people can be written too.
    with contextlib.suppress(StorageError, DamageError, FolioNotFoundError):
        write_views(repository, last_chance=last_chance)
