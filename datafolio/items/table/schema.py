"""What a table's file says of itself beyond Parquet: the value of the schema metadata key ``datafolio``.

Canonical JSON of a `TableInfo`.  It is data only: decoding it calls nothing that it names.
"""

from __future__ import annotations

from typing import Any

import msgspec

from datafolio.errors import FormatError

__all__ = [
    "KEY",
    "VERSION",
    "ArrowColumn",
    "ArrowInfo",
    "Category",
    "Column",
    "FlatLabels",
    "Interval",
    "Level",
    "Moment",
    "MultiLabels",
    "Nullable",
    "Objects",
    "PandasInfo",
    "Period",
    "RangeLabels",
    "Restore",
    "RowIndex",
    "TableInfo",
    "Text",
    "dump_info",
    "load_info",
]

KEY = b"datafolio"
VERSION = 1


class _Part(msgspec.Struct, frozen=True, tag_field="is", omit_defaults=True):
    pass


class Moment(_Part, frozen=True, tag="moment"):
    """datetime64 whose unit or kind of time zone Parquet does not keep."""

    unit: str
    zone: Any = None


class Nullable(_Part, frozen=True, tag="nullable"):
    """pandas's masked dtypes: Int64, boolean, Float32..."""

    name: str


class Text(_Part, frozen=True, tag="text"):
    """pandas's string dtypes.  `missing` is "NA" or "nan"."""

    storage: str
    missing: str


class ArrowColumn(_Part, frozen=True, tag="arrow"):
    """pandas.ArrowDtype; `schema` is that of an Arrow IPC stream with the one field, where Parquet loses the type."""

    schema: str | None = None


class Period(_Part, frozen=True, tag="period"):
    freq: str


class Interval(_Part, frozen=True, tag="interval"):
    """A struct of left and right; missing where the struct is null."""

    closed: str
    sides: Restore = None


class Category(_Part, frozen=True, tag="category"):
    ordered: bool
    categories: FlatLabels


class Objects(_Part, frozen=True, tag="object"):
    """A column of Python objects.

    `form` is "json" for cells as JSON text, or says how the Arrow values become Python's: see `objects`.
    `missing` is what stands where Arrow has null: "None", "nan", "NA" or "NaT".
    """

    form: str
    missing: str = "None"
    dtype: str | None = None


#: How the values of an Arrow array become pandas's; None where what pyarrow does by itself is right.
Restore = Moment | Nullable | Text | ArrowColumn | Period | Interval | Category | Objects | None


class RangeLabels(_Part, frozen=True, tag="range"):
    start: int
    stop: int
    step: int
    name: Any = None


class FlatLabels(_Part, frozen=True, tag="flat"):
    """An index kept in the metadata: `values` if Arrow's ``type`` is one of JSON's own, else an Arrow IPC stream."""

    name: Any = None
    restore: Restore = None
    freq: str | None = None
    type: str | None = None
    json: list[Any] | None = msgspec.field(name="values", default=None)
    stream: str | None = None


class MultiLabels(_Part, frozen=True, tag="multi"):
    levels: list[FlatLabels]


Labels = RangeLabels | FlatLabels | MultiLabels


class Level(_Part, frozen=True, tag="level"):
    """A level of the rows' index that is a field of the file."""

    field: str
    name: Any = None
    restore: Restore = None
    freq: str | None = None


class RowIndex(_Part, frozen=True, tag="stored"):
    levels: list[Level]
    multi: bool = False


class Column(_Part, frozen=True, tag="column"):
    field: str
    restore: Restore = None


class PandasInfo(_Part, frozen=True, tag="pandas"):
    """`labels` is None if the columns' labels are their fields' names, in an Index of the default dtype for text."""

    columns: list[Column]
    index: RangeLabels | RowIndex
    labels: RangeLabels | FlatLabels | MultiLabels | None = None
    attrs: Any = None
    duplicate_labels: bool = True
    version: int = VERSION


class ArrowInfo(_Part, frozen=True, tag="arrow_table"):
    """`schema` is that of an Arrow IPC stream, where Parquet gives another; `polars` an empty polars IPC file."""

    source: str
    schema: str | None = None
    polars: str | None = None
    version: int = VERSION


TableInfo = PandasInfo | ArrowInfo

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(TableInfo)


class _Head(msgspec.Struct, frozen=True):
    version: int = VERSION


def dump_info(info: TableInfo) -> bytes:
    return msgspec.json.encode(info)


def load_info(data: bytes) -> TableInfo:
    """Raises FormatError for what `dump_info` did not write, or a newer datafolio did."""
    try:
        version = msgspec.json.decode(data, type=_Head).version
        if version > VERSION:
            raise FormatError(
                f"the table was written in version {version} of its format, and this datafolio reads up to {VERSION}; "
                f"install a newer datafolio"
            )
        info: TableInfo = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"the table's description of itself can't be read: {error}") from error
    return info
