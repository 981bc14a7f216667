"""Taking over what another folio holds: pure functions from a state to the next.

What is a folio's own stays so: the keys of its objects, its log and its collections.  The objects
that come with the other folio's contents have to be stored before the state is committed.
"""

from __future__ import annotations

from msgspec.structs import replace

from datafolio.digest import Digest
from datafolio.errors import FormatError
from datafolio.store.changes import back_to, require_snapshot
from datafolio.store.model import Entry, Snapshot, next_number
from datafolio.store.state import State
from datafolio.store.tree import Tree

__all__ = ["adopt", "adopt_snapshot", "is_empty"]


_MOST_SNAPSHOTS = 2**40


def is_empty(state: State) -> bool:
    """Whether there is no item, no snapshot and no metadata."""
    return not (len(state.items) or len(state.snapshots) or state.metadata)


def adopt(state: State, source: State) -> State:
    """The state with the items, metadata, snapshots and head of another folio.

    The version numbers that either of the two has given out stay taken.  So does the larger of the two
    counts of snapshots: an entry must be older than the snapshots that may have been made of it.
    """
    _require_room(source.generation)
    load = state.loaders.node
    # Another folio's contents come in just as those of an earlier record come back.
    adopted = back_to(state, source)
    return replace(
        adopted,
        items=adopted.items.loaded_by(load),
        snapshots=adopted.snapshots.loaded_by(load),
        generation=max(state.generation, source.generation),
    )


def adopt_snapshot(state: State, source: State, name: str) -> State:
    """The state with one snapshot more, from another folio; where there was nothing, with its items and metadata too.

    Its number is above those of the snapshots here, and above the generation of each of its entries, which may
    become current by a restore and has to count as older than it.
    """
    ref = require_snapshot(source, name)
    _require_room(ref.number)
    number = max(next_number(state.generation, "the last snapshot"), ref.number)
    if is_empty(state):
        state = _standing_at(state, source.snapshot(ref), ref.digest, source.snapshot_items(ref))
    else:
        state = _with_numbers_taken(state, source.snapshot_items(ref))
    return replace(state, snapshots=state.snapshots.edit({name: replace(ref, number=number)}), generation=number)


def _require_room(number: int) -> None:
    """Raise FormatError for the number of a snapshot that would leave few numbers for those to come."""
    if number > _MOST_SNAPSHOTS:
        raise FormatError(f"the other folio counts {number} snapshots, and nobody made so many; nothing was changed")


def _standing_at(state: State, snapshot: Snapshot, digest: Digest, items: Tree[Entry]) -> State:
    """The empty state with what the snapshot holds."""
    return replace(state, items=items.loaded_by(state.loaders.node), metadata=snapshot.metadata, head=digest)


def _with_numbers_taken(state: State, items: Tree[Entry]) -> State:
    """The state, in which no item will get a version number that it has in `items`."""
    taken: dict[str, int | None] = {}
    for change in state.items.diff(items):
        highest = max(state.retired.get(change.name) or 0, change.before.version if change.before else 0)
        if change.after is not None and change.after.version > highest:
            taken[change.name] = change.after.version
    return replace(state, retired=state.retired.edit(taken))
