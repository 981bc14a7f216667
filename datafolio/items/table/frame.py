"""A pandas frame as an Arrow table that holds what brings it back exactly, and back."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from datafolio.errors import FormatError, UnsupportedValueError, UsageError
from datafolio.items.table.cells import pack_cell, unpack_cell
from datafolio.items.table.columns import column_to_arrow
from datafolio.items.table.index import (
    field_names,
    index_from_arrow,
    index_to_arrow,
    labels_from_info,
    labels_to_info,
    levels_of,
)
from datafolio.items.table.pandas_metadata import PANDAS_KEY, pandas_metadata
from datafolio.items.table.restore import column_from_arrow
from datafolio.items.table.schema import (
    KEY,
    Column,
    Level,
    Moment,
    Nullable,
    Objects,
    PandasInfo,
    RangeLabels,
    Restore,
    RowIndex,
    Text,
    dump_info,
)

if TYPE_CHECKING:
    from datafolio.items.table.parquet import Rows

__all__ = ["arrow_to_frame", "chosen_columns", "frame_to_arrow", "label_key", "needed_fields", "unknown_column"]

# As pyarrow itself decides whether threads are worth their start.
_ROWS_PER_COLUMN = 100


def frame_to_arrow(frame: Any) -> Any:
    """The pyarrow Table for `frame`, with its description in the schema's metadata.

    Raises UnsupportedValueError, naming the column, for what would not come back.
    """
    fields = field_names(frame.columns)
    arrays, restores = _convert(frame)
    index_arrays, index = index_to_arrow(frame.index, fields)
    info = PandasInfo(
        columns=[Column(field, restore) for field, restore in zip(fields, restores, strict=True)],
        index=index,
        labels=labels_to_info(frame.columns, fields),
        attrs=pack_cell(frame.attrs, "attrs of the frame") if frame.attrs else None,
        duplicate_labels=bool(frame.flags.allows_duplicate_labels),
    )
    table = _assemble(arrays + index_arrays, fields, frame, info)
    _check_round_trip(frame, table, info)
    return table


def _convert(frame: Any) -> tuple[list[Any], list[Restore]]:
    # items() goes by position, so equal labels do no harm.
    columns = list(zip(frame.columns.tolist(), (column for _, column in frame.items()), strict=True))
    if len(columns) > 1 and len(frame) > _ROWS_PER_COLUMN * len(columns):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            made = list(pool.map(_convert_column, columns))
    else:
        made = [_convert_column(column) for column in columns]
    return [array for array, _ in made], [restore for _, restore in made]


def _convert_column(labelled: tuple[Any, Any]) -> tuple[Any, Restore]:
    label, column = labelled
    return column_to_arrow(column, f"column {label!r}")


def _assemble(arrays: list[Any], fields: list[str], frame: Any, info: PandasInfo) -> Any:
    import pyarrow as pa

    levels = info.index.levels if isinstance(info.index, RowIndex) else []
    table = pa.Table.from_arrays(arrays, names=fields + [level.field for level in levels])
    described = pandas_metadata(table, frame, info)
    return table.replace_schema_metadata({PANDAS_KEY: described, KEY: dump_info(info)})


def _is_plain(info: PandasInfo) -> bool:
    """Whether every dtype is one that comes back by its name alone, whatever Parquet makes of the type."""
    if not isinstance(info.labels, (RangeLabels, type(None))):
        return False
    parts: list[Column | Level] = [*info.columns, *(info.index.levels if isinstance(info.index, RowIndex) else ())]
    return all(isinstance(part.restore, (type(None), Text, Nullable, Objects)) for part in parts)


def _check_round_trip(frame: Any, table: Any, info: PandasInfo) -> None:
    """The last net: the frame without its rows must come back through Parquet as it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if _is_plain(info):
        return
    if isinstance(info.index, RangeLabels):
        info = msgspec.structs.replace(info, index=msgspec.structs.replace(info.index, start=0, stop=0))
    sink = pa.BufferOutputStream()
    pq.write_table(table.slice(0, 0), sink)
    back = arrow_to_frame(pq.read_table(pa.BufferReader(sink.getvalue())), info, None)
    for position, (label, dtype) in enumerate(frame.dtypes.items()):
        if back.dtypes.iloc[position] != dtype:
            found = back.dtypes.iloc[position]
            raise UnsupportedValueError(
                f"column {label!r} holds values of dtype {dtype}, which would come back as {found}; "
                f"convert it with .astype(...)"
            )
    for what, axis, got in (("columns", frame.columns, back.columns), ("index", frame.index, back.index)):
        if type(axis) is not type(got) or axis.names != got.names or not _same_dtypes(axis, got):
            raise UnsupportedValueError(
                f"the {what} of the frame ({type(axis).__name__} of {axis.dtype}) would come back as "
                f"{type(got).__name__} of {got.dtype}; use plain labels, for instance with reset_index()"
            )


def _same_dtypes(axis: Any, got: Any) -> bool:
    pairs = zip(levels_of(axis), levels_of(got), strict=True)
    return all(before.dtype == after.dtype for before, after in pairs)


