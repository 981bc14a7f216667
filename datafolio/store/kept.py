"""Whether everything that an earlier record needs is still stored, as seen from the newest state."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeVar

from datafolio.digest import Digest
from datafolio.errors import DamageError, MissingObjectError, NotKeptError, StorageError
from datafolio.store.model import Entry, SnapshotRef
from datafolio.store.record import Logged
from datafolio.store.repository import Repository
from datafolio.store.state import Loaders, State
from datafolio.store.tree import Tree
from datafolio.text import format_size, printable

__all__ = ["require_kept"]

T = TypeVar("T")


def require_kept(repository: Repository, state: State, past: Logged, refusal: str) -> None:
    """Return if `state` could take on the contents of the record `past`.

    Every object that only those need is looked up where it belongs as of `state`: what was read before
    is in memory, whether or not it is still stored.  Takes time in proportion to what differs.  Raises
    NotKeptError, which begins with `refusal` and names what is gone and the collection that freed it.
    """
    _Check(repository, state, past, refusal).run()


class _Check:
    def __init__(self, repository: Repository, state: State, past: Logged, refusal: str) -> None:
        self._repository = repository
        self._state = state
        self._past = past
        self._refusal = refusal
        self._checked: set[Digest] = set()
        #: Nodes and snapshots that were read on the way, and what they are, in words.
        self._read: dict[Digest, str] = {}

    def run(self) -> None:
        loaders = self._state.loaders
        noting = Loaders(
            self._noting(loaders.read, "a snapshot"),
            self._noting(loaders.node, "a part of its list of items or snapshots"),
            loaders.condemned_node,
        )
        past = State.of(self._past.record, self._past.unknown, noting)
        self._items(past.items, "")
        for change in self._state.snapshots.diff(past.snapshots):
            if change.after is not None:
                self._snapshot(past, change.name, change.after)
        self._state.retired.diff(past.retired)
        # Last, for what they are called says less than the name of an item does.
        for digest, words in self._read.items():
            self._require(digest, words)

    def _snapshot(self, past: State, name: str, ref: SnapshotRef) -> None:
        words = f"snapshot {name!r}"
        if ref.snapshot is None:
            self._read[ref.digest] = words
        snapshot = past.snapshot(ref)
        self._read[snapshot.tree] = f"the list of items of {words}"
        if snapshot.environment is not None:
            self._require(snapshot.environment, f"the environment of {words}")
        self._items(past.snapshot_items(ref), f" of {words}")

    def _items(self, items: Tree[Entry], suffix: str) -> None:
        """Require what the present items do not need: they are whole."""
        for change in self._state.items.diff(items):
            entry = change.after
            if entry is not None and (change.before is None or change.before.digest != entry.digest):
                size = format_size(entry.size)
                self._require(entry.digest, f"item {change.name!r} version {entry.version} ({size}){suffix}")

    def _noting(self, load: Callable[[Digest], T], words: str) -> Callable[[Digest], T]:
        """`load`, with a note of what it is called for."""

        def noted(digest: Digest) -> T:
            self._read.setdefault(digest, words)
            try:
                return load(digest)
            except MissingObjectError:
                self._require(digest, self._read[digest])
                raise

        return noted

    def _require(self, digest: Digest, words: str) -> None:
        if digest in self._checked:
            return
        key, burn = self._state.key_of(digest), self._state.burn_of(digest)
        backend = self._repository.backend
        was_condemned = burn > self._past.record.epoch
        if backend.size(key) is None:
            if was_condemned:
                raise NotKeptError(f"{self._refusal}: {printable(words)} is gone, freed by {self._collection(burn)}")
            raise MissingObjectError(f"{self._refusal}: {key} ({printable(words)}) is missing from {backend.location}")
        if was_condemned:
            backend.confirm(key)  # another writer has stored it again, perhaps a moment ago
        self._checked.add(digest)

    def _collection(self, epoch: int) -> str:
        """The collection with the number `epoch`, in words."""
        log = self._repository.log
        for seq in log.sequence():
            with contextlib.suppress(DamageError, StorageError):
                record = log.read(seq).record
                if record.epoch >= epoch:
                    return f"the collection that was operation {seq}"
        return "a collection"
