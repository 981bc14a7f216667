"""Edits of a persistent map: the nodes that take the place of others, so that the shape stays as it must be.

What an edit makes are drafts, which are encoded and hashed once their digests are asked for: a commit
does that, once for each node that it stores, however many edits the node has been through by then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from datafolio.digest import digest_of
from datafolio.store.model import Node, Ref, encode
from datafolio.store.shape import MOST_ENTRIES, MOST_REFS, NodeLoader, descend, place_of

__all__ = ["FANOUT", "LEAF_LIMIT", "Draft", "edit_root", "part_at"]

LEAF_LIMIT = MOST_ENTRIES
FANOUT = MOST_REFS


class Draft:
    """A node that was made and not stored, and what a ref would say of it.  A value, like the node."""

    def __init__(
        self,
        prefix: str,
        level: int,
        salt: str,
        *,
        entries: Mapping[str, msgspec.Raw] | None = None,
        refs: Sequence[Part] = (),
    ) -> None:
        """A leaf with `entries`, or a node of a higher `level` with `refs`, of the region `prefix`."""
        self.prefix = prefix
        self.level = level
        self.salt = salt
        self.entries: Mapping[str, msgspec.Raw] = entries or {}
        self.refs = refs
        self.weight = len(refs) if level else len(self.entries)

    @cached_property
    def count(self) -> int:
        """The number of entries in all leaves below."""
        return sum(part.count for part in self.refs) if self.level else self.weight

    @cached_property
    def node(self) -> Node:
        """The node itself."""
        refs = tuple([part if type(part) is Ref else part.ref for part in self.refs])  # type: ignore[union-attr]
        return Node(level=self.level, entries=dict(sorted(self.entries.items())), refs=refs, salt=self.salt)

    @cached_property
    def data(self) -> bytes:
        """The node, encoded."""
        return encode(self.node)

    @cached_property
    def ref(self) -> Ref:
        """How its parent names it."""
        return Ref(self.prefix, self.weight, self.count, digest_of(self.data))

    def in_region(self, prefix: str) -> Draft:
        """The same node, for a larger region."""
        return Draft(prefix, self.level, self.salt, entries=self.entries, refs=self.refs)

    def below(self) -> Iterator[Draft]:
        """Every draft below this one."""
        for draft in [part for part in self.refs if type(part) is Draft]:
            yield draft
            yield from draft.below()


#: A node as its parent has it: stored, or not yet.
Part = Ref | Draft


def part_at(refs: Sequence[Part], place: str) -> int | None:
    """The index of the one part whose region has `place`, if there is one."""
    # No prefix is the beginning of another, so none stands between the one that is sought and the place.
    index = bisect_right(refs, place, key=_prefix_of) - 1
    return index if index >= 0 and place.startswith(refs[index].prefix) else None


def edit_root(
    root: Node | Draft, changes: Mapping[str, msgspec.Raw | None], load: NodeLoader, salt: str = ""
) -> Node | Draft:
    """The root of the map with the names in `changes` set, or removed where that is None.

    It is `root` itself if that changes nothing.
    """
    edits = [_Edit(place_of(name), name, entry) for name, entry in changes.items()]
    return _Editor(load, salt).edit_root(root, edits)


class _Edit(NamedTuple):
    place: str
    name: str
    entry: msgspec.Raw | None


def _prefix_of(part: Part) -> str:
    return part.prefix


def _halves(refs: Sequence[Part], prefix: str) -> Iterator[tuple[Sequence[Part], str]]:
    """Those of `refs`, which are sorted and lie in the region `prefix`, that are in either half of it."""
    middle = bisect_left(refs, prefix + "1", key=_prefix_of)
    yield refs[:middle], prefix + "0"
    yield refs[middle:], prefix + "1"


def _fit(refs: Sequence[Part], level: int) -> bool:
    """Whether one node of `level` can hold what these hold."""
    return sum(ref.weight for ref in refs) <= (FANOUT if level else LEAF_LIMIT)


class _Editor:
    """One edit."""

    def __init__(self, load: NodeLoader, salt: str) -> None:
        self._load = load
        self._salt = salt

    def edit_root(self, root: Node | Draft, edits: list[_Edit]) -> Node | Draft:
        refs = self._edit(root, "", edits)
        if refs is None:
            return root
        level = root.level
        while len(refs) > 1:
            level += 1
            refs = self._group(refs, "", level)
        root = self._open(level + 1, refs[0]) if refs else Node(salt=self._salt)
        while root.level and len(root.refs) == 1:
            root = self._open(root.level, root.refs[0])
        return root

    def _open(self, level: int, part: Part) -> Node | Draft:
        """The node that a part of a node of `level` stands for."""
        return part if isinstance(part, Draft) else descend(level, part, self._load)

    def _edit(self, node: Node | Draft, prefix: str, edits: list[_Edit]) -> list[Part] | None:
        """The nodes, of the same level, that take the place of `node` in the region `prefix`; None if it stays."""
        if node.level:
            refs = self._edit_children(node, prefix, edits)
            return None if refs is None else self._group(refs, prefix, node.level)
        edits = [edit for edit in edits if node.entries.get(edit.name) != edit.entry]
        if not edits:
            return None
        entries = dict(node.entries)
        for edit in edits:
            if edit.entry is None:
                del entries[edit.name]
            else:
                entries[edit.name] = edit.entry
        return self._leaves(entries, prefix)

    def _edit_children(self, node: Node | Draft, prefix: str, edits: list[_Edit]) -> list[Part] | None:
        inside: dict[int, list[_Edit]] = {}
        outside: list[_Edit] = []
        for edit in edits:
            index = part_at(node.refs, edit.place)
            if index is not None:
                inside.setdefault(index, []).append(edit)
            elif edit.entry is not None:
                outside.append(edit)
        refs: list[Part] = list(node.refs)
        shrunk: list[str] = []
        for index in sorted(inside, reverse=True):
            ref = refs[index]
            parts = self._edit(self._open(node.level, ref), ref.prefix, inside[index])
            if parts is not None:
                refs[index : index + 1] = parts
                if sum(part.weight for part in parts) < ref.weight:
                    shrunk.append(ref.prefix)
            else:
                inside.pop(index)
        if not inside and not outside:
            return None
        if outside:
            refs += self._fill_gaps(refs, prefix, outside, node.level - 1)
            refs.sort(key=_prefix_of)
        return self._coalesce(refs, prefix, node.level - 1, shrunk)

    def _fill_gaps(self, refs: Sequence[Part], prefix: str, edits: list[_Edit], level: int) -> list[Part]:
        """Nodes for the edits that fall in regions which held nothing so far."""
        if not edits:
            return []
        if not refs:
            parts = self._leaves({edit.name: edit.entry for edit in edits if edit.entry is not None}, prefix)
            for upper in range(1, level + 1):
                parts = self._group(parts, prefix, upper)
            return parts
        return [
            part
            for inside, half in _halves(refs, prefix)
            for part in self._fill_gaps(inside, half, [edit for edit in edits if edit.place.startswith(half)], level)
        ]

    def _leaves(self, entries: dict[str, msgspec.Raw], prefix: str) -> list[Part]:
        if not entries:
            return []
        if len(entries) <= LEAF_LIMIT:
            return [Draft(prefix, 0, self._salt, entries=entries)]
        return [
            part
            for half in (prefix + "0", prefix + "1")
            for part in self._leaves(
                {name: raw for name, raw in entries.items() if place_of(name).startswith(half)}, half
            )
        ]

    def _group(self, refs: Sequence[Part], prefix: str, level: int) -> list[Part]:
        """The parts of the level below as nodes of `level`: one where they fit, halves where they don't."""
        if not refs:
            return []
        if len(refs) <= FANOUT:
            return [Draft(prefix, level, self._salt, refs=tuple(refs))]
        return [part for inside, half in _halves(refs, prefix) for part in self._group(inside, half, level)]

    def _coalesce(self, refs: Sequence[Part], prefix: str, level: int, shrunk: Sequence[str]) -> list[Part]:
        """The parts of `level` in the region, with those joined that together fit into one node.

        Only in the regions `shrunk` and around them can there be any.
        """
        shrunk = [other for other in shrunk if other.startswith(prefix) or prefix.startswith(other)]
        if not shrunk:
            return list(refs)
        if len(refs) > 1 and not _fit(refs, level):
            # Joining can make the halves lighter than they were, so look at them first.
            refs = [
                part for inside, half in _halves(refs, prefix) for part in self._coalesce(inside, half, level, shrunk)
            ]
        return [self._join(refs, prefix, level)] if refs and _fit(refs, level) else list(refs)

    def _join(self, refs: Sequence[Part], prefix: str, level: int) -> Part:
        only = refs[0]
        if len(refs) == 1 and (level == 0 or only.weight > 1 or only.prefix == prefix):
            # The same node, now for a larger region.  (A lone ref inside it would grow as well.)
            return _in_region(only, prefix)
        nodes = [self._open(level + 1, ref) for ref in refs]
        if level == 0:
            entries = {name: raw for node in nodes for name, raw in node.entries.items()}
            return Draft(prefix, 0, self._salt, entries=entries)
        below = self._coalesce([ref for node in nodes for ref in node.refs], prefix, level - 1, [prefix])
        return Draft(prefix, level, self._salt, refs=tuple(below))


def _in_region(part: Part, prefix: str) -> Part:
    if isinstance(part, Draft):
        return part.in_region(prefix)
    return Ref(prefix, part.weight, part.count, part.digest)
