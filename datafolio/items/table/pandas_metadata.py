"""The schema metadata key ``pandas``, by which pandas and others read the file well without datafolio.

Its form: https://pandas.pydata.org/docs/development/developer.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from datafolio.items.table.index import levels_of
from datafolio.items.table.schema import Nullable, PandasInfo, RangeLabels, Restore, Text

__all__ = ["PANDAS_KEY", "pandas_metadata"]

PANDAS_KEY = b"pandas"
_TYPES = {
    "double": "float64",
    "float": "float32",
    "halffloat": "float16",
    "string": "unicode",
    "large_string": "unicode",
}
_TYPES |= {"binary": "bytes", "date32[day]": "date", "null": "empty"}


def pandas_metadata(table: Any, frame: Any, info: PandasInfo) -> bytes:
    """The metadata of `table`, which is `frame` as `info` describes it."""
    import pandas as pd
    import pyarrow as pa

    columns = [
        _column(column.field, chunked, column.restore, dtype)
        for column, chunked, dtype in zip(info.columns, table.columns, frame.dtypes, strict=False)
    ]
    metadata = {
        "index_columns": _index(info),
        "column_indexes": [_labels()],
        "columns": columns + _levels(table, frame, info),
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": pd.__version__,
    }
    return msgspec.json.encode(metadata)


def _index(info: PandasInfo) -> list[Any]:
    if not isinstance(info.index, RangeLabels):
        return [level.field for level in info.index.levels]
    index = info.index
    name = index.name if isinstance(index.name, str) else None
    return [{"kind": "range", "name": name, "start": index.start, "stop": index.stop, "step": index.step}]


def _labels() -> dict[str, Any]:
    described = {"pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": "UTF-8"}}
    return {"name": None, "field_name": None} | described


def _levels(table: Any, frame: Any, info: PandasInfo) -> list[dict[str, Any]]:
    if isinstance(info.index, RangeLabels):
        return []
    described = []
    for values, level in zip(levels_of(frame.index), info.index.levels, strict=True):
        column = _column(level.field, table.column(level.field), level.restore, values.dtype)
        described.append(column | {"name": None if values.name is None else level.field})
    return described


def _column(field: str, chunked: Any, restore: Restore, dtype: Any) -> dict[str, Any]:
    kind, metadata = _kind(chunked, restore)
    # Other dtypes' names pandas may fail to parse; without them it goes by the Arrow type.
    named = restore is None or isinstance(restore, (Nullable, Text))
    numpy_type = str(dtype) if named else "object"
    return {"name": field, "field_name": field, "pandas_type": kind, "numpy_type": numpy_type, "metadata": metadata}


def _kind(chunked: Any, restore: Restore) -> tuple[str, dict[str, Any] | None]:
    import pyarrow as pa

    kind = chunked.type
    if pa.types.is_dictionary(kind):
        return "categorical", {"num_categories": _category_count(restore), "ordered": kind.ordered}
    if pa.types.is_timestamp(kind):
        return ("datetimetz", {"timezone": kind.tz}) if kind.tz else ("datetime", None)
    if pa.types.is_duration(kind):
        return "timedelta", None
    if pa.types.is_decimal(kind):
        return "decimal", {"precision": kind.precision, "scale": kind.scale}
    text = str(kind)
    if text in _TYPES or pa.types.is_integer(kind) or text == "bool":
        return _TYPES.get(text, text), None
    return "object", None


def _category_count(restore: Restore) -> int:
    labels = getattr(restore, "categories", None)
    return len(getattr(labels, "json", None) or [])
