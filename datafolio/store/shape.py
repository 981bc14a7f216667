"""What the nodes of a map must look like, whoever wrote them.

A folio may come from a stranger.  A node's digest says that its bytes are its own, and not that it belongs
where it was found; so on the way down each is held against what its parent says of it.  Then every node is
smaller than its parent's region, no two share anything, and a map takes no longer to walk than the files
it is made of account for.
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

from datafolio.digest import Digest, hash_of_name
from datafolio.errors import FormatError
from datafolio.store.model import Node, Ref

__all__ = [
    "MOST_ENTRIES",
    "MOST_REFS",
    "AheadLoader",
    "NodeLoader",
    "checked_root",
    "count_of",
    "descend",
    "place_of",
    "read_ahead",
    "require_places",
    "weight_of",
]

#: The entries of a leaf, and the refs of any other node, at most.
MOST_ENTRIES = 64
MOST_REFS = 256

NodeLoader = Callable[[Digest], Node]


class AheadLoader(ABC):
    """A `NodeLoader` that can read several nodes at once, where each takes a while."""

    @abstractmethod
    def __call__(self, digest: Digest) -> Node:
        """The node with that digest."""

    @abstractmethod
    def ahead(self, digests: Sequence[Digest]) -> None:
        """Read these now, if that saves time.  Errors are left to those who need the nodes."""


def read_ahead(load: NodeLoader, digests: Iterable[Digest]) -> None:
    """Have these nodes read at once, if `load` can: all of them are needed next."""
    if isinstance(load, AheadLoader):
        load.ahead(list(dict.fromkeys(digests)))


# Far more levels than any map needs.
_MOST_LEVELS = 32
_LONGEST_PREFIX = 256
_PREFIX = re.compile(rf"[01]{{0,{_LONGEST_PREFIX}}}")
_PREFIXES = re.compile("[01]*")

# Refs whose node was found to be what they say, and those whose leaf has only names of their region.  That is so
# for ever, since the digest names the node's bytes.
_sound: set[Ref] = set()
_placed: set[Ref] = set()
_MOST_KNOWN = 1 << 14


@functools.lru_cache(maxsize=1 << 16)
def place_of(name: str) -> str:
    """The bits of the hash of `name`, the first one first."""
    return format(int.from_bytes(hash_of_name(name), "big"), "0256b")


def weight_of(node: Node) -> int:
    """The number of entries, or of refs, in `node`."""
    return len(node.refs) if node.level else len(node.entries)


def count_of(node: Node) -> int:
    """The number of entries in all leaves below `node`."""
    return sum(ref.count for ref in node.refs) if node.level else len(node.entries)


def checked_root(root: Node) -> Node:
    """`root`, if it can be the root of a map.  Raises FormatError."""
    if not 0 <= root.level <= _MOST_LEVELS:
        raise FormatError(f"a map has {root.level} levels, and none needs more than {_MOST_LEVELS}")
    _require_shape(root, "", "the root of a map")
    return root


def descend(level: int, ref: Ref, load: NodeLoader) -> Node:
    """The node that `ref`, of a node of `level`, names.  Raises FormatError if it is another than `ref` says."""
    node = load(ref.digest)
    if node.level != level - 1:
        raise FormatError(f"a node of level {level} refers to one of level {node.level}, {ref.digest}")
    if ref not in _sound:
        _require_fit(node, ref)
        _note(_sound, ref)
    return node


def _require_fit(node: Node, ref: Ref) -> None:
    what = f"the node {ref.digest}"
    _require_shape(node, ref.prefix, what)
    if (weight_of(node), count_of(node)) != (ref.weight, ref.count):
        raise FormatError(
            f"{what} has {weight_of(node)} parts with {count_of(node)} entries, "
            f"and its parent says that it has {ref.weight} with {ref.count}"
        )


def _require_shape(node: Node, prefix: str, what: str) -> None:
    """Raise FormatError unless `node` has what its level has, and no more, in regions apart within `prefix`."""
    if (node.entries if node.level else node.refs) or (node.level and not node.refs):
        raise FormatError(
            f"{what} is of level {node.level}, with {len(node.entries)} entries and {len(node.refs)} refs"
        )
    if len(node.entries) > MOST_ENTRIES or len(node.refs) > MOST_REFS:
        raise FormatError(f"{what} has {weight_of(node)} parts, more than any has")
    if node.refs and not _are_sound(node.refs, prefix):
        _refuse(node.refs, prefix, what)


def _are_sound(refs: Sequence[Ref], prefix: str) -> bool:
    """Whether these are refs of regions apart within `prefix`, in order: all at once, since there are many."""
    # Without a step of Python's own for each, where that can be: opening a folio waits for this.
    prefixes = [ref.prefix for ref in refs]
    weights = [ref.weight for ref in refs]
    return (
        _PREFIXES.fullmatch("".join(prefixes)) is not None
        and max(map(len, prefixes)) <= _LONGEST_PREFIX
        and all(map(str.startswith, prefixes, itertools.repeat(prefix)))
        and prefixes == sorted(prefixes)
        and not any(map(str.startswith, prefixes[1:], prefixes))
        and min(weights) >= 1
        and all(map(operator.le, weights, [ref.count for ref in refs]))
    )


def _refuse(refs: Sequence[Ref], prefix: str, what: str) -> None:
    """Raise FormatError, saying which of the refs is not sound."""
    before = None
    for ref in refs:
        _require_ref(ref, prefix, what)
        if before is not None and (ref.prefix < before or ref.prefix.startswith(before)):
            raise FormatError(f"{what} has refs that overlap or are out of order: {before!r}, {ref.prefix!r}")
        before = ref.prefix


def _require_ref(ref: Ref, prefix: str, what: str) -> None:
    is_inside = _PREFIX.fullmatch(ref.prefix) is not None and ref.prefix.startswith(prefix)
    if not is_inside or not 1 <= ref.weight <= ref.count:
        raise FormatError(f"{what}, of the region {prefix!r}, has a ref that can't be: {reprlib.repr(ref)}")


def require_places(leaf: Node, ref: Ref) -> None:
    """Raise FormatError for an entry of `leaf`, which `ref` names, that is not of its region."""
    if ref in _placed:
        return
    region, below = int("0" + ref.prefix, 2), 256 - len(ref.prefix)
    for name in leaf.entries:
        if int.from_bytes(hash_of_name(name), "big") >> below != region:
            raise FormatError(f"the entry {reprlib.repr(name)} is in a part of the map where nothing looks for it")
    _note(_placed, ref)


def _note(known: set[Ref], ref: Ref) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known.add(ref)
