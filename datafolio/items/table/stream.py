"""Tables that speak the Arrow PyCapsule interface: pyarrow, polars and whatever else; and back to each."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

from datafolio.errors import FormatError, MissingDependencyError, UnsupportedValueError
from datafolio.items.table.arrow_types import cast_back, identical, kept_type, schema_from_text, schema_to_text
from datafolio.items.table.parquet import ROWS
from datafolio.items.table.schema import KEY, ArrowInfo, TableInfo, dump_info

__all__ = ["Stream", "arrow_stream", "polars_stream", "to_arrow", "to_polars"]


class Stream(NamedTuple):
    """A table to be written piece by piece: its schema with the description, its names, dtypes and pieces."""

    schema: Any
    pieces: Iterator[Any]
    names: list[str]
    dtypes: list[str]
    source: str


def arrow_stream(value: Any) -> Stream:
    """Anything with ``__arrow_c_stream__``; a stream is read once, as it is written."""
    import pyarrow as pa

    try:
        reader = pa.RecordBatchReader.from_stream(value)
    except (pa.ArrowException, TypeError, ValueError) as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise UnsupportedValueError(f"the {kind} does not give an Arrow table: {error}") from error
    schema = reader.schema
    info = ArrowInfo("arrow", _lossy_schema(schema))
    dtypes = [str(field.type) for field in schema]
    pieces = _batches(reader) if schema.names else _no_batches(reader)
    return Stream(_with_info(schema, info), pieces, schema.names, dtypes, "arrow")


def _no_batches(reader: Any) -> Iterator[Any]:
    if any(batch.num_rows for batch in reader):
        raise UnsupportedValueError("the table has rows and no columns, which Parquet can't keep; add a column")
    return iter(())


def _batches(reader: Any) -> Iterator[Any]:
    import pyarrow as pa

    for batch in reader:
        yield pa.Table.from_batches([batch])


def _lossy_schema(schema: Any) -> str | None:
    """The text of `schema` if Parquet changes it.  Raises UnsupportedValueError, naming the column it can't keep."""
    seen: set[str] = set()
    changed = False
    for field in schema:
        if field.name in seen:
            raise UnsupportedValueError(
                f"column {field.name!r} is there twice; rename one, for instance with rename_columns"
            )
        seen.add(field.name)
        kept = kept_type(field.type)
        if kept is None:
            raise UnsupportedValueError(
                f"column {field.name!r} holds values of the Arrow type {field.type}, which Parquet can't keep; cast it"
            )
        changed = changed or not identical(kept, field.type)
    return schema_to_text(schema) if changed else None


def _with_info(schema: Any, info: ArrowInfo) -> Any:
    metadata = {key: text for key, text in (schema.metadata or {}).items() if key != KEY}
    return schema.with_metadata(metadata | {KEY: dump_info(info)})


def to_arrow(table: Any, info: TableInfo | None) -> Any:
    """The pyarrow Table as it was stored; a pandas one's index is among its fields."""
    metadata = {key: text for key, text in (table.schema.metadata or {}).items() if key != KEY}
    table = table.replace_schema_metadata(metadata or None)
    if not isinstance(info, ArrowInfo) or info.schema is None:
        return table
    wanted = schema_from_text(info.schema)
    for position, field in enumerate(table.schema):
        original = wanted.get_field_index(field.name)
        if original < 0:
            raise FormatError(f"the table's description does not have the field {field.name!r}")
        back = wanted.field(original)
        if not identical(field.type, back.type):
            table = table.set_column(position, back, cast_back(table.column(position), back.type))
    return table


def polars_stream(frame: Any) -> Stream:
    """A polars DataFrame, converted a slice at a time."""
    empty = _polars_empty(frame)
    file = io.BytesIO()
    frame.clear().write_ipc(file)
    info = ArrowInfo("polars", None, base64.b64encode(file.getvalue()).decode())
    schema = _with_info(empty.schema, info)
    dtypes = [str(dtype) for dtype in frame.dtypes]
    return Stream(schema, _polars_slices(frame), frame.columns, dtypes, "polars")


def _polars_slices(frame: Any) -> Iterator[Any]:
    for piece in frame.iter_slices(ROWS):
        yield _polars_to_arrow(piece)


def _polars_to_arrow(frame: Any) -> Any:
    import polars as pl

    # The newest level has string views, which pyarrow has only lately learnt to write to Parquet.
    if hasattr(pl, "CompatLevel"):
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return frame.to_arrow()  # polars 1.0, which has that level alone


def _polars_empty(frame: Any) -> Any:
    """The frame's Arrow table without rows, after each column has been seen to come back from Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, dtype in frame.schema.items():
        try:
            empty = frame.select(name).clear(1)  # with a null: see `kept_type`
            empty.write_ipc(io.BytesIO())
            sink = pa.BufferOutputStream()
            pq.write_table(_polars_to_arrow(empty), sink)
            back = _from_arrow(pq.read_table(pa.BufferReader(sink.getvalue())), {name: dtype})
        except (pa.ArrowException, *_polars_errors()) as error:
            raise _refuse(name, dtype) from error
        if back.schema != empty.schema:
            raise _refuse(name, dtype)
    return _polars_to_arrow(frame.clear())


def _refuse(name: str, dtype: Any) -> UnsupportedValueError:
    return UnsupportedValueError(
        f"column {name!r} holds values of the polars dtype {dtype}, which Parquet can't keep; cast it to another dtype"
    )


def _polars_errors() -> tuple[type[BaseException], ...]:
    import polars as pl

    # Polars raises its Rust panics as BaseException, some of them for types it can't export.
    return (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError, NotImplementedError)


def to_polars(table: Any, info: TableInfo | None) -> Any:
    """The polars DataFrame of `table`, with the dtypes it had as one."""
    try:
        import polars as pl
    except ImportError as error:
        raise MissingDependencyError(
            "polars is not installed; install it with: pip install 'datafolio[polars]'"
        ) from error
    table = _for_polars(table.replace_schema_metadata(None))
    text = info.polars if isinstance(info, ArrowInfo) else None
    try:
        schema = None if text is None else pl.read_ipc(io.BytesIO(base64.b64decode(text, validate=True))).schema
        return _from_arrow(table, schema)
    except _polars_errors() as error:
        raise FormatError(f"polars can't read the table: {error}") from error


def _for_polars(table: Any) -> Any:
    """`table` without what polars has no type for: extension types, and zones that are an offset."""
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        kind = field.type
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_timestamp(kind) and kind.tz and kind.tz[0] in "+-":
            kind = pa.timestamp(kind.unit, tz="UTC")
        if kind is not field.type:
            table = table.set_column(position, field.name, table.column(position).cast(kind))
    return table


def _from_arrow(table: Any, schema: Any) -> Any:
    import polars as pl

    frame = pl.from_arrow(table)
    if schema is None:
        return frame
    return frame.cast({name: schema[name] for name, dtype in frame.schema.items() if schema[name] != dtype})
