"""From Arrow values back to the pandas column that they were made of: the inverse of `table_columns`."""

from __future__ import annotations

import base64
from typing import Any

from datafolio.errors import FormatError
from datafolio.items.table.arrow_types import cast_back, schema_from_text
from datafolio.items.table.cells import unpack_cell
from datafolio.items.table.columns import JSON_TYPES
from datafolio.items.table.objects import objects_from_arrow
from datafolio.items.table.schema import (
    ArrowColumn,
    Category,
    FlatLabels,
    Interval,
    Moment,
    Nullable,
    Objects,
    Period,
    Restore,
    Text,
)
from datafolio.items.zones import unpack_zone

__all__ = ["column_from_arrow", "index_of", "unpack_labels"]

_UNITS = frozenset({"s", "ms", "us", "ns"})
_NAT = -(2**63)


def column_from_arrow(chunked: Any, restore: Restore) -> Any:  # noqa: PLR0911 - one for each way of restoring
    """The pandas array, or numpy array, for the ChunkedArray `chunked`; it owns its memory."""
    if restore is None:
        return _plain(chunked)
    if isinstance(restore, Objects):
        return objects_from_arrow(chunked, restore)
    if isinstance(restore, Moment):
        return _moments(chunked, restore)
    if isinstance(restore, Category):
        return _categorical(chunked, restore)
    if isinstance(restore, Interval):
        return _intervals(chunked, restore)
    if isinstance(restore, Nullable):
        return _masked(chunked, restore.name)
    return _by_dtype(chunked, restore)


def _plain(chunked: Any) -> Any:
    values = chunked.to_pandas().to_numpy()
    return values if values.flags.writeable else values.copy()


def _moments(chunked: Any, restore: Moment) -> Any:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if restore.unit not in _UNITS:
        raise FormatError(f"the table has times in {restore.unit!r}, which is no unit of time")
    counts = chunked.cast(pa.timestamp(restore.unit, tz=chunked.type.tz)).cast(pa.int64())
    values = np.array(counts.fill_null(_NAT).to_numpy()).view(f"M8[{restore.unit}]")
    if restore.zone is None:
        return values
    return pd.DatetimeIndex(values).tz_localize("UTC").tz_convert(unpack_zone(restore.zone)).array


def _masked(chunked: Any, name: str) -> Any:
    """Built from values and mask, since pandas's own way may take NaN for NA."""
    import numpy as np
    import pandas as pd

    dtype = _masked_dtypes().get(name)
    if dtype is None:
        raise FormatError(f"the table has a column of the dtype {name!r}, which this datafolio does not know")
    mask = np.array(chunked.is_null().to_numpy())
    filled = chunked.fill_null(False if name == "boolean" else 0) if chunked.null_count else chunked
    values = np.array(filled.to_numpy(), dtype=dtype.numpy_dtype)
    if name == "boolean":
        return pd.arrays.BooleanArray(values, mask)
    return (pd.arrays.FloatingArray if name.startswith("Float") else pd.arrays.IntegerArray)(values, mask)


def _masked_dtypes() -> dict[str, Any]:
    import pandas as pd

    integers = (pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype)
    unsigned = (pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype)
    others = (pd.Float32Dtype, pd.Float64Dtype, pd.BooleanDtype)
    return {kind.name: kind() for kind in (*integers, *unsigned, *others)}


def _by_dtype(chunked: Any, restore: Text | ArrowColumn | Period) -> Any:
    """The dtypes whose own conversion is exact."""
    import pandas as pd

    if isinstance(restore, Text):
        return _text_dtype(restore).__from_arrow__(chunked)
    if isinstance(restore, ArrowColumn):
        if restore.schema is not None:
            chunked = cast_back(chunked, schema_from_text(restore.schema).field(0).type)
        return pd.ArrowDtype(chunked.type).__from_arrow__(chunked)
    return pd.PeriodDtype(restore.freq).__from_arrow__(_storage(chunked))


