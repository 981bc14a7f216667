"""What differs between two states of a folio."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from datafolio.canonical import pack
from datafolio.errors import MissingObjectError, NotKeptError
from datafolio.store.state import State, unpack_metadata

__all__ = ["compare", "metadata_changes"]

_MISSING = object()

# To list so many items takes no time to speak of.
_FEW = 1000


class Comparison(dict[str, Any]):
    """What differs, as a dict whose ``shared_items`` are listed when they are first asked for.

    Two snapshots of a large folio may differ in a few items, which are found by reading little, and
    share all the others, and to list those takes as long as there are many.
    """

    def __init__(self, differences: Mapping[str, Any], shared_count: int, shared: Callable[[], list[str]]) -> None:
        """`differences`, and before the last of them the ``shared_items``, so many, that `shared` gives."""
        super().__init__(differences)
        #: How many ``shared_items`` there are, without listing them.
        self.shared_count = shared_count
        self._shared: Callable[[], list[str]] | None = shared
        self._lock = threading.RLock()

    def list_shared(self) -> None:
        """Make this a dict like any other."""
        with self._lock:
            if self._shared is not None:
                names = self._shared()
                last = super().popitem()
                super().update({"shared_items": names, last[0]: last[1]})
                self._shared = None

    def __missing__(self, key: str) -> Any:
        self.list_shared()
        if key not in self:
            raise KeyError(key)
        return super().__getitem__(key)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _after_listing(method: Callable[..., Any]) -> Callable[..., Any]:
    """A dict's `method`, of all its keys."""

    @functools.wraps(method)
    def listed(self: Comparison, *arguments: Any) -> Any:
        self.list_shared()
        return method(self, *arguments)

    return listed


# All that looks at a dict as a whole, and what changes one.  With an iterator of its own, `dict(...)` asks this for its
# keys and values, and does not copy what is there so far.
_WHOLE = (
    *("__contains__", "__delitem__", "__eq__", "__ior__", "__iter__", "__len__", "__ne__", "__or__", "__repr__"),
    *("__reversed__", "__ror__", "__setitem__", "clear", "copy", "get", "items", "keys", "pop", "popitem"),
    *("setdefault", "update", "values"),
)
for _name in _WHOLE:
    setattr(Comparison, _name, _after_listing(getattr(dict, _name)))


def compare(old: State, new: State) -> Comparison:
    """The differences from `old` to `new`.

    ``added_items``, ``removed_items``, ``modified_items`` and ``shared_items`` are sorted names; an
    item is modified if its content differs, so one that was written again with the same bytes is
    shared.  ``metadata_changes`` maps each key that differs to its values ``(old, new)``, with None
    for a key that is not there.  Reads only the parts of the two that differ, and, where there are many
    items, the names of all only when ``shared_items`` are asked for.
    """
    added, removed, modified = [], [], []
    for change in old.items.diff(new.items):
        if change.before is None:
            added.append(change.name)
        elif change.after is None:
            removed.append(change.name)
        elif (change.before.digest, change.before.type) != (change.after.digest, change.after.type):
            modified.append(change.name)
    differences = {
        "added_items": added,
        "removed_items": removed,
        "modified_items": modified,
        "metadata_changes": metadata_changes(old, new),
    }
    gone = frozenset((*removed, *modified))
    comparison = Comparison(differences, len(old.items) - len(gone), lambda: _names_without(old, gone))
    if len(old.items) <= _FEW:
        comparison.list_shared()
    return comparison


def _names_without(state: State, gone: frozenset[str]) -> list[str]:
    try:
        return [name for name in state.items.names() if name not in gone]
    except MissingObjectError as error:
        raise NotKeptError(
            f"what the two have in common can't be listed any more, if the older one was deleted and collected "
            f"since they were compared: {error}"
        ) from error


def metadata_changes(old: State, new: State) -> dict[Any, tuple[Any, Any]]:
    """Each key of the metadata that differs, with its values ``(old, new)``; None for a key that is not there."""
    return _changed_values(unpack_metadata(old.metadata), unpack_metadata(new.metadata))


def _changed_values(old: dict[Any, Any], new: dict[Any, Any]) -> dict[Any, tuple[Any, Any]]:
    keys = [*old, *(key for key in new if key not in old)]
    return {
        key: (old.get(key), new.get(key)) for key in keys if not _same(old.get(key, _MISSING), new.get(key, _MISSING))
    }


def _same(old: Any, new: Any) -> bool:
    if old is _MISSING or new is _MISSING:
        return old is new
    # Compared as written: NaN is NaN, and 1 is not True.  The order of a dict's keys is no difference.
    written = (msgspec.json.encode(pack(value), order="deterministic") for value in (old, new))
    return next(written) == next(written)
