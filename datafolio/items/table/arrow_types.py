"""Which Arrow types Parquet brings back, and a way back for those that it changes.

The Parquet file holds the Arrow schema too, and pyarrow restores from it what it can: most, but not a
dictionary of numbers, nor times in seconds, nor date64.
"""

from __future__ import annotations

import base64
from typing import Any

from datafolio.errors import FormatError

__all__ = ["cast_back", "identical", "kept_type", "schema_from_text", "schema_to_text"]


def identical(one: Any, other: Any) -> bool:
    """Equal down to the names of a list's items, which Parquet changes and pyarrow's equality passes over."""
    return bool(one.equals(other, check_metadata=True)) and str(one) == str(other)


def kept_type(wanted: Any) -> Any:
    """The type that a field of type `wanted` is read as, or None if it can't be written or not be cast back."""
    import pyarrow as pa

    try:
        # With a null, since older versions of pyarrow can't read back the fixed-size lists with nulls that they write.
        back = _round_trip(pa.table({"": pa.array([None], type=wanted)})).column(0)
        return back.type if identical(cast_back(back, wanted).type, wanted) else None
    except (pa.ArrowException, FormatError, NotImplementedError, TypeError):
        return None


def _round_trip(table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return pq.read_table(pa.BufferReader(sink.getvalue()))


def cast_back(chunked: Any, wanted: Any) -> Any:
    """The ChunkedArray `chunked` as the type it had before Parquet."""
    import pyarrow as pa

    if identical(chunked.type, wanted):
        return chunked
    if pa.types.is_dictionary(wanted) and not pa.types.is_dictionary(chunked.type):
        chunked = chunked.cast(wanted.value_type).dictionary_encode()
    return chunked.cast(wanted)


def schema_to_text(schema: Any) -> str:
    """`schema` as the message of an Arrow IPC stream, in base64."""
    return base64.b64encode(schema.serialize()).decode()


def schema_from_text(text: str) -> Any:
    """Raises FormatError for what is no schema."""
    import pyarrow as pa

    try:
        return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text, validate=True)))
    except (pa.ArrowException, ValueError, OSError) as error:
        raise FormatError(f"the table's description has an Arrow schema that can't be read: {error}") from error