def _text_dtype(restore: Text) -> Any:
    import numpy as np
    import pandas as pd

    if restore.storage not in ("python", "pyarrow") or restore.missing not in ("NA", "nan"):
        raise FormatError(f"the table has a column of text kept as {restore}, which this datafolio does not know")
    if restore.missing == "NA":
        return pd.StringDtype(restore.storage)
    try:
        return pd.StringDtype(restore.storage, na_value=np.nan)
    except TypeError:  # pandas 2.2 has one kind of text with NaN
        return pd.StringDtype("pyarrow_numpy")


def _storage(chunked: Any) -> Any:
    """What an extension type is stored as; which type it was does not matter then."""
    import pyarrow as pa

    if not isinstance(chunked.type, pa.BaseExtensionType):
        return chunked
    return pa.chunked_array([chunk.storage for chunk in chunked.chunks], type=chunked.type.storage_type)


def _intervals(chunked: Any, restore: Interval) -> Any:
    import pandas as pd
    import pyarrow as pa

    struct = _storage(chunked)
    sides = [
        pa.chunked_array([chunk.field(name) for chunk in struct.chunks], type=struct.type.field(name).type)
        for name in ("left", "right")
    ]
    missing = struct.is_null().to_numpy()
    left, right = (index_of(column_from_arrow(side, restore.sides)) for side in sides)
    if missing.any():
        left, right = (side.where(~missing) for side in (left, right))
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=restore.closed)


def _categorical(chunked: Any, restore: Category) -> Any:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    categories = unpack_labels(restore.categories)
    if not categories.is_unique:
        raise FormatError("the table has a column with the same category twice")
    if pa.types.is_dictionary(chunked.type):
        codes = _dictionary_codes(chunked, categories, restore)
    else:
        values = column_from_arrow(chunked, restore.categories.restore)
        codes = _positions(categories, index_of(values))
    if np.count_nonzero(codes < 0) != chunked.null_count:
        raise FormatError("the table has a column of categories with a value that is none of them")
    dtype = pd.CategoricalDtype(categories, restore.ordered)
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _dictionary_codes(chunked: Any, categories: Any, restore: Category) -> Any:
    import numpy as np
    import pyarrow as pa

    if chunked.num_chunks == 0:
        return np.empty(0, dtype="i1")
    whole = pa.concat_arrays(chunked.unify_dictionaries().chunks)
    known = column_from_arrow(pa.chunked_array([whole.dictionary]), restore.categories.restore)
    positions = _positions(categories, index_of(known))
    codes = whole.indices.fill_null(0).to_numpy() if whole.null_count else whole.indices.to_numpy()
    if not np.array_equal(positions, np.arange(len(positions))):
        codes = positions.take(codes, mode="clip") if len(positions) else np.full(len(codes), -1)
    if whole.null_count:
        codes = np.where(whole.is_null().to_numpy(zero_copy_only=False), -1, codes)
    return codes


def _positions(categories: Any, values: Any) -> Any:
    """The position of each value among `categories`, -1 for missing ones."""
    if getattr(categories, "is_overlapping", False):  # intervals, for which pandas has no indexer then
        categories, values = categories.astype(object), values.astype(object)
    return categories.get_indexer(values)


def index_of(values: Any, name: Any = None, freq: Any = None) -> Any:
    """An Index of exactly `values`: nothing is inferred from objects."""
    import pandas as pd

    if freq is not None:
        kind = pd.TimedeltaIndex if values.dtype.kind == "m" else pd.DatetimeIndex
        return kind(values, name=name, freq=freq)
    dtype = object if values.dtype == object else None
    return pd.Index(values, dtype=dtype, name=name, copy=False, tupleize_cols=False)


def unpack_labels(labels: FlatLabels) -> Any:
    """The Index that `pack_labels` was given."""
    return index_of(column_from_arrow(_flat_values(labels), labels.restore), unpack_cell(labels.name), labels.freq)


def _flat_values(labels: FlatLabels) -> Any:
    import pyarrow as pa

    if labels.stream is None:
        if labels.type not in JSON_TYPES:
            raise FormatError(f"the table has labels of the type {labels.type!r}, which this datafolio does not know")
        return pa.chunked_array([pa.array(labels.json or [], type=labels.type)])
    with pa.ipc.open_stream(pa.py_buffer(base64.b64decode(labels.stream, validate=True))) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table.column(0)
