"""Parquet files: written to a sink piece by piece, read whole or some columns and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from datafolio.errors import FolioError, FormatError, UnsupportedValueError
from datafolio.items.sinkfile import SinkFile

if TYPE_CHECKING:
    from datafolio.items.base import Payload, Sink

__all__ = ["Rows", "opened", "read_fields", "read_rows", "read_whole", "understood", "write_pieces"]

# A row group: pyarrow's own number of rows, and a bound on the memory for wide rows.
ROWS = 1 << 20
_BYTES = 1 << 27


def write_pieces(schema: Any, pieces: Iterable[Any], sink: Sink) -> int:
    """Write the Tables `pieces`, all of `schema` but for its metadata, with pyarrow's defaults; the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = SinkFile(sink)
    rows = 0
    try:
        # Pages carry checksums for those who read only some columns, and so can't check the digest.
        with pq.ParquetWriter(file, schema, write_page_checksum=True) as writer:
            for table in _grouped(pieces):
                writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=ROWS)
                rows += table.num_rows
    except FolioError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        if file.failure is not None:
            raise file.failure from None
        raise UnsupportedValueError(f"the table can't be written as Parquet: {error}") from error
    return rows


def _grouped(pieces: Iterable[Any]) -> Iterator[Any]:
    """The pieces, small ones put together, since every write is a row group of its own."""
    import pyarrow as pa

    waiting: list[Any] = []
    rows = size = 0
    for piece in pieces:
        waiting.append(piece)
        rows += piece.num_rows
        size += piece.nbytes
        if rows >= ROWS or size >= _BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_tables(waiting)


@contextmanager
def understood() -> Iterator[None]:
    """What the libraries raise over a payload's content becomes a FormatError.

    Storage errors and datafolio's own pass.
    """
    import pyarrow as pa

    try:
        yield
    except FolioError:
        raise
    except (
        pa.ArrowException,
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        NotImplementedError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise FormatError(f"the payload can't be read as a table: {type(error).__name__}: {error}") from error


@contextmanager
def read_whole(payload: Payload) -> Iterator[Any]:
    """The pyarrow Table of all of `payload`, which is checked against its digest until the block is left."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with payload.checking() as data:
        with understood():
            table = pq.ParquetFile(pa.BufferReader(data)).read()
        yield table


@contextmanager
def opened(payload: Payload) -> Iterator[Any]:
    """The payload as a pyarrow ParquetFile, of which only the end is read at first."""
    import pyarrow.parquet as pq

    with payload.open() as file, understood():
        yield pq.ParquetFile(file, page_checksum_verification=True)


def read_fields(file: Any, fields: Sequence[str]) -> Any:
    """The pyarrow Table of `fields`; no other columns of the ParquetFile `file` are read."""
    names = list(dict.fromkeys(fields))
    # A field called "a.b" is read too where "a" is asked for, as Parquet's paths are written so.
    return file.read(columns=names).select(names)


class Rows(NamedTuple):
    """Where the rows that were read stand in the whole table: a numpy array, in order; and how many that has."""

    positions: Any
    total: int


def read_rows(
    file: Any, fields: Sequence[str], groups: Sequence[int], first: Sequence[str], match: Callable[[Any], Any]
) -> tuple[Any, Rows]:
    """The pyarrow Table of `fields`, of those rows of the row groups numbered `groups` that `match`.

    That is called for each row group with a Table of the fields `first`, and gives the positions of rows.
    Where there are none, nothing else is read of it.
    """
    import numpy as np
    import pyarrow as pa

    metadata = file.metadata
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    names = list(dict.fromkeys(fields))
    tables = [file.schema_arrow.empty_table().select(names)]
    positions = [np.empty(0, dtype="i8")]
    for number in groups:
        looked_at = file.read_row_group(number, columns=list(first)).select(list(first))
        found = match(looked_at)
        if len(found):
            wanted = _others(file, number, names, looked_at)
            tables.append(wanted if len(found) == len(wanted) else wanted.take(found))
            positions.append(found + starts[number])
    return pa.concat_tables(tables), Rows(np.concatenate(positions), int(starts[-1]))


def _others(file: Any, number: int, names: list[str], table: Any) -> Any:
    """The Table of the fields `names` of a row group, of which `table` has some already."""
    missing = [name for name in names if name not in table.schema.names]
    if missing or not names:
        others = file.read_row_group(number, columns=missing).select(missing)
        for name in missing:
            table = table.append_column(others.schema.field(name), others.column(name))
    return table.select(names)
