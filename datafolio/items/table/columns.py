"""One pandas column as an Arrow array and what brings it back; levels of an index and categories are columns too."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from datafolio.errors import UnsupportedValueError
from datafolio.items.table.arrow_types import identical, kept_type, schema_to_text
from datafolio.items.table.cells import pack_cell
from datafolio.items.table.objects import objects_to_arrow
from datafolio.items.table.schema import (
    ArrowColumn,
    Category,
    FlatLabels,
    Interval,
    Moment,
    Nullable,
    Period,
    Restore,
    Text,
)
from datafolio.items.zones import pack_zone

__all__ = ["JSON_TYPES", "column_to_arrow", "pack_freq", "pack_labels"]

#: Arrow types whose values JSON holds as they are.
JSON_TYPES = frozenset({"string", "large_string", "int64", "bool", "null"})

_FIXED_KINDS = "biuf"
_MAX_ITEM = 8  # bytes; numpy's longdouble has no Arrow type
_TEXT = frozenset({"string", "large_string"})
_MASKED = frozenset(
    {"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean"}
)


def column_to_arrow(values: Any, where: str) -> tuple[Any, Restore]:
    """The Arrow array (or ChunkedArray) for a Series or Index, and what brings it back exactly.

    Raises UnsupportedValueError, beginning with `where`, for what can't be brought back.
    """
    import pyarrow as pa

    try:
        return _to_arrow(values, where)
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        if isinstance(error, UnsupportedValueError):
            raise
        raise UnsupportedValueError(
            f"{where} holds values of dtype {values.dtype} that Parquet can't keep: {error}; "
            f"convert it with .astype(...)"
        ) from error


def _to_arrow(values: Any, where: str) -> tuple[Any, Restore]:  # noqa: PLR0911 - one for each family of dtypes
    import numpy as np
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_to_arrow(values.to_numpy(), dtype, where)
    if type(dtype) is pd.CategoricalDtype:
        return _category_to_arrow(values.array, dtype, where)
    if type(dtype) is pd.DatetimeTZDtype:
        return _zoned_to_arrow(values, dtype, where)
    if type(dtype) is pd.PeriodDtype:
        return _period_to_arrow(values.array, dtype)
    if type(dtype) is pd.IntervalDtype:
        return _interval_to_arrow(values.array, dtype, where)
    if type(dtype) is pd.ArrowDtype:
        return _arrow_dtype_to_arrow(values.array, dtype, where)
    return _masked_or_text_to_arrow(values.array, dtype, where)


def _refuse(dtype: Any, where: str) -> UnsupportedValueError:
    hint = ".sparse.to_dense()" if str(dtype).startswith("Sparse") else ".astype(...)"
    return UnsupportedValueError(
        f"{where} holds values of dtype {dtype}, which Parquet can't keep; convert it with {hint}"
    )


def _numpy_to_arrow(values: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    import pyarrow as pa

    if dtype.kind == "O":
        return objects_to_arrow(values, where)
    if dtype.kind == "M":
        return _moments_to_arrow(values, None)
    known = dtype.kind in _FIXED_KINDS and dtype.itemsize <= _MAX_ITEM and dtype.isnative and not dtype.metadata
    if not known and dtype.kind != "m":
        raise _refuse(dtype, where)
    return pa.array(values, from_pandas=True), None


def _moments_to_arrow(values: Any, zone: str | None) -> tuple[Any, Moment | None]:
    """`values` is datetime64; those of seconds are stored as milliseconds, which is the coarsest that Parquet has."""
    import numpy as np
    import pyarrow as pa

    unit = np.datetime_data(values.dtype)[0]
    array = pa.array(values, from_pandas=True)
    if zone is not None:
        array = array.view(pa.timestamp(unit, tz=zone))
    if unit != "s":
        return array, None
    return array.cast(pa.timestamp("ms", tz=zone)), Moment("s")


def _zoned_to_arrow(values: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    import pyarrow as pa

    zone = pack_zone(dtype.tz, where)
    naive = values.to_numpy(dtype=f"datetime64[{dtype.unit}]")
    array, _ = _moments_to_arrow(naive, pa.lib.tzinfo_to_string(dtype.tz))
    return array, Moment(dtype.unit, zone)


def _period_to_arrow(array: Any, dtype: Any) -> tuple[Any, Restore]:
    import pyarrow as pa

    return pa.array(array), Period(dtype.name.removeprefix("period[").removesuffix("]"))


def _interval_to_arrow(array: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    """Ordinary numbers go as pandas's own Arrow extension type; the sides of all others are columns themselves."""
    import numpy as np
    import pyarrow as pa

    if isinstance(dtype.subtype, np.dtype) and dtype.subtype.kind in _FIXED_KINDS:
        return pa.array(array), Interval(dtype.closed)
    left, sides = column_to_arrow(array.left, where)
    right, _ = column_to_arrow(array.right, where)
    fields = [pa.field("left", left.type), pa.field("right", right.type)]
    return pa.StructArray.from_arrays([left, right], fields=fields, mask=pa.array(array.isna())), Interval(
        dtype.closed, sides
    )


