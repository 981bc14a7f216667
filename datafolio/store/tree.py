"""A persistent map from names to entries, whose shape is a function of its contents alone.

Every name has a place: the bits of the BLAKE3 hash of its UTF-8 bytes.  A *region* is all the places
with one prefix.  The entries of the largest regions that hold at most `LEAF_LIMIT` of them form the
leaves; the refs of the largest regions that hold at most `FANOUT` leaves form the nodes of level 1;
and so on, until one node is left, the root.  So equal contents give equal digests whatever the order
of the edits, one edit writes one node a level, and what two maps share they share as objects.

A folio may come from a stranger, so what is read is held against all this: a node has no more than its
share and lies within its parent's region, and both say the same of its weight.  So no map, whatever its
nodes say, has more levels or takes longer to walk than the files it is made of account for.

A map is a value.  `edit` returns another one; the nodes it made wait in memory as drafts until a commit
asks for them (`pending`) and stores them.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from operator import itemgetter
from typing import Generic, NamedTuple, TypeVar

import msgspec

from datafolio.digest import Digest, digest_of
from datafolio.errors import FormatError
from datafolio.store.edit import FANOUT, LEAF_LIMIT, Draft, edit_root, part_at
from datafolio.store.model import Node, Ref, decode_with, encode
from datafolio.store.shape import NodeLoader, count_of, descend, place_of, read_ahead, require_places

__all__ = ["FANOUT", "LEAF_LIMIT", "Change", "NodeLoader", "Tree"]

V = TypeVar("V")
W = TypeVar("W")

_encoder = msgspec.json.Encoder()


class Change(msgspec.Struct, Generic[V], frozen=True):
    """One name at which two maps differ; None where a map has no such name."""

    name: str
    before: V | None
    after: V | None


class Tree(Generic[V]):
    """A persistent map from names to values of one type."""

    def __init__(
        self, kind: type[V], load: NodeLoader, root: Node | Draft | None = None, known: set[Digest] | None = None
    ) -> None:
        """The map with the root node `root` (empty by default), whose other nodes `load` reads."""
        self._root = root if root is not None else Node()
        self._kind = kind
        self._load_stored = load
        # Nodes that edits have read since the last were stored, so those are; what edits make may be one of them again.
        self._known = set() if known is None else known

    @property
    def root(self) -> Node:
        """The root node, which no map stores."""
        return self._root.node if isinstance(self._root, Draft) else self._root

    def __len__(self) -> int:
        return self._root.count if isinstance(self._root, Draft) else count_of(self._root)

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def get(self, name: str) -> V | None:
        """The value at `name`, or None."""
        raw = self._find(name)
        return None if raw is None else self._decode(name, raw)

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(name for _, leaf in self._leaves() for name in leaf.entries)

    def items(self) -> list[tuple[str, V]]:
        """Every name with its value, sorted by name."""
        found = [item for ref, leaf in self._leaves() for item in self.values_of(leaf, ref)]
        return sorted(found, key=itemgetter(0))

    def kept_items(self) -> list[tuple[str, V]]:
        """`items` in no order, with values that are kept for the next time, and so not to be changed."""
        found: list[tuple[str, V]] = []
        for ref, leaf in self._leaves():
            if self._kind not in leaf.kept:
                leaf.kept[self._kind] = list(self.values_of(leaf, ref))
            found += leaf.kept[self._kind]
        return found

    def read_as(self, kind: type[W]) -> Tree[W]:
        """The same map, with values of another type: for those who list it all and need few of their fields."""
        return Tree(kind, self._load_stored, self._root, self._known)

    def loaded_by(self, load: NodeLoader) -> Tree[V]:
        """The same map, whose nodes are read elsewhere: from where they are being copied to."""
        return Tree(self._kind, load, self._root)

    def inner_refs(self) -> Iterator[Ref]:
        """Every node below the root, as its parent names it.  Reads all but the leaves."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield from node.refs
            if node.level > 1:
                self.read_ahead(node.refs)
                waiting.extend(self.child(node.level, ref) for ref in node.refs)

    def matching(self, test: Callable[[bytes], bool]) -> Iterator[tuple[str, V]]:
        """The names, in no order, whose values pass `test` as they are encoded, with these values."""
        for ref, leaf in self._leaves():
            self._require_places(leaf, ref)
            for name, raw in leaf.entries.items():
                if test(bytes(raw)):
                    yield name, self._decode(name, raw)

    def digest(self) -> Digest:
        """The digest of the root node: equal for equal contents."""
        return digest_of(self.root_data())

    def root_data(self) -> bytes:
        """The root node, encoded."""
        return self._root.data if isinstance(self._root, Draft) else encode(self._root)

    def edit(self, changes: Mapping[str, V | None], *, salt: str = "") -> Tree[V]:
        """The map with the names in `changes` set, or removed where the value is None.

        With `salt`, the nodes this makes are unlike those of any other edit, and the shape is still
        a function of the contents but the digests are not.
        """
        entries = {
            name: None if value is None else msgspec.Raw(_encoder.encode(value)) for name, value in changes.items()
        }
        root = edit_root(self._root, entries, self._load_to_edit, salt)
        return self if root is self._root else Tree(self._kind, self._load_stored, root, self._known)

    def diff(self, other: Tree[V]) -> list[Change[V]]:
        """The names at which `other` differs from this map, sorted.  Reads only nodes that differ."""
        mine, theirs = (_entries(part.leaves) for part in self._unshared(other))
        changes = [
            Change(name, self._decode_if(name, mine.get(name)), other._decode_if(name, theirs.get(name)))
            for name in mine.keys() | theirs.keys()
            if mine.get(name) != theirs.get(name)
        ]
        return sorted(changes, key=lambda change: change.name)

    def nodes_not_in(self, other: Tree[V]) -> set[Digest]:
        """The nodes below the root that `other` does not have.  Reads only those."""
        return self._unshared(other)[0].digests

    def pending(self) -> dict[Digest, bytes]:
        """The nodes below the root that are not stored yet, encoded."""
        return {digest: draft.data for digest, draft in self._drafts.items() if digest not in self._known}

    def stored(self) -> Tree[V]:
        """The same map, once what was pending is stored."""
        return Tree(self._kind, self._load_stored, self.root) if isinstance(self._root, Draft) else self

    def values_of(self, leaf: Node, ref: Ref | None = None) -> Iterator[tuple[str, V]]:
        """The entries of one of this map's leaves: the one that `ref` names, or the root.

        Raises FormatError for an entry that is not of the leaf's region: no look-up of its name would find it.
        """
        self._require_places(leaf, ref)
        for name, raw in leaf.entries.items():
            yield name, self._decode(name, raw)

    def _require_places(self, leaf: Node, ref: Ref | None) -> None:
        if ref is not None:
            require_places(leaf, ref)

    def load(self, digest: Digest) -> Node:
        """One of this map's nodes."""
        draft = self._drafts.get(digest)
        return self._load_stored(digest) if draft is None else draft.node

    def child(self, level: int, ref: Ref) -> Node:
        """The node to which a node of `level` refers.  Raises FormatError if the two don't fit."""
        return descend(level, ref, self.load)

    def read_ahead(self, refs: Iterable[Ref]) -> None:
        """Have these nodes of the map, which are needed next, read at once where each takes a while."""
        if not self._drafts:
            read_ahead(self._load_stored, (ref.digest for ref in refs))

    def _load_to_edit(self, digest: Digest) -> Node:
        self._known.add(digest)
        return self._load_stored(digest)

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[V]:
        return msgspec.json.Decoder(self._kind)

    @cached_property
    def _drafts(self) -> dict[Digest, Draft]:
        """The nodes below the root that are not stored yet."""
        return {draft.ref.digest: draft for draft in self._root.below()} if isinstance(self._root, Draft) else {}

    def _leaves(self) -> Iterator[tuple[Ref | None, Node]]:
        """Every leaf, with the ref that names it (None for the root)."""
        waiting: list[tuple[Ref | None, Node]] = [(None, self.root)]
        while waiting:
            own, node = waiting.pop()
            self.read_ahead(node.refs)
            waiting.extend((ref, self.child(node.level, ref)) for ref in node.refs)
            if not node.level:
                yield own, node

    def _find(self, name: str) -> msgspec.Raw | None:
        place, node = place_of(name), self._root
        while node.level:
            index = part_at(node.refs, place)
            if index is None:
                return None
            part = node.refs[index]
            node = part if isinstance(part, Draft) else descend(node.level, part, self._load_stored)
        return node.entries.get(name)

    def _decode(self, name: str, raw: msgspec.Raw) -> V:
        try:
            return decode_with(self._decoder, bytes(raw), "it")
        except FormatError as error:
            raise FormatError(f"the entry {reprlib.repr(name)}: {error}") from error

    def _decode_if(self, name: str, raw: msgspec.Raw | None) -> V | None:
        return None if raw is None else self._decode(name, raw)

    def _unshared(self, other: Tree[V]) -> tuple[_Part, _Part]:
        """What only one of the two has, of either: level by level, shared nodes are passed over."""
        parts = (_Part([self.root], set()), _Part([other.root], set()))
        for level in range(max(self.root.level, other.root.level), 0, -1):
            refs = [_refs_at(part.leaves, level) for part in parts]
            shared = refs[0].keys() & refs[1].keys()
            for tree, part, mine in zip((self, other), parts, refs, strict=True):
                tree.read_ahead(mine[digest] for digest in mine.keys() - shared)
                part.leaves[:] = [node for node in part.leaves if node.level < level]
                part.leaves.extend(tree.child(level, mine[digest]) for digest in sorted(mine.keys() - shared))
                part.digests.update(mine.keys() - shared)
        return parts


class _Part(NamedTuple):
    """A part of a map, on the way down: the nodes reached, in the end all leaves, and the digests seen."""

    leaves: list[Node]
    digests: set[Digest]


def _refs_at(nodes: Iterable[Node], level: int) -> dict[Digest, Ref]:
    return {ref.digest: ref for node in nodes if node.level == level for ref in node.refs}


def _entries(leaves: Iterable[Node]) -> dict[str, msgspec.Raw]:
    return {name: raw for leaf in leaves for name, raw in leaf.entries.items()}
