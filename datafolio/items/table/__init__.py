"""Tables, as Parquet files that any reader of Parquet opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from datafolio.errors import UnsupportedValueError, UsageError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.table.parquet import Rows, opened, read_fields, read_rows, read_whole, understood, write_pieces
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
        filters: Any = None,
        as_: str = "pandas",
        **options: Any,  # noqa: ARG002 - the contract's
    ) -> Any:
        """The table as a frame of the library `as_`: "pandas", "arrow" or "polars".

        With `columns`, a list of labels, only these are read (and pandas's index), and with `filters`, as
        pyarrow.parquet.read_table takes them, only the rows that match: row groups which can't hold one, by their
        statistics, are not read.  Such parts are not checked against the digest.
        """
        if as_ not in _KINDS:
            raise UsageError(f"as_={as_!r} is none of {', '.join(map(repr, _KINDS))}")
        if isinstance(columns, str):
            raise UsageError(f"columns={columns!r} is a text; give a list of labels: columns=[{columns!r}]")
        with _read(payload, columns, filters) as part, understood():
            return _DECODERS[as_](part)


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


class _Part(NamedTuple):
    """What was read: the Arrow table, its description, and where its columns (by that) and rows stand in the whole."""

    table: Any
    info: TableInfo | None
    chosen: list[int] | None = None
    rows: Rows | None = None


@contextmanager
def _read(payload: Payload, columns: Sequence[Any] | None, filters: Any) -> Iterator[_Part]:
    """What is asked for of `payload`.

    Leaving the block raises if it was read whole and the payload is not what its digest says.
    """
    if columns is None and filters is None:
        with read_whole(payload) as table:
            yield _Part(table, _info(table.schema))
        return
    with opened(payload) as file:
        info = _info(file.schema_arrow)
        chosen, fields = _chosen(info, columns, file.schema_arrow.names)
        table, rows = (read_fields(file, fields), None) if filters is None else _filtered(file, info, fields, filters)
    yield _Part(table, info, chosen, rows)


def _chosen(
    info: TableInfo | None, columns: Sequence[Any] | None, names: list[str]
) -> tuple[list[int] | None, list[str]]:
    """The positions in the description of the columns asked for, None where that does not matter; and the fields."""
    from datafolio.items.table.frame import chosen_columns, needed_fields

    if columns is None:
        return None, names
    if not isinstance(info, PandasInfo):
        return None, _known_fields(columns, names)
    chosen = chosen_columns(info, columns)
    return chosen, needed_fields(info, chosen)


def _filtered(file: Any, info: TableInfo | None, fields: list[str], filters: Any) -> tuple[Any, Rows]:
    from datafolio.items.table import filters as given
    from datafolio.items.table.pruning import possible_groups
    from datafolio.items.table.stream import to_arrow

    schema, names = file.schema_arrow, file.schema_arrow.names
    kept = to_arrow(schema.empty_table(), info).schema
    wanted = given.condition(filters, given.fields_by_label(info, names), kept)
    given.require_condition(wanted, kept)
    first = given.fields_of(wanted, names, kept)
    given.require_comparable(info, first)

    def match(table: Any) -> Any:
        return given.matches(wanted, to_arrow(table, info))

    groups = possible_groups(file.metadata, schema, wanted, first)
    # A constant is asked of some field's rows too, as a table without fields has none.
    return read_rows(file, fields, groups, first or names[:1], match)


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


def _as_pandas(part: _Part) -> Any:
    from datafolio.items.table.frame import arrow_to_frame
    from datafolio.items.table.index import index_of_rows

    if isinstance(part.info, PandasInfo):
        return arrow_to_frame(part.table, part.info, part.chosen, part.rows)
    table = _as_arrow(part)
    frame = table.to_pandas()
    return frame if part.rows is None else frame.set_axis(index_of_rows(frame.index, table.schema, part.rows))


def _as_arrow(part: _Part) -> Any:
    from datafolio.items.table.stream import to_arrow

    return to_arrow(part.table, part.info)


def _as_polars(part: _Part) -> Any:
    from datafolio.items.table.stream import to_polars

    return to_polars(part.table, part.info)


_DECODERS = {"pandas": _as_pandas, "arrow": _as_arrow, "polars": _as_polars}


def _is_of(package: str, name: str, value: object) -> bool:
    """Whether `value` is of the class `name` of `package` or a subclass, without importing it."""
    return any(base.__name__ == name and base.__module__.partition(".")[0] == package for base in type(value).__mro__)


def _is_stream(value: object) -> bool:
    # The first versions of polars 1 did not have the interface yet.
    return hasattr(type(value), "__arrow_c_stream__") or _is_of("polars", "DataFrame", value)


def _is_series(value: object) -> bool:
    return _is_of("pandas", "Series", value) or _is_of("polars", "Series", value)
