"""Parquet files: written to a sink piece by piece, read whole or some columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datafolio.errors import FolioError, FormatError, UnsupportedValueError
from datafolio.items.sinkfile import SinkFile

if TYPE_CHECKING:
    from datafolio.items.base import Payload, Sink

__all__ = ["opened", "read_fields", "read_whole", "understood", "write_pieces"]

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


def read_whole(payload: Payload) -> Any:
    """The pyarrow Table of all of `payload`, which is checked against its digest while it is decoded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with payload.checking() as data, understood():
        return pq.ParquetFile(pa.BufferReader(data)).read()


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
