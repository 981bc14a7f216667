"""The two axes of a frame: fields for the rows' index, metadata for the columns' labels, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from datafolio.errors import FormatError, UnsupportedValueError
from datafolio.items.table.cells import pack_cell, unpack_cell
from datafolio.items.table.columns import column_to_arrow, pack_freq, pack_labels
from datafolio.items.table.restore import column_from_arrow, index_of, unpack_labels
from datafolio.items.table.schema import FlatLabels, Labels, Level, MultiLabels, RangeLabels, RowIndex

if TYPE_CHECKING:
    from datafolio.items.table.parquet import Rows

__all__ = [
    "_part_of_range",
    "field_names",
    "index_from_arrow",
    "index_to_arrow",
    "labels_from_info",
    "labels_to_info",
    "levels_of",
]


def field_names(labels: Iterable[Any], taken: Iterable[str] = ()) -> list[str]:
    """A field name for each label: its text, with a number behind it where that is taken."""
    used = set(taken)
    names = []
    for label in labels:
        name = _unused(_text(label), used)
        used.add(name)
        names.append(name)
    return names


def _text(label: Any) -> str:
    text = str(label)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedValueError(f"column {label!r}: its name is not valid Unicode; rename it") from error
    return text


def _unused(name: str, used: set[str]) -> str:
    if name not in used:
        return name
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"


def labels_to_info(labels: Any, fields: list[str]) -> Labels | None:
    """How to have the Index `labels` back; None where the field names are it."""
    import pandas as pd

    if isinstance(labels, pd.RangeIndex):
        return _range(labels, "the columns")
    if isinstance(labels, pd.MultiIndex):
        return MultiLabels([pack_labels(level, "the columns' labels") for level in levels_of(labels)])
    if labels.name is None and labels.dtype == _default_labels(fields).dtype and labels.tolist() == fields:
        return None
    return pack_labels(labels, "the columns' labels")


def _default_labels(fields: list[str]) -> Any:
    import pandas as pd

    # Without an element pandas would not choose the dtype that it has for text.
    return pd.Index([*fields, "text"])[:-1]


def labels_from_info(labels: Labels | None, fields: list[str]) -> Any:
    """The Index that `labels_to_info` was given, as long as `fields`."""
    made = _default_labels(fields) if labels is None else _make_labels(labels)
    if len(made) != len(fields):
        raise FormatError(f"the table's description has {len(made)} labels for {len(fields)} columns")
    return made


def _make_labels(labels: Labels) -> Any:
    if isinstance(labels, RangeLabels):
        return _make_range(labels)
    if isinstance(labels, FlatLabels):
        return unpack_labels(labels)
    return _make_multi([unpack_labels(level) for level in labels.levels])


def _range(index: Any, what: str) -> RangeLabels:
    return RangeLabels(index.start, index.stop, index.step, pack_cell(index.name, f"the name of {what}"))


def _make_range(labels: RangeLabels) -> Any:
    import pandas as pd

    return pd.RangeIndex(labels.start, labels.stop, labels.step, name=unpack_cell(labels.name))


def levels_of(index: Any) -> list[Any]:
    """The values of each level of a MultiIndex, or the one of another Index, with their names."""
    # Without names, since a level called 1 would be taken for the one at position 1.
    nameless = index.set_names([None] * index.nlevels)
    return [nameless.get_level_values(position).rename(name) for position, name in enumerate(index.names)]


def _make_multi(levels: list[Any]) -> Any:
    """A MultiIndex of the values of each level, without pandas inferring dtypes anew from objects."""
    import pandas as pd

    return pd.MultiIndex.from_arrays(levels, names=[level.name for level in levels])


def index_to_arrow(index: Any, taken: list[str]) -> tuple[list[Any], RangeLabels | RowIndex]:
    """The Arrow arrays of the rows' index, whose fields are not among `taken`; none for a RangeIndex."""
    import pandas as pd

    if isinstance(index, pd.RangeIndex):
        return [], _range(index, "the index")
    multi = isinstance(index, pd.MultiIndex)
    levels = levels_of(index) if multi else [index]
    wanted = [f"__index_level_{i}__" if level.name is None else level.name for i, level in enumerate(levels)]
    fields = field_names(wanted, taken)
    arrays, described = [], []
    for position, (level, field) in enumerate(zip(levels, fields, strict=True)):
        where = f"level {position} of the index" if multi else "the index"
        array, restore = column_to_arrow(level, where)
        name = pack_cell(level.name, f"the name of {where}")
        arrays.append(array)
        described.append(Level(field, name, restore, pack_freq(level, where)))
    return arrays, RowIndex(described, multi)


def index_from_arrow(info: RangeLabels | RowIndex, column: Callable[[str], Any], rows: Rows | None) -> Any:
    """The Index that `index_to_arrow` was given, or its part for `rows`; `column` gives a field's ChunkedArray."""
    if isinstance(info, RangeLabels):
        return _part_of_range(_make_range(info), rows)
    levels = [
        index_of(column_from_arrow(column(level.field), level.restore), unpack_cell(level.name), _freq(level, rows))
        for level in info.levels
    ]
    if info.multi:
        return _make_multi(levels)
    if len(levels) != 1:
        raise FormatError(f"the table's description has {len(levels)} levels for a plain index")
    return levels[0]


def _part_of_range(index: Any, rows: Rows | None) -> Any:
    """What pandas leaves of a RangeIndex for `rows`."""
    return index if rows is None or len(rows.positions) == rows.total else index.take(rows.positions)


def _freq(level: Level, rows: Rows | None) -> Any:
    """The freq that pandas leaves to the rows: of those at equal distances a multiple, of others none."""
    import numpy as np
    import pandas as pd

    if level.freq is None or rows is None or len(rows.positions) <= 1:
        return level.freq
    steps = np.diff(rows.positions)
    if (steps != steps[0]).any():
        return None
    return pd.tseries.frequencies.to_offset(level.freq) * int(steps[0])


def index_of_rows(index: Any, schema: Any, rows: Rows) -> Any:
    """The Index of `rows` in a frame that pyarrow made of them alone: `index`, or one of their numbers in the whole."""
    import pandas as pd

    if not isinstance(index, pd.RangeIndex):
        return index
    whole = pd.RangeIndex(rows.total)
    for described in (schema.pandas_metadata or {}).get("index_columns", []):
        if isinstance(described, dict):
            kept = pd.RangeIndex(described["start"], described["stop"], described["step"], name=described["name"])
            whole = kept if len(kept) == rows.total else whole
    return _part_of_range(whole, rows)
