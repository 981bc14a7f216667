"""A folio as a store: objects, the log, and the commit that joins them."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from datafolio.backend import Backend, Key, is_full
from datafolio.digest import Digest
from datafolio.errors import (
    FolioNotFoundError,
    FormatError,
    KeyExistsError,
    MissingObjectError,
    StorageError,
)
from datafolio.store.cache import Cache
from datafolio.store.changes import Change
from datafolio.store.clock import utc_now
from datafolio.store.familiar import is_vouched_for
from datafolio.store.foliofile import FOLIO_FILE, folio_file, read_folio_file, require_exclusive, require_folio
from datafolio.store.forks import Forkable, renewed_in_children
from datafolio.store.log import Log, is_trimming
from datafolio.store.model import FORMAT, Entry, FolioFile
from datafolio.store.nodes import Nodes
from datafolio.store.objects import ObjectStore, Source, condemned_key, object_key
from datafolio.store.parallel import at_once
from datafolio.store.payload import IncomingPayload, StoredPayload
from datafolio.store.readme import README
from datafolio.store.record import Logged
from datafolio.store.state import Loaders, Stamp, State

__all__ = ["COLLECTING", "DELETING", "DUE_SHARE", "README_FILE", "NotAsStoredError", "Repository", "Tip"]

README_FILE = Key("README.md")

T = TypeVar("T")

#: What a commit may take of the reserve on a full disk: one that lets go of something takes no more
#: than half, so that there is a half for the collection that then frees it.
DELETING = 0.5
COLLECTING = 1.0

#: An automatic collection waits until so large a share of what the last one left is garbage, unless somebody
#: says otherwise.
DUE_SHARE = 0.5

_RESERVE = 256 << 10
_SMALL_RECORD = 32 << 10

_KEPT_NODES = 256
_MOST_REMEMBERED = 1 << 16
_LONGEST_WAIT = 0.1


class Tip(msgspec.Struct, frozen=True):
    """The newest record, and the state it holds."""

    logged: Logged
    state: State

    @property
    def seq(self) -> int:
        """The number of the record."""
        return self.logged.record.seq


class NotAsStoredError(MissingObjectError):
    """An object that a change relies on without its bytes is gone, or was written to, since it was looked for."""


class Repository(Forkable):
    """One folio's objects and log.  Safe to share between threads, and with forked processes."""

    def __init__(self, backend: Backend, cache: Cache | None = None) -> None:
        """Use `open` or `create`, which check what is there."""
        self.backend = backend
        self.log = Log(backend)
        # What is at hand anyhow needs no copy.
        self._cache = cache if backend.is_distant else None
        self.objects = ObjectStore(backend, self._key_of, self._cache)
        self.condemned = ObjectStore(backend, condemned_key, self._cache)
        self._nodes = Nodes(backend, self.objects.read)
        self._loaders = Loaders(self.objects.read, self._nodes, Nodes(backend, self.condemned.read))
        self._lock = threading.RLock()
        self._tip: Tip | None = None
        #: What is known to be stored far away, where it pays to remember that.
        self._remembered: set[Key] = set()
        renewed_in_children(self)

    @classmethod
    def open(cls, backend: Backend, cache: Cache | None = None, *, to_write: bool = False) -> Repository:
        """The folio at `backend`.  Raises FolioNotFoundError where there is none, FormatError for a newer one.

        With `to_write`, raises NotExclusiveError for storage that can't have several writers.
        """
        repository = cls(backend, cache)
        _, logged = at_once(backend, lambda: require_folio(backend, to_write=to_write), repository.log.glance)
        # It was the newest a moment ago, and every use of it looks again.
        repository._adopt(repository._require_log(logged))
        return repository

    @classmethod
    def create(cls, backend: Backend, cache: Cache | None = None) -> Repository:
        """A folio at `backend`: a new one, or the one that is there or that another process just made."""
        repository = cls(backend, cache)
        if read_folio_file(backend) is None:
            if backend.is_distant:
                _create_if_free(backend, README_FILE, README)
                require_exclusive(backend, README_FILE, backend.read(README_FILE))
            # The file that makes it a folio comes last, so a folio without a record has lost it.
            first = State.empty(repository._loaders).record(repository._stamp(None, "create the folio"))
            with contextlib.suppress(KeyExistsError):  # another process, or one that was killed, began
                repository.log.append(first, {})
            info = FolioFile(format=FORMAT, folio_id=os.urandom(16).hex(), created_at=utc_now())
            _create_if_free(backend, README_FILE, README)
            _create_if_free(backend, FOLIO_FILE, folio_file(info))
            repository.keep_reserve()
        repository.tip()
        return repository

    def tip(self) -> Tip:
        """The newest record, looked up afresh: everything acknowledged to anybody before this call."""
        known = self._tip
        return known if known is not None and self.log.is_newest(known.logged) else self._look_again()

    def known(self) -> Tip:
        """The newest record as it was when this was last looked up or committed to here; there may be newer ones."""
        return self._tip or self.tip()

    def _on_newest(self, work: Callable[[Tip], T]) -> tuple[Tip, Callable[[], T]]:
        """The newest record, and a call that gives what `work` made of it, or raises what it raised.

        Where a look takes a while, `work` begins meanwhile, with the newest record that is known here; it is done
        again if that turns out to be an older one.
        """
        known = self._tip
        if known is not None and self.backend.is_distant:
            outcome, newest = at_once(self.backend, lambda: _outcome_of(work, known), self.tip)
            if newest is known:
                return newest, outcome
        else:
            newest = self.tip()
        return newest, _outcome_of(work, newest)

    def commit(
        self,
        operation: str,
        change: Change,
        payloads: Mapping[Digest, Source] | None = None,
        stored: set[Key] | None = None,
        *,
        reserve: float = 0,
    ) -> Tip:
        """Apply `change` to the newest state and make the result the newest record.

        On return the record and everything it needs are durable.  `change` is applied again, to a
        newer state, for as long as other writers are first; what it raises ends the commit with
        nothing changed.  A change that changes nothing writes nothing.  `payloads` are what the new
        state needs besides the objects it carries; `stored` are the keys of those stored already.
        On a full disk the share `reserve` of what was held back is given up and the commit tried again.
        """
        stored = set() if stored is None else stored
        try:
            tip = self._commit(operation, change, payloads or {}, stored)
        except StorageError as error:
            if not (reserve and is_full(error) and self.backend.release_reserve(reserve)):
                raise
            if self._tip is not None and not self.log.is_newest(self._tip.logged):
                raise  # the record may be there, and applying the change twice is not the same as once
            try:
                return self._commit(operation, change, payloads or {}, stored)
            finally:
                self.keep_reserve()
        self.keep_reserve()
        return tip

    def keep_reserve(self) -> None:
        """Hold back what a commit of the size of the newest takes, and the nodes it makes.  Never raises."""
        with self._lock:
            record = self._tip.logged.size if self._tip is not None else 0
        # In steps, so that it is not made again for each byte that a record grows by.
        self.backend.keep_reserve(_RESERVE + (2 << record.bit_length() if record > _SMALL_RECORD else 0))

    def _commit(self, operation: str, change: Change, payloads: Mapping[Digest, Source], stored: set[Key]) -> Tip:
        for attempt in itertools.count():
            tip, prepare = self._on_newest(lambda tip: self._prepare(tip, change, payloads, stored))
            try:
                state = prepare()
                if state is tip.state:
                    return tip
                logged = self.log.append(state.record(self._stamp(tip, operation)), state.unknown)
            except (KeyExistsError, MissingObjectError) as error:
                # A missing object is damage, unless a collection came between.
                if isinstance(error, MissingObjectError) and self.tip() is tip:
                    raise
                if isinstance(error, KeyExistsError):
                    self._look_again()
                time.sleep(random.uniform(0, min(_LONGEST_WAIT, 0.001 * 2 ** min(attempt, 10))))  # noqa: S311 - no secret
                continue
            for digest, data in itertools.islice(state.pending_nodes().items(), _KEPT_NODES):
                # Decoded again, since a made node has entries that hold on to the bytes of many older ones.
                self._nodes.keep(digest, data)
            adopted = self._adopt(logged, state.stored())
            self._remember(stored)
            self._trim(logged.record.seq)
            return adopted
        raise AssertionError("unreachable")

    def _remember(self, stored: set[Key]) -> None:
        if self.backend.is_distant:
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered.update(stored)

    def _trim(self, newest: int) -> None:
        """Let go of old records; what was asked for is done, so nobody waits for many requests, or hears of errors."""

        def trim() -> None:
            with contextlib.suppress(StorageError):  # a later commit does it
                self.log.trim(newest)

        if not is_trimming(newest):
            return
        if self.backend.is_distant:
            with contextlib.suppress(RuntimeError):  # no thread can be had
                threading.Thread(target=trim, name="datafolio-trim", daemon=True).start()
        else:
            trim()

    def _prepare(self, tip: Tip, change: Change, payloads: Mapping[Digest, Source], stored: set[Key]) -> State:
        """The state that the commit is to make of the tip, with everything that it needs stored."""
        state = change(tip.state)
        if state is tip.state:
            return state
        # The keys depend on what has been condemned by now, so this comes with looking at the tip, every
        # time: who condemns one of them later takes the number of the record.
        state = state.with_worn_nodes()
        objects = ObjectStore(self.backend, tip.state.key_of, self._cache)
        wanted = {**state.pending(), **payloads}
        # A key is deleted only when it is not that of its digest any more.
        missing = {digest: wanted[digest] for digest in wanted if objects.key(digest) not in self._remembered}
        objects.put_all(missing, stored)
        self.condemned.put_all(state.condemned.pending(), stored)
        return state

    def view(self, read: Callable[[State], T], *, is_pure: bool = True) -> T:
        """What `read` makes of the newest state.

        If an object that it needs was collected meanwhile, it reads again from a newer state.  One that `is_pure`
        may also be called with a state that turns out to be an older one, and what it made of that is forgotten.
        """
        while True:
            if is_pure:
                tip, outcome = self._on_newest(lambda tip: read(tip.state))
            else:
                tip = self.tip()
                outcome = _outcome_of(lambda tip: read(tip.state), tip)
            try:
                return outcome()
            except MissingObjectError:
                if self.tip() is tip:
                    raise

    def incoming(self, *, recall: bool = False) -> IncomingPayload:
        """A new payload to write to; with `recall`, a file whose bytes are stored already is not read again.

        Then the change that relies on it is to be one of `relying_on`.
        """
        return IncomingPayload(self.backend.stage, self._holds if recall else None)

    def _holds(self, digest: Digest) -> bool:
        return is_vouched_for(self.backend, self.objects.key(digest))

    def relying_on(self, digest: Digest, change: Change) -> Change:
        """`change`, made only of states in which the object is stored, durably, though nothing may need it yet.

        Raises NotAsStoredError for others.  A collection that condemns it a moment later takes the record's number.
        """

        def checked(state: State) -> State:
            key = state.key_of(digest)
            if not is_vouched_for(self.backend, key):
                raise NotAsStoredError(f"{key} in {self.backend.location} is not as it was a moment ago; add it again")
            self.backend.confirm(key)
            return change(state)

        return checked

    def payload(self, entry: Entry, *, item: str, filename: str) -> StoredPayload:
        """A stored payload to read."""
        return StoredPayload(self.objects, entry.digest, entry.size, item=item, filename=filename)

    def state_of(self, logged: Logged) -> State:
        """The state that an earlier record holds."""
        return State.of(logged.record, logged.unknown, self._loaders)

    def renew(self) -> None:
        """Used in a forked process only: see `Forkable`.  The tip is right, since it is changed in one step."""
        self._lock = threading.RLock()

    def _stamp(self, tip: Tip | None, operation: str) -> Stamp:
        return Stamp(
            seq=tip.seq + 1 if tip else 0,
            previous=tip.logged.digest if tip else None,
            write_id=os.urandom(16).hex(),
            time=utc_now(),
            operation=operation,
        )

    def _require_log(self, logged: Logged | None) -> Logged:
        if logged is None:
            if self.backend.size(FOLIO_FILE) is None:
                raise FolioNotFoundError(f"the folio at {self.backend.location} is gone: it was deleted or moved away")
            raise FormatError(
                f"the folio at {self.backend.location} has no records in log/, so its contents are not here; "
                f"copy the whole directory again (a git clone has only the files that git keeps)"
            )
        return logged

    def _look_again(self) -> Tip:
        """Find the newest record from nothing: the folio may even be another one than before, or an older copy."""
        known = self._tip
        logged = self._require_log(self.log.newest())
        if known is not None and logged.record.previous != known.logged.digest:
            self._remembered.clear()  # it may be a folio that was made anew where the other one was
        tip = self._tip = Tip(logged, self.state_of(logged))
        return tip

    def _adopt(self, logged: Logged, state: State | None = None) -> Tip:
        with self._lock:
            if self._tip is None or logged.record.seq >= self._tip.seq:
                self._tip = Tip(logged, state or self.state_of(logged))
            return self._tip

    def _key_of(self, digest: Digest) -> Key:
        # The map only ever grows, so the newest one known here tells every object's place.
        return self._tip.state.key_of(digest) if self._tip is not None else object_key(digest, 0)


def _outcome_of(work: Callable[[Tip], T], tip: Tip) -> Callable[[], T]:
    """A call that gives what `work` made of `tip`, or raises what it raised."""
    try:
        result = work(tip)
    except Exception as error:  # noqa: BLE001 - raised by the call
        failure = error

        def fail() -> T:
            raise failure

        return fail
    return lambda: result


def _create_if_free(backend: Backend, key: Key, data: bytes) -> None:
    try:
        backend.create(key, data)
    except KeyExistsError:
        return
