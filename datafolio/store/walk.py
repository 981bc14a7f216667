"""Reachability: which objects a state needs.

The one definition of what is alive, for the collection that keeps it and the check that verifies it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

from datafolio.digest import Digest
from datafolio.store.model import Entry, Node, Ref, SnapshotRef
from datafolio.store.state import State
from datafolio.store.tree import Tree

__all__ = ["Guard", "Needed", "Role", "Walk", "WalkBeyond", "raising"]

Role = Literal["payload", "node", "snapshot", "environment"]


class Needed(NamedTuple):
    """One object that a state needs, and what for."""

    role: Role
    #: The size that its user expects in bytes, where it says.
    size: int | None
    #: What needs it, in words: the item and its version, the snapshot.
    by: str


class _Leaf(NamedTuple):
    """A leaf, the object that it is (None in the record itself), and the ref that names it (None for a root)."""

    digest: Digest | None
    ref: Ref | None
    node: Node


#: Around every read of the walk, with the object (None for the record itself) and what needs it.
#: One that swallows a DamageError makes the walk go on with the rest.
Guard = Callable[[Digest | None, str], AbstractContextManager[Any]]


def raising(_digest: Digest | None, _by: str) -> AbstractContextManager[None]:
    """The guard of those who must see everything or nothing: the first damage ends the walk."""
    return contextlib.nullcontext()


class Walk:
    """The objects that the states walked so far need, each visited once."""

    def __init__(self, guard: Guard = raising) -> None:
        self.needed: dict[Digest, Needed] = {}
        self._visited: set[tuple[Role, Digest, str]] = set()
        self._guard = guard

    def state(self, state: State) -> None:
        """Walk everything that `state` needs, but for the map of condemned objects."""
        for _leaf in self._leaves(state.retired, "the version numbers"):
            pass
        self.contents(state)

    def contents(self, state: State) -> None:
        """Walk what the items and the snapshots of `state` need."""
        self.items(state.items, "")
        by = "the list of snapshots"
        for digest, own, leaf in self._leaves(state.snapshots, by):
            with self._guard(digest, by):
                refs = [named for named in state.snapshots.values_of(leaf, own) if self._is_wanted(*named)]
                state.read_ahead(ref.snapshot.tree for _, ref in refs if ref.snapshot is not None)
                for name, ref in refs:
                    self.snapshot(name, ref, state)

    def condemned(self, state: State) -> None:
        """Walk the map of condemned objects.  Only the newest state's is ever read."""
        for _leaf in self._leaves(state.condemned, "the condemned objects"):
            pass

    def items(self, tree: Tree[Entry], suffix: str, root: Digest | None = None) -> None:
        """Walk a map of items; `suffix` says which, after the words for an item."""
        by = f"the items{suffix}"
        for digest, own, leaf in self._leaves(tree, by, root):
            with self._guard(digest, by):
                for name, entry in tree.values_of(leaf, own):
                    self._payload(name, entry, suffix)

    def _payload(self, name: str, entry: Entry, suffix: str) -> None:
        self._visit(entry.digest, Needed("payload", entry.size, f"item {name!r} version {entry.version}{suffix}"))

    def snapshot(self, name: str, ref: SnapshotRef, state: State) -> None:
        """Walk what one of the snapshots of `state` needs."""
        by = f"snapshot {name!r}"
        if ref.snapshot is None and not self._visit(ref.digest, Needed("snapshot", None, by)):
            return
        with self._guard(ref.digest, by):
            snapshot = state.snapshot(ref)
            if snapshot.environment is not None:
                self._visit(snapshot.environment, Needed("environment", None, by))
            if self._visit(snapshot.tree, Needed("node", None, by)):
                with self._guard(snapshot.tree, by):
                    self.items(state.snapshot_items(ref), f" of {by}", snapshot.tree)

    def _leaves(self, tree: Tree[Any], by: str, root: Digest | None = None) -> Iterator[_Leaf]:
        """The leaves of `tree` that were not visited before; its root is the object `root`, or in the record."""
        if not tree.root.level:
            yield _Leaf(root, None, tree.root)
        self._read_ahead(tree, tree.root.refs)
        waiting = [(tree.root.level, ref) for ref in tree.root.refs]
        while waiting:
            level, ref = waiting.pop()
            if self._visit(ref.digest, Needed("node", None, by), ref.prefix):
                with self._guard(ref.digest, by):
                    node = tree.child(level, ref)
                    self._read_ahead(tree, node.refs)
                    waiting.extend((node.level, below) for below in node.refs)
                    if not node.level:
                        yield _Leaf(ref.digest, ref, node)

    def _read_ahead(self, tree: Tree[Any], refs: Iterable[Ref]) -> None:
        tree.read_ahead(ref for ref in refs if ("node", ref.digest, ref.prefix) not in self._visited)

    def _is_wanted(self, name: str, ref: SnapshotRef) -> bool:  # noqa: ARG002 - for those who know some already
        """Whether the walk goes into a snapshot that it comes by."""
        return True

    def _visit(self, digest: Digest, needed: Needed, prefix: str = "") -> bool:
        """Note the object; whether it is new in that role, and for a node in that region."""
        # A payload may have the very bytes of a node or snapshot, which is to be looked into all the same.
        visit = (needed.role, digest, prefix)
        if visit in self._visited:
            return False
        self._visited.add(visit)
        self.needed.setdefault(digest, needed)
        return True


class WalkBeyond(Walk):
    """The objects that the states walked need and that another one, which is stored whole, is not seen to need.

    It reads little where the two share nearly all.  What it comes to may be among the other's objects all the same.
    """

    def __init__(self, other: State) -> None:
        super().__init__()
        self._other = other
        for tree in (other.items, other.snapshots):
            for ref in tree.inner_refs():
                self._visited.add(("node", ref.digest, ref.prefix))

    def _payload(self, name: str, entry: Entry, suffix: str) -> None:
        known = self._other.items.get(name)
        if known is None or known.digest != entry.digest:
            super()._payload(name, entry, suffix)

    def _is_wanted(self, name: str, ref: SnapshotRef) -> bool:
        known = self._other.snapshots.get(name)
        return known is None or not known.is_alike(ref)