def chosen_columns(info: PandasInfo, columns: Sequence[Any]) -> list[int]:
    """The positions of the columns labelled `columns`, in that order.

    Raises UsageError for a label that the table does not have, with those that come close.
    """
    labels = labels_from_info(info.labels, [column.field for column in info.columns]).tolist()
    positions: dict[Any, list[int]] = {}
    for position, label in enumerate(labels):
        positions.setdefault(label_key(label), []).append(position)
    chosen = []
    for label in columns:
        if not isinstance(label, Hashable) or label_key(label) not in positions:
            raise unknown_column(label, labels)
        chosen += positions[label_key(label)]
    return chosen


def label_key(label: Any) -> Any:
    """What equal labels have in common: NaN, which is unlike itself, can be a label too."""
    return ("nan",) if isinstance(label, float) and label != label else label  # noqa: PLR0124 - only NaN


def unknown_column(label: Any, labels: Sequence[Any]) -> UsageError:
    """The error for a `label` that is not among `labels`, naming those that come close."""
    close = difflib.get_close_matches(str(label), [str(known) for known in labels], n=3)
    known = [repr(known) for known in labels if str(known) in close] or [repr(known) for known in labels[:10]]
    more = ", ..." if not close and len(labels) > len(known) else ""
    said = "close ones are" if close else "it has"
    return UsageError(f"the table has no column {label!r}; {said}: {', '.join(known)}{more}")


def needed_fields(info: PandasInfo, chosen: list[int]) -> list[str]:
    """The fields to read for the columns at `chosen`: theirs and the index's."""
    levels = info.index.levels if isinstance(info.index, RowIndex) else []
    return [info.columns[position].field for position in chosen] + [level.field for level in levels]


def arrow_to_frame(table: Any, info: PandasInfo, chosen: list[int] | None, rows: Rows | None = None) -> Any:
    """The frame that `frame_to_arrow` was given, or its columns at `chosen` and its `rows`."""
    positions = range(len(info.columns)) if chosen is None else chosen
    columns = [info.columns[position] for position in positions]
    column = functools.partial(_column, table)
    index = index_from_arrow(info.index, column, rows)
    frame = _make_frame([(column(each.field), each.restore) for each in columns])
    if not columns:
        frame = frame.reindex(range(len(index)))
    frame.index = index
    labels = labels_from_info(info.labels, [each.field for each in info.columns])
    frame.columns = labels if chosen is None else labels.take(chosen)
    if info.attrs is not None:
        frame.attrs = unpack_cell(info.attrs)
    return frame if info.duplicate_labels else frame.set_flags(allows_duplicate_labels=False)


def _column(table: Any, field: str) -> Any:
    position = table.schema.get_field_index(field)
    if position < 0:
        raise FormatError(f"the table has no field {field!r}, which its description names")
    return table.column(position)


def _make_frame(columns: list[tuple[Any, Restore]]) -> Any:
    """One call of pyarrow's to_pandas for all, as it copies plain columns into pandas's blocks in parallel.

    Each of the others goes as a stand-in without content, for which pyarrow asks the mapper.
    """
    import pandas as pd
    import pyarrow as pa

    stand_in = _stand_in_type()
    arrays = [_plain_column(chunked, restore) for chunked, restore in columns]
    for position, array in enumerate(arrays):
        if array is None:
            empty = pa.nulls(len(columns[position][0]))
            arrays[position] = pa.ExtensionArray.from_storage(stand_in(position), empty)

    def mapper(kind: Any) -> _Restored | None:
        return _Restored(*columns[kind.position]) if isinstance(kind, stand_in) else None

    table = pa.Table.from_arrays(arrays, names=[str(position) for position in range(len(arrays))])
    frame = table.to_pandas(ignore_metadata=True, types_mapper=mapper)
    for position, (chunked, restore) in enumerate(columns):
        if isinstance(restore, Objects):
            values = column_from_arrow(chunked, restore)
            frame.isetitem(position, pd.Series(values, dtype=object, index=frame.index))
    return frame


def _plain_column(chunked: Any, restore: Restore) -> Any:
    """What pyarrow converts as it should by itself; else None."""
    import pyarrow as pa

    if restore is None:
        return chunked
    if isinstance(restore, Moment) and restore.zone is None:
        return chunked.cast(pa.timestamp(restore.unit))
    return None


class _Restored:
    """Has the one method of a pandas dtype that pyarrow calls."""

    def __init__(self, chunked: Any, restore: Restore) -> None:
        self._chunked = chunked
        self._restore = restore

    def __from_arrow__(self, _: Any) -> Any:
        if isinstance(self._restore, Objects):
            return _placeholder(len(self._chunked))
        return column_from_arrow(self._chunked, self._restore)


def _placeholder(rows: int) -> Any:
    """One byte a row, until the objects take its place: pandas has no extension array of plain objects."""
    import numpy as np
    import pandas as pd

    return pd.Categorical.from_codes(np.full(rows, -1, dtype="i1"), categories=[])


@functools.cache
def _stand_in_type() -> Any:
    import pyarrow as pa

    class StandIn(pa.ExtensionType):  # type: ignore[misc]
        """The position of a column, as a type, so that a mapper of types can tell columns apart."""

        def __init__(self, position: int) -> None:
            self.position = position
            super().__init__(pa.null(), "datafolio.stand_in")

        def __arrow_ext_serialize__(self) -> bytes:
            return str(self.position).encode()

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> Any:
            return cls(int(serialized))

    return StandIn
