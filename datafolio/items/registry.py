"""The item types that there are, and which of them a value is of."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from datafolio.errors import FolioError, FormatError
from datafolio.items.array import ArrayType
from datafolio.items.artifact import ArtifactType
from datafolio.items.base import ItemType
from datafolio.items.figure import FigureType
from datafolio.items.json import JsonType
from datafolio.items.model import ModelType
from datafolio.items.table import TableType
from datafolio.items.timestamp import TimestampType

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["ENTRY_POINTS", "ITEM_TYPES", "by_tag", "detect"]

#: The built-in types.  Their order is the priority when the type of a value is looked for.
ITEM_TYPES: tuple[ItemType, ...] = (
    TableType(),
    ArrayType(),
    FigureType(),
    TimestampType(),
    ArtifactType(),
    JsonType(),
    ModelType(),
)

#: Third parties' types: each entry point names an ItemType class.
ENTRY_POINTS = "datafolio.items"

# Values of these packages' own classes have built-in types, so finding theirs needs no look at the entry points.
_KNOWN = frozenset({"builtins", "datetime", "matplotlib", "numpy", "pandas", "pathlib", "polars", "pyarrow"})


def detect(value: object) -> ItemType:
    """The type that `value` is stored as if none is given.

    A class from elsewhere is first offered to third parties' types.
    """
    known = type(value).__module__.partition(".")[0] in _KNOWN
    types = ITEM_TYPES if known else (*_third_parties(), *ITEM_TYPES)
    return next(kind for kind in types if kind.matches(value))


def by_tag(tag: str) -> ItemType:
    """The type called `tag`.  Raises FormatError, naming it, if there is none."""
    found = _find(tag, ITEM_TYPES) or _find(tag, _third_parties())
    if found is None:
        tags = ", ".join(kind.tag for kind in (*ITEM_TYPES, *_third_parties()))
        raise FormatError(
            f"the item is of the type {tag!r}, which this installation does not know (it knows {tags}); "
            f"install the package that wrote it, or a newer datafolio"
        )
    return found


def _find(tag: str, types: tuple[ItemType, ...]) -> ItemType | None:
    return next((kind for kind in types if kind.tag == tag), None)


@functools.cache
def _third_parties() -> tuple[ItemType, ...]:
    import importlib.metadata  # brings the email package

    return tuple(_load(point) for point in importlib.metadata.entry_points(group=ENTRY_POINTS))


def _load(point: EntryPoint) -> ItemType:
    try:
        made = point.load()()
    except Exception as error:
        # The other package's import may raise anything; which package it was is what helps.
        raise FolioError(f"the item type {point.name!r} ({point.value}) can't be loaded: {error}") from error
    if not isinstance(made, ItemType):
        raise FolioError(f"the entry point {point.name!r} ({point.value}) is no datafolio.items.ItemType")
    return made
