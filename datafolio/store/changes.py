"""What can happen to a folio, each as a pure function from a state to the next.

A commit applies its change to the newest state, and again to a newer one if another writer was
first; so whatever a change depends on it looks up in the state that it is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from datafolio.digest import Digest, digest_of
from datafolio.errors import (
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)
from datafolio.store.model import Entry, Snapshot, SnapshotRef, encode, next_number
from datafolio.store.names import is_snapshot_name
from datafolio.store.state import State
from datafolio.store.tree import Tree
from datafolio.text import quoted

__all__ = [
    "Change",
    "NewItem",
    "NewSnapshot",
    "at_snapshot",
    "back_to",
    "create_snapshot",
    "delete_item",
    "delete_snapshot",
    "holders",
    "holds_the_same",
    "put_item",
    "require_free",
    "require_items",
    "require_snapshot",
    "restore",
    "set_metadata",
]

#: What can be committed: a pure function, applied again whenever another writer was first.
Change = Callable[[State], State]

#: A snapshot larger than this, in bytes, does not stand in the map of snapshots but is an object of its own.
_INLINE_SNAPSHOT = 1024
_INLINE_VERSIONS = 32


class NewItem(msgspec.Struct, frozen=True, kw_only=True):
    """A payload that is to become an item."""

    type: str
    type_version: int
    digest: Digest
    size: int
    suffix: str
    created_at: str
    description: str | None
    inputs: tuple[str, ...]
    facts: Mapping[str, Any]


class NewSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot says besides the state it is made of."""

    description: str | None
    tags: tuple[str, ...]
    timestamp: str
    git: Mapping[str, Any] | None
    environment: Mapping[str, Any] | None
    execution: Mapping[str, Any] | None


def put_item(state: State, name: str, new: NewItem, *, overwrite: bool) -> State:
    """The state with the item.

    The same content under the same description is no change.  Other content raises the version if a
    snapshot was made of the one before, and takes its place if none was.
    """
    require_free(state, name, overwrite=overwrite)
    current = state.items.get(name)
    require_items(state, new.inputs, f"an input of {name!r}")
    version, generation = _place_in_history(state, name, current, new)
    created_at = current.created_at if current is not None and current.digest == new.digest else new.created_at
    entry = Entry(
        type=new.type,
        type_version=new.type_version,
        digest=new.digest,
        size=new.size,
        suffix=new.suffix,
        version=version,
        generation=generation,
        created_at=created_at,
        description=new.description,
        inputs=new.inputs,
        facts=dict(new.facts),
    )
    if entry == current:
        return state
    if current is not None and current.digest != entry.digest:
        state = _loosen(state, current)
    return replace(state, items=state.items.edit({name: entry}))


def require_free(state: State, name: str, *, overwrite: bool) -> None:
    """Raise ItemExistsError if there is an item of that name, unless it may be overwritten."""
    current = state.items.get(name)
    if current is not None and not overwrite:
        raise ItemExistsError(f"the item {name!r} exists (a {current.type}); pass overwrite=True to replace it")


def _place_in_history(state: State, name: str, current: Entry | None, new: NewItem) -> tuple[int, int]:
    """The version number and generation of the item that `new` becomes."""
    highest = max(state.retired.get(name) or 0, current.version if current else 0)
    if current is None:
        return next_number(highest, f"the last version of {name!r}"), state.generation
    if current.digest == new.digest and current.type == new.type:
        return current.version, current.generation
    if not _was_snapshot(state, current):
        return current.version, state.generation
    return next_number(highest, f"the last version of {name!r}"), state.generation


def _was_snapshot(state: State, entry: Entry) -> bool:
    """Whether a snapshot was made while `entry` was the current one."""
    return entry.generation < state.generation


def _loosen(state: State, entry: Entry) -> State:
    """Count the payload of an entry that the items let go of, unless a snapshot may hold it."""
    if _was_snapshot(state, entry):
        return state
    return replace(state, garbage=state.garbage.with_loosened(entry.size))


