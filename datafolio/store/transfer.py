"""Transfer: let one folio hold what another does, or one of its snapshots.

It is one commit at the target.  The objects that the new state needs and the target lacks are copied
first, so a transfer that is ended at any point leaves the target as it was, and one that is begun again
finds what is there already.  The target moves only forward: what only it holds is never given up.

Both are decided for the state that the commit is made from.  If another writer or a collection
at the target is first, the transfer is planned again, from what they left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from datafolio.backend import Key
from datafolio.digest import Digest
from datafolio.errors import DivergedError, MissingObjectError, SnapshotExistsError
from datafolio.store.adopt import adopt, adopt_snapshot, is_empty
from datafolio.store.changes import Change, require_snapshot
from datafolio.store.divergence import Side, Standing, contents_of, loss_of, standing_of
from datafolio.store.objects import OBJECTS, Elsewhere, Source
from datafolio.store.parallel import in_parallel
from datafolio.store.repository import Repository, Tip
from datafolio.store.state import State
from datafolio.store.synced import remember_synced, synced_contents
from datafolio.store.walk import Needed, WalkBeyond

__all__ = ["Amount", "Commit", "Progress", "Transferred", "transfer"]

#: Of more objects than this, a listing of all tells sooner which are there than a look at each.
_MOST_LOOKS = 1000


class Amount(NamedTuple):
    """So many objects, and their size in bytes."""

    objects: int
    size: int


#: Told of progress: what has been copied, and what there is to copy.
Progress = Callable[[Amount, Amount], None]


class Commit(Protocol):
    """Makes a change durable with the payloads it needs, as `Repository.commit` does."""

    def __call__(
        self, operation: str, change: Change, payloads: Mapping[Digest, Source], stored: set[Key], /
    ) -> object: ...


@dataclass(frozen=True)
class Transferred:
    """What a transfer did."""

    #: Whether anything was to do; nothing is written where not.
    is_changed: bool
    #: Whether the target holds all that the source does, and more; then nothing was to do.
    is_ahead: bool
    copied: Amount


def transfer(
    source: Repository,
    target: Repository,
    words: str,
    *,
    snapshot: str | None = None,
    own: Repository | None = None,
    accept_ahead: bool = False,
    commit: Commit | None = None,
    progress: Progress | None = None,
) -> Transferred:
    """Let `target` hold what `source` does, by a commit that `words` describe; with `snapshot`, only that snapshot.

    On return that is durable.  Raises DivergedError, which says what differs, and changes nothing, if the
    target holds what the source does not; if it is merely ahead, not with `accept_ahead`.  Raises
    SnapshotExistsError if it has another snapshot of that name; SnapshotNotFoundError if the source has none;
    DamageError, with nothing changed, for an object of the source that is missing or not what it should be.
    `own`, one of the two, may keep in mind when the two were the same, if it is given.
    """
    work = _Transfer(source, target, snapshot, own, progress or (lambda _done, _total: None))
    while True:
        try:
            plan = work.plan(accept_ahead=accept_ahead)
            if not isinstance(plan, _Plan):
                return Transferred(False, plan is Standing.AHEAD, work.copied)
            (commit or target.commit)(words, plan.change, work.copies(plan), work.stored)
        except MissingObjectError:
            # It is damage, unless a collection came between.
            if not work.is_overtaken():
                raise
            continue
        if plan.is_applied:
            work.remember(plan)
            return Transferred(True, False, work.copied)


class _Plan:
    """The state that the target is to be in, as planned for one of its records."""

    def __init__(self, source: State, tip: Tip, adopted: State) -> None:
        self.source = source
        self.tip = tip
        self.adopted = adopted
        #: Whether the change was applied to the state that it was planned for.
        self.is_applied = False

    def change(self, state: State) -> State:
        """The new state; or no change, if another writer was first."""
        self.is_applied = state is self.tip.state
        return self.adopted if self.is_applied else state


class _Transfer:
    """A transfer under way."""

    def __init__(
        self, source: Repository, target: Repository, snapshot: str | None, own: Repository | None, progress: Progress
    ) -> None:
        self._source = source
        self._target = target
        self._snapshot = snapshot
        self._own = own
        self._progress = progress
        self._lock = threading.Lock()
        self._source_tip = source.tip()
        self._target_tip = target.tip()
        self._total = Amount(0, 0)
        self.copied = Amount(0, 0)
        #: Keys at the target that are known to be there.
        self.stored: set[Key] = set()

    def plan(self, *, accept_ahead: bool) -> _Plan | Standing:
        """What is to be done, or how the two stand to each other where nothing is."""
        self._source_tip, self._target_tip = self._source.tip(), self._target.tip()
        state, tip = self._source_tip.state, self._target_tip
        if self._snapshot is not None:
            return self._plan_snapshot(self._snapshot, state, tip)
        synced = None if self._own is None else synced_contents(self._own.backend, self._other)
        standing = standing_of(Side(self._target, tip.state), Side(self._source, state), synced)
        if standing is Standing.BEHIND:
            return _Plan(state, tip, adopt(tip.state, state))
        if standing is Standing.DIVERGED or (standing is Standing.AHEAD and not accept_ahead):
            raise DivergedError(self._refusal(standing, tip.state, state))
        return standing

    @property
    def _other(self) -> Repository:
        return self._source if self._own is self._target else self._target

    def _plan_snapshot(self, name: str, state: State, tip: Tip) -> _Plan | Standing:
        ref = require_snapshot(state, name)
        known = tip.state.snapshots.get(name)
        if known is None:
            return _Plan(state, tip, adopt_snapshot(tip.state, state, name))
        if known.digest != ref.digest:
            raise SnapshotExistsError(
                f"the snapshot {name!r} of {self._target.backend.location} is another one than that of "
                f"{self._source.backend.location}, and snapshots never change; nothing was copied"
            )
        return Standing.SAME

    def _refusal(self, standing: Standing, target: State, source: State) -> str:
        there, here = self._target.backend.location, self._source.backend.location
        loss = str(loss_of(target, source)) or "operations"
        if standing is Standing.AHEAD:
            return f"{there} is ahead of {here}, which lacks its {loss}; pull from it first; nothing was changed"
        return (
            f"{there} has what {here} lacks, and would lose it: {loss}; nothing was changed; "
            f"single snapshots can be copied either way (--snapshot NAME, snapshot=...), or copy to another place"
        )

    def copies(self, plan: _Plan) -> dict[Digest, Source]:
        """The objects to copy."""
        walk = WalkBeyond(plan.tip.state)
        if self._snapshot is None:
            walk.contents(plan.source)
        else:
            walk.snapshot(self._snapshot, require_snapshot(plan.source, self._snapshot), plan.source)
        missing = self._missing(walk.needed, plan)
        self._total = Amount(self.copied.objects + len(missing), self.copied.size + sum(missing.values()))
        self._tell(0, 0)
        return {digest: Elsewhere(self._source.objects, digest, size, self._tell) for digest, size in missing.items()}

    def _missing(self, needed: Mapping[Digest, Needed], plan: _Plan) -> dict[Digest, int]:
        """Those of the objects that the target has not, or not whole, with their sizes; the others are in `stored`."""
        keys = {digest: key for digest in needed if (key := plan.tip.state.key_of(digest)) not in self.stored}
        sizes = self._sizes_at_source(needed, keys)
        found = _sizes(self._target, keys.values(), all_at_once=is_empty(plan.tip.state))
        there = [key for digest, key in keys.items() if found.get(key) == sizes[digest]]
        backend = self._target.backend
        # Whoever copied them may have been killed before they were durable.
        in_parallel(backend.confirm, there, backend.concurrency)
        self.stored.update(there)
        return {digest: sizes[digest] for digest, key in keys.items() if key not in self.stored}

    def _sizes_at_source(self, needed: Mapping[Digest, Needed], wanted: Iterable[Digest]) -> dict[Digest, int]:
        known = {digest: needed[digest].size for digest in wanted}
        keys = {digest: self._source.objects.key(digest) for digest, size in known.items() if size is None}
        found = _sizes(self._source, keys.values())
        # One that is missing is reported when it is to be copied.
        return {digest: found.get(keys[digest], 0) if size is None else size for digest, size in known.items()}

    def _tell(self, objects: int, size: int) -> None:
        with self._lock:
            self.copied = Amount(self.copied.objects + objects, self.copied.size + size)
            self._progress(self.copied, self._total)

    def is_overtaken(self) -> bool:
        """Whether either of the two has changed since this was planned."""
        return self._source.tip() is not self._source_tip or self._target.tip() is not self._target_tip

    def remember(self, plan: _Plan) -> None:
        """Let the folios know that they are the same now: the one that this was done for, and a target at hand."""
        if self._snapshot is not None:
            return
        contents = contents_of(plan.adopted)
        if self._own is self._target or not self._target.backend.is_distant:
            remember_synced(self._target.backend, self._source, self._source_tip, contents)
        if self._own is self._source:
            remember_synced(self._source.backend, self._target, self._target.tip(), contents)


def _sizes(repository: Repository, keys: Iterable[Key], *, all_at_once: bool = False) -> dict[Key, int]:
    """The sizes of those of the objects that are there."""
    wanted = set(keys)
    if all_at_once or len(wanted) > _MOST_LOOKS:
        return {key: size for key, size, *_ in repository.backend.list(OBJECTS) if key in wanted}
    found: dict[Key, int] = {}

    def look(key: Key) -> None:
        size = repository.backend.size(key)
        if size is not None:
            found[key] = size

    in_parallel(look, wanted, repository.backend.concurrency)
    return found
