"""Which items were made from which."""

from __future__ import annotations

from datafolio.store.changes import require_items
from datafolio.store.state import State

__all__ = ["dependents_of", "lineage_of"]


def lineage_of(state: State) -> dict[str, list[str]]:
    """Every item's inputs, by name."""
    return {name: list(entry.inputs) for name, entry in state.items.items()}


def dependents_of(state: State, name: str) -> list[str]:
    """The names of the items that have `name` among their inputs, sorted."""
    require_items(state, [name], "to have dependents")
    return sorted(other for other, inputs in lineage_of(state).items() if name in inputs)
