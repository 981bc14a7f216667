"""A persistent map from names to entries, whose shape is a function of its contents alone.

Every name has a place: the bits of the BLAKE3 hash of its UTF-8 bytes.  A *region* is all the places
with one prefix.  The entries of the largest regions that hold at most `LEAF_LIMIT` of them form the
leaves; the refs of the largest regions that hold at most `FANOUT` leaves form the nodes of level 1;
and so on, until one node is left, the root.  So equal contents give equal digests whatever the order
of the edits, one edit writes one node a level, and what two maps share they share as objects.

A folio may come from a stranger, so what is read is held against all this: a node has no more than its
share and lies within its parent's region, and both say the same of its weight.  So no map, whatever its
nodes say, has more levels or takes longer to walk than the files it is made of account for.

A map is a value.  `edit` returns another one; the nodes it made wait in memory (`pending`) until a
commit stores them.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import msgspec

from datafolio.digest import Digest, digest_of
from datafolio.errors import FormatError
from datafolio.store.model import Node, Ref, decode_with, encode
from datafolio.store.shape import (
    MOST_ENTRIES,
    MOST_REFS,
    NodeLoader,
    count_of,
    descend,
    place_of,
    require_places,
    weight_of,
)

__all__ = ["FANOUT", "LEAF_LIMIT", "Change", "NodeLoader", "Tree"]

LEAF_LIMIT = MOST_ENTRIES
FANOUT = MOST_REFS

V = TypeVar("V")

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Change(Generic[V]):
    """One name at which two maps differ; None where a map has no such name."""

    name: str
    before: V | None
    after: V | None


class _Edit(NamedTuple):
    place: str
    name: str
    entry: msgspec.Raw | None


class Tree(Generic[V]):
    """A persistent map from names to values of one type."""

    def __init__(
        self, kind: type[V], load: NodeLoader, root: Node | None = None, fresh: Mapping[Digest, Node] | None = None
    ) -> None:
        """The map with the root node `root` (empty by default), whose other nodes `load` reads."""
        self.root = root if root is not None else Node()
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._load_stored = load
        self._fresh = dict(fresh or {})

    def __len__(self) -> int:
        return count_of(self.root)

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
        return sorted(
            (item for ref, leaf in self._leaves() for item in self.values_of(leaf, ref)), key=lambda item: item[0]
        )

    def digest(self) -> Digest:
        """The digest of the root node: equal for equal contents."""
        return digest_of(encode(self.root))

    def edit(self, changes: Mapping[str, V | None], *, salt: str = "") -> Tree[V]:
        """The map with the names in `changes` set, or removed where the value is None.

        With `salt`, the nodes this makes are unlike those of any other edit, and the shape is still
        a function of the contents but the digests are not.
        """
        edits = [
            _Edit(place_of(name), name, None if value is None else msgspec.Raw(_encoder.encode(value)))
            for name, value in changes.items()
        ]
        if not edits:
            return self
        editor = _Editor(self.load, salt)
        root = editor.edit_root(self.root, edits)
        return Tree(self._kind, self._load_stored, root, {**self._fresh, **editor.fresh()})

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
        found: dict[Digest, bytes] = {}
        waiting = list(self.root.refs)
        while waiting:
            digest = waiting.pop().digest
            node = self._fresh.get(digest)
            if node is not None:
                found[digest] = encode(node)
                waiting.extend(node.refs)
        return found

    def stored(self) -> Tree[V]:
        """The same map, once what was pending is stored."""
        return Tree(self._kind, self._load_stored, self.root)

    def values_of(self, leaf: Node, ref: Ref | None = None) -> Iterator[tuple[str, V]]:
        """The entries of one of this map's leaves: the one that `ref` names, or the root.

        Raises FormatError for an entry that is not of the leaf's region: no look-up of its name would find it.
        """
        if ref is not None:
            require_places(leaf, ref)
        for name, raw in leaf.entries.items():
            yield name, self._decode(name, raw)

    def load(self, digest: Digest) -> Node:
        """One of this map's nodes."""
        return self._fresh.get(digest) or self._load_stored(digest)

    def child(self, level: int, ref: Ref) -> Node:
        """The node to which a node of `level` refers.  Raises FormatError if the two don't fit."""
        return descend(level, ref, self.load)

    def _leaves(self) -> Iterator[tuple[Ref | None, Node]]:
        """Every leaf, with the ref that names it (None for the root)."""
        waiting: list[tuple[Ref | None, Node]] = [(None, self.root)]
        while waiting:
            own, node = waiting.pop()
            waiting.extend((ref, self.child(node.level, ref)) for ref in node.refs)
            if not node.level:
                yield own, node

    def _find(self, name: str) -> msgspec.Raw | None:
        place, node = place_of(name), self.root
        while node.level:
            ref = next((ref for ref in node.refs if place.startswith(ref.prefix)), None)
            if ref is None:
                return None
            node = self.child(node.level, ref)
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


def _fit(refs: list[Ref], level: int) -> bool:
    """Whether one node of `level` can hold what these hold."""
    return sum(ref.weight for ref in refs) <= (FANOUT if level else LEAF_LIMIT)


