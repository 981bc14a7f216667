"""Collection: give back the space of what nothing needs any more.  No clock, lease or lock takes part.

1. *Mark*: list the stored keys, and walk everything the newest state needs.
2. *Condemn*: commit a record that enters every dead digest in the map of condemned objects, with the
   number of a new epoch.  From that record on the object belongs under another key, so a writer
   that comes with the same content stores it there; and a writer that relied on the old key finds
   the number of its record taken, looks again, and does the same.
3. *Sweep*: delete the keys that the map says nothing can mean any more: those of a digest whose
   epoch is lower than the one it was last condemned in.  At once or later, by anybody, any number
   of times.

Every commit thus either came before the condemning record, and was marked, or comes after it and
looks up where its objects belong.  The map only grows.

The map's own nodes are in a folder of their own, since they say where everything else is.  Each is
salted with the epoch for which it was made, and with chance, so none is ever made twice.  Once there
is a record of an epoch, it settles the fate of all nodes made for that epoch or an earlier one: those
that it does not reach will never be reached again, and whoever made them has lost a race.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datafolio.backend import Key
from datafolio.digest import Digest
from datafolio.errors import DamageError, StorageError
from datafolio.store.condemn import Marking, Progress, epoch_of, loosened_at_horizon
from datafolio.store.model import Node, decode
from datafolio.store.objects import CONDEMNED, object_key, parse_condemned_key
from datafolio.store.orphans import Orphan
from datafolio.store.repository import DUE_SHARE, Repository, Tip
from datafolio.store.state import State
from datafolio.store.walk import Walk
from datafolio.text import format_size

__all__ = ["DUE_BYTES", "Collection", "collect", "collect_if_due"]

#: An automatic collection waits until there is this much to gain, in bytes.
DUE_BYTES = 32 << 20

# Enough for storage that deletes many at a time, few enough to tell how far it has come.
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class Collection:
    """What a collection freed, or would free."""

    #: The versions of items that are gone, by item and version.
    orphans: tuple[Orphan, ...]
    #: The number of stored objects that are gone, those of the orphans among them.
    objects: int
    #: Their size in bytes.
    size: int


def collect(
    repository: Repository, *, dry_run: bool = False, keep_log: bool = False, progress: Progress | None = None
) -> Collection:
    """Free what neither the current items nor a snapshot needs.

    With `keep_log`, what the retained records of the log still hold is kept as well.  Any error
    while marking or listing ends the collection before it deletes anything.  A file that can't be
    deleted does not keep the others; in the end StorageError tells of it, and a collection by
    somebody who may delete it will.  It can be killed at any point, and be run again or beside
    another, and works on a full disk.  With `dry_run` nothing is changed.
    """
    repository.tip()  # what an older state needs, such as the one known here, would be kept as well
    marking = Marking(repository, keep_log=keep_log, progress=progress or (lambda _done, _total: None))
    if dry_run:
        repository.view(marking.condemn, is_pure=False)
        return Collection(marking.orphans(), len(marking.dead), sum(marking.dead.values()))
    # First what needs no commit: on a full disk, that may be what makes room for one.
    repository.backend.sweep_stages()
    sweep = _Sweep(repository)
    for part in marking.parts():
        for keys in _portions({object_key(*stored): size for stored, size in part.items()}):
            sweep.delete(keys)
            marking.settle(sum(keys.values()))
        # Seen from the newest state: a collector that slept may find its own map replaced.
        repository.view(sweep.map, is_pure=False)
    repository.keep_reserve()
    sweep.require_deleted()
    return Collection(marking.orphans(), sweep.objects, sweep.size)


def _portions(keys: Mapping[Key, int]) -> Iterator[dict[Key, int]]:
    """`keys`, some at a time."""
    waiting = iter(keys.items())
    while portion := dict(itertools.islice(waiting, _DELETED_AT_ONCE)):
        yield portion


class _Sweep:
    """The deletions of one collection."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._failures: list[tuple[StorageError, int]] = []
        self.objects = 0
        self.size = 0

    def delete(self, keys: Mapping[Key, int]) -> None:
        """Delete objects, of which the sizes are given."""
        try:
            self._repository.backend.delete_all(keys)
        except StorageError:
            # One that can't be deleted does not keep the others.
            keys = {key: size for key, size in keys.items() if self._is_deleted(key, size)}
        self.objects += len(keys)
        self.size += sum(keys.values())

    def _is_deleted(self, key: Key, size: int) -> bool:
        try:
            self._repository.backend.delete(key)
        except StorageError as error:
            self._failures.append((error, size))
            return False
        return True

    def map(self, state: State) -> None:
        """Delete the nodes of maps of condemned objects that are settled and not of this state's map."""
        walk = Walk()
        walk.condemned(state)
        for key, size, _ in self._repository.backend.list(CONDEMNED):
            digest = parse_condemned_key(key)
            if digest is None or digest in walk.needed:
                continue
            try:
                epoch = _epoch_of(self._repository, digest)
            except StorageError as error:
                self._failures.append((error, size))
                continue
            if epoch is not None and epoch <= state.epoch:
                self._is_deleted(key, size)

    def require_deleted(self) -> None:
        """Raise StorageError, saying how many and why, if anything could not be deleted."""
        if not self._failures:
            return
        first = self._failures[0][0]
        files = f"{len(self._failures)} file{'s' if len(self._failures) > 1 else ''}"
        left = f"{files} that nothing needs ({format_size(sum(size for _, size in self._failures))})"
        freed = f"what could be deleted was ({format_size(self.size)})"
        raise StorageError(
            f"{left} could not be deleted, the first because of this: {first}; {freed}; "
            f"collect again as somebody who may delete the rest",
            first.errno,
        ) from first


def _epoch_of(repository: Repository, digest: Digest) -> int | None:
    """The epoch for which a node of the map was made, or None for a file that is no such node."""
    try:
        salt = decode(repository.condemned.read(digest), Node, f"the node {digest}").salt
    except DamageError:
        return None
    return epoch_of(salt)


def collect_if_due(repository: Repository, share: float = DUE_SHARE, tip: Tip | None = None) -> Collection | None:
    """Collect what the retained log no longer needs, once that passes `share` of what the last collection left.

    Whether it does, the totals of `tip` say, or of the newest record.
    """
    garbage = (tip or repository.tip()).state.garbage
    due = max(DUE_BYTES, share * garbage.kept)
    if garbage.loosened - garbage.collected <= due:
        return None
    if loosened_at_horizon(repository) - garbage.collected <= due:
        return None
    return collect(repository, keep_log=True)
