"""What differs, for people."""

from __future__ import annotations

from collections.abc import Iterator

from datafolio.cli.render import Line, count, format_value, line
from datafolio.porcelain.compare import Comparison

__all__ = ["difference_lines", "is_empty"]

_KINDS = (
    ("added_items", "+", "green"),
    ("removed_items", "-", "red"),
    ("modified_items", "~", "yellow"),
)


def is_empty(difference: Comparison) -> bool:
    """Whether nothing differs."""
    return not (difference["metadata_changes"] or any(difference[key] for key, _, _ in _KINDS))


def difference_lines(difference: Comparison) -> Iterator[Line]:
    """A line for each item and each key of the metadata that differs, and one for all that is the same."""
    for key, sign, style in _KINDS:
        for name in difference[key]:
            yield line((f"{sign} ", style), (name, style))
    for key, (old, new) in difference["metadata_changes"].items():
        values = f"{format_value(old)} -> {format_value(new)}"
        yield line(("~ ", "yellow"), (f"metadata {key}", "yellow"), (f": {values}", ""))
    same = count(difference.shared_count, "item")
    yield line((f"no differences in {same}" if is_empty(difference) else f"{same} unchanged", "dim"))
