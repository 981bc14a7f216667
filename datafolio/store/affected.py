"""What damage takes down: the items and snapshots that need a damaged object.

Only asked when there is damage, and then about all of it at once: each node is looked into once,
however many snapshots share it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import NamedTuple, TypeVar

from datafolio.digest import Digest
from datafolio.errors import FolioError
from datafolio.store.findings import Affected, ItemVersion
from datafolio.store.model import Entry, Node, Ref, SnapshotRef
from datafolio.store.state import State
from datafolio.store.tree import Tree

__all__ = ["affected_by"]


V = TypeVar("V")


class _Hit(NamedTuple):
    """A damaged object below some node: the payload of an item, or a node, which has none."""

    digest: Digest
    item: ItemVersion | None


def affected_by(damaged: Collection[Digest], state: State) -> dict[Digest, Affected]:
    """What of `state` needs each of the objects `damaged`, the current items first, then the snapshots by number.

    What can't be looked into is passed over: it is damaged itself.
    """
    search = _Search(frozenset(damaged))
    search.items(state.items, None)
    refs = list(_readable_values(state.snapshots))
    for name, ref in sorted(refs, key=lambda pair: pair[1].number):
        search.snapshot(name, ref, state)
    return {digest: holders.affected() for digest, holders in search.found.items()}


class _Holders:
    """What needs one damaged object, without repetition, in the order found."""

    def __init__(self) -> None:
        self._words: dict[str, None] = {}
        self._items: dict[ItemVersion, None] = {}
        self._snapshots: dict[str, None] = {}

    def add(self, words: str, item: ItemVersion | None, snapshot: str | None) -> None:
        self._words[words] = None
        if item is not None:
            self._items[item] = None
        if snapshot is not None:
            self._snapshots[snapshot] = None

    def affected(self) -> Affected:
        return Affected(tuple(self._words), tuple(self._items), tuple(self._snapshots))


class _Search:
    def __init__(self, damaged: frozenset[Digest]) -> None:
        self.found: dict[Digest, _Holders] = {}
        self._damaged = damaged
        self._below: dict[Digest, frozenset[_Hit]] = {}

    def items(self, tree: Tree[Entry], snapshot: str | None) -> None:
        """Search a map of items, current or of a snapshot."""
        suffix = "" if snapshot is None else f" of snapshot {snapshot!r}"
        for digest, item in sorted(self._hits(tree, tree.root, None), key=str):
            words = "the items" if item is None else f"item {item.item!r} version {item.version}"
            self._note(digest, words + suffix, item, snapshot)

    def snapshot(self, name: str, ref: SnapshotRef, state: State) -> None:
        by = f"snapshot {name!r}"
        if ref.snapshot is None and ref.digest in self._damaged:
            self._note(ref.digest, by, None, name)
        with contextlib.suppress(FolioError):
            snapshot = state.snapshot(ref)
            for digest in (snapshot.environment, snapshot.tree):
                if digest in self._damaged:
                    self._note(digest, by, None, name)
            self.items(state.snapshot_items(ref), name)

    def _note(self, digest: Digest, words: str, item: ItemVersion | None, snapshot: str | None) -> None:
        self.found.setdefault(digest, _Holders()).add(words, item, snapshot)

    def _hits(self, tree: Tree[Entry], node: Node, own: Ref | None) -> frozenset[_Hit]:
        hits: set[_Hit] = set()
        for ref in node.refs:
            hits |= self._hits_below(tree, node.level, ref)
        with contextlib.suppress(FolioError):
            for name, entry in tree.values_of(node, own):
                if entry.digest in self._damaged:
                    hits.add(_Hit(entry.digest, ItemVersion(name, entry.version)))
        return frozenset(hits)

    def _hits_below(self, tree: Tree[Entry], level: int, ref: Ref) -> frozenset[_Hit]:
        if ref.digest not in self._below:
            own = {_Hit(ref.digest, None)} if ref.digest in self._damaged else set()
            with contextlib.suppress(FolioError):
                own |= self._hits(tree, tree.child(level, ref), ref)
            self._below[ref.digest] = frozenset(own)
        return self._below[ref.digest]


def _readable_values(tree: Tree[V]) -> Iterator[tuple[str, V]]:
    waiting: list[tuple[Ref | None, Node]] = [(None, tree.root)]
    while waiting:
        own, node = waiting.pop()
        for ref in node.refs:
            with contextlib.suppress(FolioError):
                waiting.append((ref, tree.child(node.level, ref)))
        with contextlib.suppress(FolioError):
            yield from tree.values_of(node, own)
