"""The state of a folio: what a record holds, as maps that can be read and edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from datafolio.backend import Key
from datafolio.canonical import unpack
from datafolio.digest import Digest, digest_of
from datafolio.errors import FormatError
from datafolio.store.model import (
    FORMAT,
    NUMBER,
    Entry,
    Garbage,
    Node,
    Record,
    Snapshot,
    SnapshotRef,
    decode,
    require_readable,
)
from datafolio.store.objects import object_key
from datafolio.store.shape import NodeLoader, checked_root, read_ahead
from datafolio.store.tree import Tree

__all__ = ["Loaders", "Stamp", "State", "unpack_metadata"]


def unpack_metadata(packed: Mapping[str, Any]) -> dict[Any, Any]:
    """Metadata as the user knows them.  Raises FormatError if they are no dict."""
    plain = unpack(packed)
    if not isinstance(plain, dict):
        raise FormatError(f"the metadata are no dict but a {type(plain).__name__}")
    return plain


class Loaders(msgspec.Struct, frozen=True):
    """How a folio's objects are read, and the nodes of its maps."""

    read: Callable[[Digest], bytes]
    node: NodeLoader
    #: For the map of condemned digests, whose nodes are elsewhere.
    condemned_node: NodeLoader


class Stamp(msgspec.Struct, frozen=True):
    """What a record says besides the state: which, when, why, and whose."""

    seq: int
    previous: Digest | None
    write_id: str
    time: str
    operation: str


class State(msgspec.Struct, frozen=True):
    """A value: every change to a folio is a pure function from one of these to the next."""

    loaders: Loaders
    items: Tree[Entry]
    snapshots: Tree[SnapshotRef]
    #: Packed, as `datafolio.canonical` does it.
    metadata: Mapping[str, Any]
    generation: int
    head: Digest | None
    retired: Tree[int]
    epoch: int
    condemned: Tree[int]
    garbage: Garbage
    #: Objects that changes made and a commit has to store, besides nodes and payloads.
    objects: Mapping[Digest, bytes] = msgspec.field(default_factory=dict)
    #: Fields of the record that this version does not know.
    unknown: Mapping[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    #: The number of the record whose contents these are again, if the change that is to be committed is an undo.
    restores: int | None = None

    @classmethod
    def empty(cls, loaders: Loaders) -> State:
        """The state of a folio that has just been made."""
        return cls(
            loaders=loaders,
            items=Tree(Entry, loaders.node),
            snapshots=Tree(SnapshotRef, loaders.node),
            metadata={},
            generation=0,
            head=None,
            retired=Tree(NUMBER, loaders.node),
            epoch=0,
            condemned=Tree(NUMBER, loaders.condemned_node),
            garbage=Garbage(),
        )

    @classmethod
    def of(cls, record: Record, unknown: Mapping[str, msgspec.Raw], loaders: Loaders) -> State:
        """The state that `record` holds."""
        return cls(
            loaders=loaders,
            items=Tree(Entry, loaders.node, record.items),
            snapshots=Tree(SnapshotRef, loaders.node, record.snapshots),
            metadata=record.metadata,
            generation=record.generation,
            head=record.head,
            retired=Tree(NUMBER, loaders.node, record.retired),
            epoch=record.epoch,
            condemned=Tree(NUMBER, loaders.condemned_node, record.condemned),
            garbage=record.garbage,
            unknown=unknown,
        )

    def record(self, stamp: Stamp) -> Record:
        """The record that holds this state."""
        return Record(
            format=FORMAT,
            seq=stamp.seq,
            previous=stamp.previous,
            write_id=stamp.write_id,
            time=stamp.time,
            operation=stamp.operation,
            items=self.items.root,
            snapshots=self.snapshots.root,
            metadata=dict(self.metadata),
            generation=self.generation,
            head=self.head,
            retired=self.retired.root,
            epoch=self.epoch,
            condemned=self.condemned.root,
            garbage=self.garbage,
            restores=self.restores,
        )

    def burn_of(self, digest: Digest) -> int:
        """The last epoch in which `digest` was condemned, or 0."""
        return self.condemned.get(digest) or 0

    def snapshot(self, ref: SnapshotRef) -> Snapshot:
        """The snapshot that `ref` names."""
        return ref.snapshot or decode(self._object(ref.digest), Snapshot, f"the snapshot {ref.digest}")

    def snapshot_items(self, ref: SnapshotRef) -> Tree[Entry]:
        """The items of the snapshot that `ref` names."""
        return self.tree_items(self.snapshot(ref).tree)

    def tree_items(self, tree: Digest) -> Tree[Entry]:
        """The items of the snapshots with that `tree`."""
        load = self._load_waiting if self.objects else self.loaders.node
        return Tree(Entry, load, checked_root(load(tree)))

    def read_ahead(self, trees: Iterable[Digest]) -> None:
        """Have the roots of these maps of items, which are needed next, read at once where each takes a while."""
        read_ahead(self.loaders.node, trees)

    def _load_waiting(self, digest: Digest) -> Node:
        """One of the nodes that changes made and that are still to be stored, or a stored one."""
        data = self.objects.get(digest)
        return self.loaders.node(digest) if data is None else decode(data, Node, f"the node {digest}")

    def environment(self, digest: Digest | None) -> dict[str, Any] | None:
        """The environment with that digest; None for None, which says that it was not captured."""
        return None if digest is None else decode(self._object(digest), dict[str, Any], f"the environment {digest}")

    def _object(self, digest: Digest) -> bytes:
        return self.objects.get(digest) or self.loaders.read(digest)

    def with_object(self, data: bytes) -> tuple[State, Digest]:
        """The state with one more object to store, and the object's name."""
        digest = digest_of(data)
        return replace(self, objects={**self.objects, digest: data}), digest

    def key_of(self, digest: Digest) -> Key:
        """Where the object with that digest is, or belongs."""
        return object_key(digest, self.burn_of(digest))

    def pending(self) -> dict[Digest, bytes]:
        """The objects that must be stored before a record of this state may exist, besides payloads."""
        pending = {**self.objects, **self.pending_nodes()}
        for data in pending.values():
            require_readable(data, "a part of the folio's maps, or a snapshot,")
        return pending

    def with_worn_nodes(self) -> State:
        """The state whose totals count the nodes it makes as garbage to come: each takes an older one's place."""
        worn = sum(map(len, self.pending_nodes().values()))
        return replace(self, garbage=self.garbage.with_loosened(worn))

    def pending_nodes(self) -> dict[Digest, bytes]:
        """The nodes of the items, the snapshots and the retired numbers that are to be stored."""
        nodes: dict[Digest, bytes] = {}
        for tree in (self.items, self.snapshots, self.retired):
            nodes |= tree.pending()
        return nodes

    def stored(self) -> State:
        """The same state, once what was pending is stored."""
        return replace(
            self,
            items=self.items.stored(),
            snapshots=self.snapshots.stored(),
            retired=self.retired.stored(),
            condemned=self.condemned.stored(),
            objects={},
            restores=None,
        )
