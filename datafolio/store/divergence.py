"""How two folios stand to each other: whether one holds all that the other does.

There is no common history to go by: each folio has a log of its own, and keeps no more than the newest
records.  So one is behind the other if what it holds is what the other held once: as the other's log
shows, or as it was known to be when the two were last the same.  Where neither tells, it is
behind if nothing that it holds would be lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from datafolio.canonical import encode
from datafolio.digest import Digest, digest_of
from datafolio.errors import DamageError, StorageError
from datafolio.store.adopt import is_empty
from datafolio.store.changes import holds_the_same
from datafolio.store.model import Entry, SnapshotRef
from datafolio.store.repository import Repository
from datafolio.store.state import State, unpack_metadata
from datafolio.text import quoted

__all__ = ["Loss", "Side", "Standing", "contents_of", "loss_of", "standing_of"]

_SHOWN = 5


class Side(NamedTuple):
    """One of two folios, and its state."""

    repository: Repository
    state: State


class Standing(Enum):
    """What the target of a transfer is to its source."""

    SAME = auto()
    #: The source has all that it has, or had it once.
    BEHIND = auto()
    #: It has all that the source has, and more.
    AHEAD = auto()
    #: Each has what the other lacks.
    DIVERGED = auto()


class Loss(NamedTuple):
    """What one folio holds and another does not, by name."""

    snapshots: tuple[str, ...]
    #: Items that are only there, and those whose content or description differs.
    items: tuple[str, ...]
    differing_items: tuple[str, ...]
    metadata: tuple[str, ...]

    def __str__(self) -> str:
        kinds = (
            ("snapshot", self.snapshots, ""),
            ("item", self.items, ""),
            ("item", self.differing_items, " (with other content)"),
            ("metadata key", self.metadata, ""),
        )
        return "; ".join(_listing(noun, names) + note for noun, names, note in kinds if names)


def _listing(noun: str, names: tuple[str, ...]) -> str:
    shown = ", ".join(quoted(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}{more}"


def contents_of(state: State) -> Digest:
    """The digest of all that a state holds for users, but for the snapshot that the work goes on from."""
    return digest_of(msgspec.json.encode([state.items.digest(), state.snapshots.digest(), state.metadata]))


def standing_of(target: Side, source: Side, synced: Digest | None = None) -> Standing:
    """What the target is to the source; `synced` are the contents that both had when they were last the same.

    What can be told without reading much is asked first.
    """
    if holds_the_same(target.state, source.state):
        return Standing.SAME
    if is_empty(target.state):
        return Standing.BEHIND
    mine, theirs = contents_of(target.state), contents_of(source.state)
    if mine in (theirs, synced) or _held_once(source.repository, mine):
        return Standing.BEHIND
    if theirs == synced or is_empty(source.state) or _held_once(target.repository, theirs):
        return Standing.AHEAD
    if not any(loss_of(target.state, source.state)):
        return Standing.BEHIND
    return Standing.DIVERGED if any(loss_of(source.state, target.state)) else Standing.AHEAD


def _held_once(repository: Repository, contents: Digest) -> bool:
    """Whether one of the records in the log holds these contents.  A log that can't be read shows nothing."""
    with contextlib.suppress(StorageError, DamageError):
        return any(contents_of(repository.state_of(logged)) == contents for logged in repository.log.whole())
    return False


def loss_of(state: State, other: State) -> Loss:
    """What `state` holds that would be lost if it became `other`.

    Items and metadata are not lost if they are those of the snapshot that the work went on from, and `other`
    has that snapshot.
    """
    snapshots = tuple(
        change.name
        for change in state.snapshots.diff(other.snapshots)
        if change.before and (change.after is None or not change.before.is_alike(change.after))
    )
    head = _head_of(state, other)
    changes = [change for change in state.items.diff(other.items) if change.before]
    if head is not None and other.snapshot(head).tree == state.items.digest():
        changes = []
    return Loss(
        snapshots,
        tuple(change.name for change in changes if change.after is None),
        tuple(change.name for change in changes if change.after and not _are_alike(change.before, change.after)),
        _lost_keys(state.metadata, other, head),
    )


def _head_of(state: State, other: State) -> SnapshotRef | None:
    """The snapshot that the work on `state` goes on from, in `other`, if that has it."""
    if state.head is None:
        return None
    return next((ref for _, ref in other.snapshots.items() if ref.digest == state.head), None)


def _lost_keys(packed: Mapping[str, Any], other: State, head: SnapshotRef | None) -> tuple[str, ...]:
    metadata = unpack_metadata(packed)
    if head is not None and encode(metadata) == encode(unpack_metadata(other.snapshot(head).metadata)):
        return ()
    kept = unpack_metadata(other.metadata)
    return tuple(str(key) for key, value in metadata.items() if key not in kept or encode(value) != encode(kept[key]))


def _are_alike(entry: Entry | None, other: Entry) -> bool:
    """Whether both say the same of the same content, whenever that was written."""
    return (
        entry is not None
        and replace(entry, version=other.version, generation=other.generation, created_at=other.created_at) == other
    )