class _Editor:
    """One edit: it reads the nodes on the way, and keeps those it makes."""

    def __init__(self, load: NodeLoader, salt: str) -> None:
        self._made: dict[Digest, Node] = {}
        self._read: set[Digest] = set()
        self._load_other = load
        self._salt = salt

    def fresh(self) -> dict[Digest, Node]:
        """What was made and was not there before."""
        return {digest: node for digest, node in self._made.items() if digest not in self._read}

    def edit_root(self, root: Node, edits: list[_Edit]) -> Node:
        refs = self._edit(root, "", edits)
        level = root.level
        while len(refs) > 1:
            level += 1
            refs = self._group(refs, "", level)
        root = descend(level + 1, refs[0], self._load) if refs else Node(salt=self._salt)
        while root.level and len(root.refs) == 1:
            root = descend(root.level, root.refs[0], self._load)
        return root

    def _load(self, digest: Digest) -> Node:
        if digest in self._made:
            return self._made[digest]
        self._read.add(digest)
        return self._load_other(digest)

    def _edit(self, node: Node, prefix: str, edits: list[_Edit]) -> list[Ref]:
        """The nodes, of the same level, that take the place of `node` in the region `prefix`."""
        if node.level == 0:
            entries = dict(node.entries)
            for edit in edits:
                if edit.entry is None:
                    entries.pop(edit.name, None)
                else:
                    entries[edit.name] = edit.entry
            return self._leaves(entries, prefix)
        return self._group(self._edit_children(node, prefix, edits), prefix, node.level)

    def _edit_children(self, node: Node, prefix: str, edits: list[_Edit]) -> list[Ref]:
        refs: list[Ref] = []
        shrunk = False
        for ref in node.refs:
            inside = [edit for edit in edits if edit.place.startswith(ref.prefix)]
            if not inside:
                refs.append(ref)
                continue
            parts = self._edit(descend(node.level, ref, self._load), ref.prefix, inside)
            refs += parts
            shrunk = shrunk or sum(part.weight for part in parts) < ref.weight
        prefixes = tuple(ref.prefix for ref in node.refs)
        outside = [edit for edit in edits if edit.entry is not None and not edit.place.startswith(prefixes)]
        refs += self._fill_gaps(refs, prefix, outside, node.level - 1)
        refs.sort(key=lambda ref: ref.prefix)
        return self._coalesce(refs, prefix, node.level - 1) if shrunk else refs

    def _fill_gaps(self, refs: list[Ref], prefix: str, edits: list[_Edit], level: int) -> list[Ref]:
        """Nodes for the edits that fall in regions which held nothing so far."""
        if not edits:
            return []
        inside = [ref for ref in refs if ref.prefix.startswith(prefix)]
        if not inside:
            parts = self._leaves({edit.name: edit.entry for edit in edits if edit.entry is not None}, prefix)
            for upper in range(1, level + 1):
                parts = self._group(parts, prefix, upper)
            return parts
        return [
            ref
            for bit in "01"
            for ref in self._fill_gaps(
                inside, prefix + bit, [edit for edit in edits if edit.place.startswith(prefix + bit)], level
            )
        ]

    def _leaves(self, entries: dict[str, msgspec.Raw], prefix: str) -> list[Ref]:
        if not entries:
            return []
        if len(entries) <= LEAF_LIMIT:
            return [self._make(Node(entries=dict(sorted(entries.items())), salt=self._salt), prefix)]
        return [
            ref
            for bit in "01"
            for ref in self._leaves(
                {name: raw for name, raw in entries.items() if place_of(name).startswith(prefix + bit)}, prefix + bit
            )
        ]

    def _group(self, refs: list[Ref], prefix: str, level: int) -> list[Ref]:
        """The refs of the level below as nodes of `level`: one where they fit, halves where they don't."""
        if not refs:
            return []
        if len(refs) <= FANOUT:
            return [self._make(Node(level=level, refs=tuple(refs), salt=self._salt), prefix)]
        return [
            ref
            for bit in "01"
            for ref in self._group([ref for ref in refs if ref.prefix.startswith(prefix + bit)], prefix + bit, level)
        ]

    def _coalesce(self, refs: list[Ref], prefix: str, level: int) -> list[Ref]:
        """The refs of `level` in the region, with those joined that together fit into one node."""
        if len(refs) > 1 and not _fit(refs, level):
            # Joining can make the halves lighter than they were, so look at them first.
            refs = [
                ref
                for bit in "01"
                for ref in self._coalesce(
                    [ref for ref in refs if ref.prefix.startswith(prefix + bit)], prefix + bit, level
                )
            ]
        return [self._join(refs, prefix, level)] if refs and _fit(refs, level) else refs

    def _join(self, refs: list[Ref], prefix: str, level: int) -> Ref:
        only = refs[0]
        if len(refs) == 1 and (level == 0 or only.weight > 1 or only.prefix == prefix):
            # The same node, now for a larger region.  (A lone ref inside it would grow as well.)
            return Ref(prefix, only.weight, only.count, only.digest)
        nodes = [descend(level + 1, ref, self._load) for ref in refs]
        if level == 0:
            entries = dict(sorted(_entries(nodes).items()))
            return self._make(Node(entries=entries, salt=self._salt), prefix)
        below = self._coalesce([ref for node in nodes for ref in node.refs], prefix, level - 1)
        return self._make(Node(level=level, refs=tuple(below), salt=self._salt), prefix)

    def _make(self, node: Node, prefix: str) -> Ref:
        digest = digest_of(encode(node))
        self._made[digest] = node
        return Ref(prefix, weight_of(node), count_of(node), digest)