def delete_item(state: State, name: str) -> State:
    """The state without the item.  Raises ItemInUseError, naming them, while snapshots hold any version of it."""
    require_items(state, [name], "there is nothing to delete")
    entry = state.items.get(name)
    assert entry is not None
    snapshots = holders(state, name)
    if snapshots:
        raise ItemInUseError(
            f"the item {name!r} is held by {_listing(snapshots)}; delete "
            f"{'that snapshot' if len(snapshots) == 1 else 'those snapshots'} first (delete_snapshot), then the item"
        )
    state = _loosen(state, entry)
    return replace(state, items=state.items.edit({name: None}), retired=state.retired.edit({name: None}))


def _listing(snapshots: list[str]) -> str:
    shown = ", ".join(repr(name) for name in snapshots[:5])
    more = f" and {len(snapshots) - 5} more" if len(snapshots) > 5 else ""
    return ("snapshot " if len(snapshots) == 1 else "snapshots ") + shown + more


def holders(state: State, name: str) -> list[str]:
    """The names of the snapshots that hold any version of the item, oldest first."""
    earlier = _made_before(state, name)
    if earlier >= state.generation:
        return []
    holds_it = functools.cache(lambda tree: name in state.tree_items(tree))
    return [
        snapshot
        for _, snapshot in sorted(
            (ref.number, snapshot)
            for snapshot, ref in state.snapshots.matching(_may_hold(name))
            if ref.number > earlier and _holds(state, ref, name, holds_it)
        )
    ]


def _made_before(state: State, name: str) -> int:
    """How many snapshots are known to have been made before there was the item, or anything of its name."""
    current = state.items.get(name)
    if current is None or current.version > 1 or name in state.retired:
        return 0
    # The first version, since no snapshot was made of what it took the place of; and it was never put aside.
    return current.generation


def _may_hold(name: str) -> Callable[[bytes], bool]:
    """Whether an encoded `SnapshotRef` may be of a snapshot that holds the item: most are not worth decoding."""
    mention = msgspec.json.encode(name)

    def may_hold(encoded: bytes) -> bool:
        # With a backslash in it, anything may be written in another way.
        lists_all = b'"item_versions":{' in encoded and b'"item_versions":null' not in encoded
        return not lists_all or mention in encoded or b"\\" in encoded

    return may_hold


def _holds(state: State, ref: SnapshotRef, name: str, tree_holds_it: Callable[[Digest], bool]) -> bool:
    """Whether the snapshot holds a version of the item."""
    if ref.item_versions is not None:
        return name in ref.item_versions
    return tree_holds_it(state.snapshot(ref).tree)


def require_items(state: State, names: Iterable[str], why: str) -> None:
    """Raise ItemNotFoundError for the first of `names` that is no item."""
    for name in names:
        if name not in state.items:
            known = ", ".join(repr(other) for other in state.items.names()[:10]) or "none"
            raise ItemNotFoundError(f"no item {name!r} ({why}); the folio's items: {known}")


def set_metadata(state: State, metadata: Mapping[str, Any]) -> State:
    """The state with other metadata, packed."""
    return state if _are_same(metadata, state.metadata) else replace(state, metadata=metadata)


