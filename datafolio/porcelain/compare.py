"""What differs between two states of a folio."""

from __future__ import annotations

from typing import Any

import msgspec

from datafolio.canonical import pack
from datafolio.store.state import State, unpack_metadata

__all__ = ["compare", "metadata_changes"]

_MISSING = object()


def compare(old: State, new: State) -> dict[str, Any]:
    """The differences from `old` to `new`.

    ``added_items``, ``removed_items``, ``modified_items`` and ``shared_items`` are sorted names; an
    item is modified if its content differs, so one that was written again with the same bytes is
    shared.  ``metadata_changes`` maps each key that differs to its values ``(old, new)``, with None
    for a key that is not there.  Reads only the parts of the two that differ, and the names.
    """
    added, removed, modified = [], [], []
    for change in old.items.diff(new.items):
        if change.before is None:
            added.append(change.name)
        elif change.after is None:
            removed.append(change.name)
        elif (change.before.digest, change.before.type) != (change.after.digest, change.after.type):
            modified.append(change.name)
    return {
        "added_items": added,
        "removed_items": removed,
        "modified_items": modified,
        "shared_items": sorted(set(old.items.names()).difference(removed, modified)),
        "metadata_changes": metadata_changes(old, new),
    }


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
