"""The items of one snapshot after another, each found by what differs from the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from datafolio.digest import Digest
from datafolio.store.state import State
from datafolio.store.tree import Tree

__all__ = ["Succession"]

E = TypeVar("E")
T = TypeVar("T")


class Succession(Generic[E, T]):
    """A value for each item of the maps that it is asked for: much faster if each is like the one before."""

    def __init__(self, state: State, kind: type[E], value: Callable[[str, E], T]) -> None:
        """`value` makes the value of the item's name and its entry, read as `kind`."""
        self._state = state
        self._kind = kind
        self._value = value
        self._digest: Digest | None = None
        self._tree: Tree[E] | None = None
        self._values: dict[str, T] = {}

    def of(self, digest: Digest) -> dict[str, T]:
        """The values by the names of the items in the map with that digest, sorted.  Not to be changed."""
        if digest != self._digest:
            tree = self._state.tree_items(digest).read_as(self._kind)
            self._values = self._values_of(tree)
            self._digest, self._tree = digest, tree
        return self._values

    def _values_of(self, tree: Tree[E]) -> dict[str, T]:
        if self._tree is None:
            return {name: self._value(name, entry) for name, entry in tree.items()}
        values, changes = dict(self._values), self._tree.diff(tree)
        for change in changes:
            if change.after is None:
                del values[change.name]
            else:
                values[change.name] = self._value(change.name, change.after)
        return dict(sorted(values.items())) if any(change.before is None for change in changes) else values
