"""What each operation did, as plain dicts, and undoing some of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from datafolio.errors import DamageError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.compare import metadata_changes
from datafolio.store import history as log
from datafolio.store.model import Entry
from datafolio.store.repository import Repository
from datafolio.store.state import State

__all__ = ["history", "item_history", "undo"]

T = TypeVar("T")


def history(repository: Repository) -> list[dict[str, Any]]:
    """The operations that the log still holds, newest first: see `DataFolio.history`."""
    return [_operation(repository, step) for step in log.operations(repository)]


def item_history(repository: Repository, name: str) -> list[dict[str, Any]]:
    """Those that changed the item, and those of which that can't be told."""
    found = []
    for step in log.operations(repository):
        versions = _known(repository, step.before, step.after, lambda before, after: _versions(name, before, after))
        if versions is None and not _may_hold(repository, step.after, name):
            continue
        if versions is None or versions["before"] != versions["after"]:
            shown = {"before": None, "after": None} if versions is None else versions
            found.append({**_operation(repository, step), **{key: _fields(entry) for key, entry in shown.items()}})
    return found


def undo(binding: Binding, operation: int | None, *, dry_run: bool) -> dict[str, Any] | None:
    """Undo, and return the operation that did: see `DataFolio.undo`."""
    repository = binding.repository
    if dry_run:
        plan = log.undo(repository, operation, lambda _, change: repository.view(change))
        return None if plan is None else _undone(repository, plan, None)
    binding.require_writable()
    binding.refuse_in_batch("undo")
    done = log.undo(repository, operation, lambda words, change: binding.commit(words, change, lets_go=True))
    if done is None:
        return None
    binding.refresh_views()
    return _undone(repository, done, done.tip.seq + 1)


def _undone(repository: Repository, done: log.Undo, number: int | None) -> dict[str, Any]:
    after = repository.state_of(done.past)
    logged = None if number is None else repository.log.readable(number)
    return {
        "operation": number,
        "time": logged and logged.record.time,
        "what": done.words,
        "restores": done.restores,
        "changes": _known(repository, done.tip.state, after, _changes),
    }


def _operation(repository: Repository, step: log.Step) -> dict[str, Any]:
    record = None if step.logged is None else step.logged.record
    return {
        "operation": step.seq,
        "time": record and record.time,
        "what": record and record.operation,
        "restores": record and record.restores,
        "changes": _known(repository, step.before, step.after, _changes),
    }


def _known(
    repository: Repository, before: State | None, after: State | None, find: Callable[[State, State], T]
) -> T | None:
    """What `find` makes of the two states, or None where one of them, or a part of it, can't be read any more."""
    if before is None or after is None:
        return None
    try:
        return repository.view(lambda _: find(before, after))
    except DamageError:
        return None


def _changes(before: State, after: State) -> dict[str, Any]:
    items = before.items.diff(after.items)
    snapshots = before.snapshots.diff(after.snapshots)
    return {
        "added_items": [change.name for change in items if change.before is None],
        "removed_items": [change.name for change in items if change.after is None],
        "modified_items": [change.name for change in items if change.before and change.after],
        "metadata_changes": metadata_changes(before, after),
        "created_snapshots": [change.name for change in snapshots if change.after],
        "deleted_snapshots": [change.name for change in snapshots if change.before],
    }


def _versions(name: str, before: State, after: State) -> dict[str, Entry | None]:
    return {"before": before.items.get(name), "after": after.items.get(name)}


def _may_hold(repository: Repository, state: State | None, name: str) -> bool:
    """Whether the item is in the state, or that can't be told."""
    return state is None or _known(repository, state, state, lambda _, after: name in after.items) is not False


def _fields(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else {"version": entry.version, "size": entry.size, "digest": entry.digest}
