"""The first half of a collection: find out what nothing needs, and condemn it through the log."""

from __future__ import annotations

import heapq
import itertools
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager

from msgspec.structs import replace

from datafolio.backend import is_full
from datafolio.digest import Digest
from datafolio.errors import StorageError
from datafolio.store.model import Garbage, next_number
from datafolio.store.objects import OBJECTS, StoredKey, condemned_key, parse_key
from datafolio.store.orphans import Orphan, name_orphans
from datafolio.store.repository import COLLECTING, Repository
from datafolio.store.state import State
from datafolio.store.walk import Walk, raising

__all__ = ["Marking", "Progress", "epoch_of", "loosened_at_horizon", "salt_of"]

#: Told of progress: bytes whose fate is settled, kept or freed, and bytes stored.
Progress = Callable[[int, int], None]

# On a disk that is too full to condemn all that is dead at once, this many of the largest come first.
_FIRST_PART = 16
_GROWTH = 4


def salt_of(epoch: int) -> str:
    """A salt for the nodes of a map of condemned objects that is made for `epoch`: none is ever made twice."""
    return f"{epoch}-{os.urandom(8).hex()}"


def epoch_of(salt: str) -> int | None:
    """The epoch that `salt_of` made the salt for, or None for another salt."""
    epoch = salt.partition("-")[0]
    return int(epoch) if epoch.isascii() and epoch.isdigit() else None


class Marking:
    """What is stored, and which of it nothing needs as seen from the state that was condemned last."""

    def __init__(self, repository: Repository, *, keep_log: bool, progress: Progress) -> None:
        self._repository = repository
        self._keep_log = keep_log
        self._progress = progress
        # Listed before anything is walked: what is stored later is not this collection's to condemn.
        self._listed = {stored: size for key, size, _ in repository.backend.list(OBJECTS) if (stored := parse_key(key))}
        self._sizes: Counter[Digest] = Counter()
        for stored, size in self._listed.items():
            self._sizes[stored.digest] += size
        self._total = self._sizes.total()
        # One walk for every attempt: what an earlier state needed stays, a retry reads only what is new.
        self._walk = Walk(self._guard)
        self._walked = 0
        self._settled = 0
        self._progress(0, self._total)
        self._limit: int | None = None
        self._is_last = False
        self._nodes: set[Digest] = set()
        self._condemned: set[Digest] = set()
        self._part: set[Digest] = set()
        self._orphans: dict[tuple[str, int, Digest], Orphan] = {}
        self.dead: dict[StoredKey, int] = {}

    def orphans(self) -> tuple[Orphan, ...]:
        """The versions of items that were condemned, by item and version."""
        condemned = self._condemned | self._part
        return tuple(self._orphans[key] for key in sorted(self._orphans) if key[2] in condemned)

    def parts(self) -> Iterator[Mapping[StoredKey, int]]:
        """Commit what is dead as condemned, and give what may then be deleted, with its size.

        All in one part, unless the disk is too full for that: then a little at a time, so that deleting
        one part makes room for the next.
        """
        while True:
            try:
                self._repository.commit("collect", self.condemn, reserve=COLLECTING)
            except StorageError as error:
                if not is_full(error):
                    raise
                self._forget_nodes()
                if not self._take_less():
                    raise
                continue
            self._condemned |= self._part
            yield self.dead
            if self._is_last:
                return
            self._take_more()

    def condemn(self, state: State) -> State:
        """The state in which what is dead belongs nowhere.  A change to commit."""
        self._mark(state)
        fresh = {stored.digest for stored in self.dead if stored.burn >= state.burn_of(stored.digest)}
        self._part = self._part_of(fresh)
        self._is_last = self._part == fresh
        self._name(state, fresh)
        later = fresh - self._part
        self.dead = {stored: size for stored, size in self.dead.items() if stored.digest not in later}
        return self._condemn(state, self._part) if self._part else state

    def _part_of(self, fresh: set[Digest]) -> set[Digest]:
        """All, or the largest, whose deletion makes the most room."""
        return fresh if self._limit is None else set(heapq.nlargest(self._limit, fresh, self._sizes.__getitem__))

    def _condemn(self, state: State, part: Collection[Digest]) -> State:
        # A copy made while somebody wrote may have keys of later epochs than its log, and no key is used twice.
        epoch = next_number(max(state.epoch, *(stored.burn for stored in self.dead)), "the last collection")
        condemned = state.condemned.edit(dict.fromkeys(part, epoch), salt=salt_of(epoch))
        self._nodes.update(condemned.pending())
        return replace(state, epoch=epoch, condemned=condemned, garbage=self._garbage(state, epoch))

    def _mark(self, state: State) -> None:
        self._walk.state(state)
        if self._keep_log:
            for logged in self._repository.log.retained():
                if logged.record.epoch < state.garbage.horizon:
                    break
                self._walk.state(self._repository.state_of(logged))
        self._count()
        self.dead = {
            stored: size
            for stored, size in self._listed.items()
            if stored.digest not in self._walk.needed or stored.burn < state.burn_of(stored.digest)
        }

    def _guard(self, digest: Digest | None, by: str) -> AbstractContextManager[None]:
        self._count()
        return raising(digest, by)

    def _count(self) -> None:
        """Tell of what the walk has come to since the last time."""
        fresh = len(self._walk.needed) - self._walked
        self._walked += fresh
        self.settle(sum(self._sizes[digest] for digest in itertools.islice(reversed(self._walk.needed), fresh)))

    def settle(self, size: int) -> None:
        """Tell of `size` more bytes whose fate is known."""
        self._settled += size
        self._progress(min(self._settled, self._total), self._total)

    def _name(self, state: State, fresh: Collection[Digest]) -> None:
        # Those of all parts, while what holds the names is still there.
        for orphan in name_orphans(self._repository, state, fresh):
            key = (str(orphan["item"]), int(str(orphan["version"])), Digest(str(orphan["digest"])))
            self._orphans.setdefault(key, orphan)

    def _garbage(self, state: State, epoch: int) -> Garbage:
        """The totals, from which the next automatic collection counts."""
        horizon = state.garbage.horizon if self._keep_log else epoch
        if not self._is_last:
            return replace(state.garbage, horizon=horizon)
        loosened = state.garbage.loosened
        return Garbage(
            loosened=loosened,
            collected=loosened_at_horizon(self._repository) if self._keep_log else loosened,
            kept=sum(self._listed.values()) - sum(self.dead.values()),
            horizon=horizon,
        )

    def _forget_nodes(self) -> None:
        """Delete the nodes that were stored for a record which did not come to be, and which nobody else can have."""
        walk = Walk()
        walk.condemned(self._repository.tip().state)
        for digest in self._nodes - walk.needed.keys():
            self._repository.backend.delete(condemned_key(digest))
        self._nodes.clear()

    def _take_less(self) -> bool:
        """Whether there is a smaller part to try: first only what was condemned before, which takes no commit."""
        if self._limit is None:
            self._limit = 0
            return True
        self._limit //= _GROWTH
        return self._limit > 0

    def _take_more(self) -> None:
        for stored in self.dead:
            self._listed.pop(stored, None)
        if self._limit is not None:
            self._limit = max(_FIRST_PART, self._limit * _GROWTH)


def loosened_at_horizon(repository: Repository) -> int:
    """What had been let go of by the oldest record that is retained."""
    return repository.log.oldest().record.garbage.loosened