def _are_same(metadata: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both are written alike: == takes 1, 1.0 and True for one, and does not see the order of the keys."""
    return msgspec.json.encode(metadata) == msgspec.json.encode(other)


def create_snapshot(state: State, name: str, new: NewSnapshot) -> State:
    """The state with one more snapshot, of itself.  Writes no payload and reads none."""
    if name in state.snapshots:
        raise SnapshotExistsError(f"the snapshot {name!r} exists, and snapshots never change; choose another name")
    # Later changes of the same commit may leave these nodes to the snapshot alone.
    state = replace(state, objects={**state.objects, **state.items.pending()})
    state, tree = state.with_object(state.items.root_data())
    environment = None
    if new.environment is not None:
        state, environment = state.with_object(msgspec.json.encode(new.environment))
    snapshot = Snapshot(
        name=name,
        tree=tree,
        metadata=dict(state.metadata),
        description=new.description,
        tags=new.tags,
        timestamp=new.timestamp,
        git=None if new.git is None else dict(new.git),
        environment=environment,
        execution=None if new.execution is None else dict(new.execution),
        parent=state.head,
    )
    number = next_number(state.generation, "the last snapshot")
    data = encode(snapshot)
    is_small = len(data) <= _INLINE_SNAPSHOT
    state, digest = (state, digest_of(data)) if is_small else state.with_object(data)
    ref = SnapshotRef(
        digest=digest,
        number=number,
        snapshot=snapshot if is_small else None,
        item_versions=_inline_versions(state),
    )
    return replace(state, snapshots=state.snapshots.edit({name: ref}), generation=number, head=digest)


def _inline_versions(state: State) -> dict[str, int] | None:
    if len(state.items) > _INLINE_VERSIONS:
        return None
    return {name: entry.version for name, entry in state.items.items()}


def require_snapshot(state: State, name: str) -> SnapshotRef:
    """The snapshot's ref.  Raises SnapshotNotFoundError, naming the newest ones there are."""
    ref = state.snapshots.get(name) if is_snapshot_name(name) else None
    if ref is None:
        newest = sorted(state.snapshots.items(), key=lambda item: -item[1].number)[:10]
        known = ", ".join(repr(other) for other, _ in newest) or "none"
        raise SnapshotNotFoundError(f"no snapshot {quoted(name)}; the folio's snapshots, newest first: {known}")
    return ref


def at_snapshot(state: State, name: str) -> State:
    """The state with the items and metadata of the snapshot in place of its own, to read."""
    ref = require_snapshot(state, name)
    return replace(state, items=state.snapshot_items(ref), metadata=state.snapshot(ref).metadata)


def delete_snapshot(state: State, name: str) -> State:
    """The state without the snapshot.  What only it held is left for a collection."""
    require_snapshot(state, name)
    return replace(state, snapshots=state.snapshots.edit({name: None}))


def restore(state: State, name: str) -> State:
    """The state with the items and metadata of the snapshot.

    The version numbers of the items it puts aside stay taken.
    """
    ref = require_snapshot(state, name)
    items = _with_items(state, state.snapshot_items(ref))
    return replace(items, metadata=state.snapshot(ref).metadata, head=ref.digest)


def back_to(state: State, past: State) -> State:
    """The state with the items, metadata, snapshots and head of an earlier one.

    What only grows stays as it is: the counts of snapshots and collections, the condemned objects,
    and the version numbers that are taken.  The objects that `past` needs have to be there.
    """
    if holds_the_same(state, past):
        return state
    # A snapshot that comes back may hold versions that had been let go of, and their numbers with them.
    taken = {change.name: max(change.before or 0, change.after or 0) for change in state.retired.diff(past.retired)}
    state = _with_items(replace(state, retired=state.retired.edit(taken)), past.items)
    return replace(state, metadata=past.metadata, snapshots=past.snapshots, head=past.head)


def holds_the_same(state: State, other: State) -> bool:
    """Whether both have the same items, metadata, snapshots and head: all that users see of a folio."""
    return (
        state.head == other.head
        and state.items.digest() == other.items.digest()
        and state.snapshots.digest() == other.snapshots.digest()
        and _are_same(state.metadata, other.metadata)
    )


def _with_items(state: State, items: Tree[Entry]) -> State:
    """The state with other items.  The version numbers of those it puts aside stay taken."""
    retired: dict[str, int | None] = {}
    for change in state.items.diff(items):
        before, after = change.before, change.after
        if before is None:
            continue
        # The same content may come back under an older number.
        if after is None or after.version != before.version or after.digest != before.digest:
            retired[change.name] = max(before.version, state.retired.get(change.name) or 0)
        if after is None or after.digest != before.digest:
            state = _loosen(state, before)
    return replace(state, items=items, retired=state.retired.edit(retired))