def _arrow_dtype_to_arrow(array: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    import pyarrow as pa

    kept = kept_type(dtype.pyarrow_dtype)
    if kept is None:
        raise _refuse(dtype, where)
    schema = None if identical(kept, dtype.pyarrow_dtype) else schema_to_text(pa.schema([("", dtype.pyarrow_dtype)]))
    return pa.array(array), ArrowColumn(schema)


def _masked_or_text_to_arrow(array: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    import pandas as pd
    import pyarrow as pa

    if isinstance(dtype, pd.StringDtype):
        missing = "NA" if dtype.na_value is pd.NA else "nan"
        return pa.array(array), Text(dtype.storage.removesuffix("_numpy"), missing)
    if type(dtype).__module__.partition(".")[0] == "pandas" and dtype.name in _MASKED:
        return pa.array(array), Nullable(dtype.name)
    raise _refuse(dtype, where)


def _category_to_arrow(array: Any, dtype: Any, where: str) -> tuple[Any, Restore]:
    """Text as a dictionary, which Parquet keeps; other categories as the values themselves."""
    import pyarrow as pa

    values, restore = column_to_arrow(dtype.categories, f"{where}: its categories")
    category = Category(dtype.ordered, _flat(values, restore))
    codes = pa.array(array.codes, mask=array.codes < 0)
    if str(values.type) not in _TEXT:
        return values.take(codes), category
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.DictionaryArray.from_arrays(codes, whole, ordered=dtype.ordered), category


def pack_labels(labels: Any, where: str) -> FlatLabels:
    """The values of an Index, to be kept in the metadata, with its name and freq."""
    values, restore = column_to_arrow(labels, where)
    return msgspec.structs.replace(
        _flat(values, restore), name=pack_cell(labels.name, f"{where}: its name"), freq=pack_freq(labels, where)
    )


def _flat(values: Any, restore: Restore) -> FlatLabels:
    import pyarrow as pa

    kind = str(values.type)
    if kind in JSON_TYPES:
        return FlatLabels(restore=restore, type=kind, json=values.to_pylist())
    sink = pa.BufferOutputStream()
    table = pa.table({"": values})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return FlatLabels(restore=restore, stream=base64.b64encode(sink.getvalue()).decode())


def pack_freq(labels: Any, where: str) -> str | None:
    """The freq of a DatetimeIndex or TimedeltaIndex.  A PeriodIndex has it in its dtype."""
    import pandas as pd

    if not isinstance(labels, (pd.DatetimeIndex, pd.TimedeltaIndex)) or labels.freq is None:
        return None
    text = str(labels.freq.freqstr)
    if pd.tseries.frequencies.to_offset(text) != labels.freq:
        raise UnsupportedValueError(
            f"{where} has the freq {labels.freq!r}, which its name {text!r} does not tell whole; "
            f"set it to None first, as with frame.index.freq = None"
        )
    return text
