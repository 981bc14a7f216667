"""Tables, as Parquet files that any reader of Parquet opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from datafolio.errors import UnsupportedValueError, UsageError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.table.parquet import opened, read_fields, read_whole, understood, write_pieces
from datafolio.items.table.schema import KEY, PandasInfo, TableInfo, load_info

__all__ = ["TableType"]

_FACTS_COLUMNS = 100
_KINDS = ("pandas", "arrow", "polars")


class TableType(ItemType):
    """A pandas DataFrame, or anything with ``__arrow_c_stream__``: polars, pyarrow and others.

    What comes back equals what went in, as the library it came from sees it.
    """

    tag: ClassVar[str] = "table"

    def matches(self, value: object) -> bool:
        return _is_of("pandas", "DataFrame", value) or _is_series(value) or _is_stream(value)

    def encode(self, value: Any, sink: Sink) -> Encoded:
        if _is_series(value):
            raise UnsupportedValueError(
                f"a {type(value).__qualname__} is one column, not a table; store value.to_frame() instead"
            )
        if _is_of("pandas", "DataFrame", value):
            return _encode_pandas(value, sink)
        if not _is_stream(value):
            raise UnsupportedValueError(
                f"a table is a pandas DataFrame or has __arrow_c_stream__, and a {type(value).__qualname__} is neither"
            )
        return _encode_stream(value, sink)

    def decode(
        self,
        payload: Payload,
        facts: Mapping[str, Any],  # noqa: ARG002 - the contract's
        *,
        columns: Sequence[Any] | None = None,
        as_: str = "pandas",
        **options: Any,  # noqa: ARG002 - the contract's
    ) -> Any:
        """The table as a frame of the library `as_`: "pandas", "arrow" or "polars".

        With `columns`, a list of labels, only these are read (and pandas's index), and not checked against the digest.
        """
        if as_ not in _KINDS:
            raise UsageError(f"as_={as_!r} is none of {', '.join(map(repr, _KINDS))}")
        if isinstance(columns, str):
            raise UsageError(f"columns={columns!r} is a text; give a list of labels: columns=[{columns!r}]")
        table, info, chosen = _read(payload, columns)
        with understood():
            return _DECODERS[as_](table, info, chosen)


def _encode_pandas(frame: Any, sink: Sink) -> Encoded:
    import pandas as pd

    from datafolio.items.table.frame import frame_to_arrow

    if type(frame) is not pd.DataFrame:
        kind = f"{type(frame).__module__}.{type(frame).__qualname__}"
        raise UnsupportedValueError(
            f"a {kind} would come back as a plain DataFrame; store pandas.DataFrame(value), or the value with add_model"
        )
    table = frame_to_arrow(frame)
    write_pieces(table.schema, [table], sink)
    labels = frame.columns[:_FACTS_COLUMNS]
    dtypes = frame.dtypes.iloc[:_FACTS_COLUMNS]
    return _encoded(frame.shape, [str(label) for label in labels], [str(dtype) for dtype in dtypes], "pandas")


def _encode_stream(value: Any, sink: Sink) -> Encoded:
    from datafolio.items.table.stream import arrow_stream, polars_stream

    stream = polars_stream(value) if _is_of("polars", "DataFrame", value) else arrow_stream(value)
    rows = write_pieces(stream.schema, stream.pieces, sink)
    return _encoded((rows, len(stream.names)), stream.names, stream.dtypes, stream.source)


def _encoded(shape: tuple[int, int], names: list[str], dtypes: list[str], source: str) -> Encoded:
    facts = {
        "shape": list(shape),
        "columns": names[:_FACTS_COLUMNS],
        "dtypes": dtypes[:_FACTS_COLUMNS],
        "source": source,
    }
    return Encoded(".parquet", facts)


def _read(payload: Payload, columns: Sequence[Any] | None) -> tuple[Any, TableInfo | None, list[int] | None]:
    """The Arrow table, its description, and the positions in the description of the columns asked for."""
    from datafolio.items.table.frame import chosen_columns, needed_fields

    if columns is None:
        table = read_whole(payload)
        return table, _info(table.schema), None
    with opened(payload) as file:
        info = _info(file.schema_arrow)
        if not isinstance(info, PandasInfo):
            return read_fields(file, _known_fields(columns, file.schema_arrow.names)), info, None
        chosen = chosen_columns(info, columns)
        return read_fields(file, needed_fields(info, chosen)), info, chosen


def _known_fields(columns: Sequence[Any], names: list[str]) -> list[str]:
    from datafolio.items.table.frame import unknown_column

    for name in columns:
        if name not in names:
            raise unknown_column(name, names)
    return list(columns)


def _info(schema: Any) -> TableInfo | None:
    """The table's description, or None for a file that datafolio did not write."""
    text = (schema.metadata or {}).get(KEY)
    return None if text is None else load_info(text)


def _as_pandas(table: Any, info: TableInfo | None, chosen: list[int] | None) -> Any:
    from datafolio.items.table.frame import arrow_to_frame

    if isinstance(info, PandasInfo):
        return arrow_to_frame(table, info, chosen)
    return _as_arrow(table, info, chosen).to_pandas()


def _as_arrow(table: Any, info: TableInfo | None, _: list[int] | None) -> Any:
    from datafolio.items.table.stream import to_arrow

    return to_arrow(table, info)


def _as_polars(table: Any, info: TableInfo | None, _: list[int] | None) -> Any:
    from datafolio.items.table.stream import to_polars

    return to_polars(table, info)


_DECODERS = {"pandas": _as_pandas, "arrow": _as_arrow, "polars": _as_polars}


def _is_of(package: str, name: str, value: object) -> bool:
    """Whether `value` is of the class `name` of `package` or a subclass, without importing it."""
    return any(base.__name__ == name and base.__module__.partition(".")[0] == package for base in type(value).__mro__)


def _is_stream(value: object) -> bool:
    # The first versions of polars 1 did not have the interface yet.
    return hasattr(type(value), "__arrow_c_stream__") or _is_of("polars", "DataFrame", value)


def _is_series(value: object) -> bool:
    return _is_of("pandas", "Series", value) or _is_of("polars", "Series", value)
