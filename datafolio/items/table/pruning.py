"""Which row groups of a Parquet file may hold rows that match, by the statistics that the file has of them.

Pyarrow prunes by itself too, but then loses rows: statistics leave NaN out, which ``x != 1`` matches, and tell
a negative zero as little from a positive one as ``in`` does not.  It does not prune dictionaries.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

__all__ = ["possible_groups"]


def possible_groups(metadata: Any, schema: Any, expression: Any, names: list[str]) -> list[int]:
    """The numbers of the row groups in which the pyarrow Expression may be true of a row.

    `metadata` is the file's FileMetaData, `schema` its Arrow schema, and `names` the fields of the expression.
    """
    import pyarrow as pa

    every = list(range(metadata.num_row_groups))
    plain = pa.schema([field.with_type(_value_type(field.type)) for field in schema if field.name in names])
    known = [name for name in names if _has_order(plain.field(name).type)]
    try:
        nans = [_is_nan(plain.field(name)) for name in known if pa.types.is_floating(plain.field(name).type)]
        if len(known) < len(names) or _satisfiable(expression, nans, plain):
            return every
        facts = _facts(metadata, plain, known)
        return _satisfiable(expression, facts, plain)
    except (pa.ArrowException, NotImplementedError, TypeError, ValueError):
        return every  # what can't be reasoned about can still be evaluated


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _has_order(kind: Any) -> bool:
    """Whether the least and greatest value, as pyarrow gives them, are just what they say."""
    import pyarrow as pa

    types = pa.types
    known = (
        *(types.is_integer, types.is_float32, types.is_float64, types.is_boolean, types.is_decimal, types.is_date32),
        *(types.is_string, types.is_large_string, types.is_binary, types.is_large_binary),
        *(types.is_timestamp, types.is_duration, types.is_time32),
    )
    return any(is_it(kind) for is_it in known)


def _is_nan(field: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.field(field.name) == pa.scalar(float("nan"), type=field.type)


def _satisfiable(expression: Any, facts: list[Any], schema: Any) -> list[int]:
    """The positions of those `facts`, each an Expression that is true of some rows, beside which `expression` may be.

    Pyarrow's reasoning is in its datasets alone, so each fact goes as what is known of a file there;
    no file is looked at.
    """
    import pyarrow.dataset as ds
    from pyarrow.fs import LocalFileSystem

    files, kind = LocalFileSystem(), ds.IpcFileFormat()
    fragments = [
        kind.make_fragment(str(position), filesystem=files, partition_expression=fact)
        for position, fact in enumerate(facts)
    ]
    dataset = ds.FileSystemDataset(fragments, schema, kind, filesystem=files)
    return sorted(int(fragment.path) for fragment in dataset.get_fragments(filter=expression))


def _facts(metadata: Any, schema: Any, names: list[str]) -> list[Any]:
    """What is true of all rows of each row group but those with a NaN."""
    import pyarrow.compute as pc

    if not metadata.num_row_groups:
        return []
    first = metadata.row_group(0)
    written = [first.column(position).path_in_schema for position in range(metadata.num_columns)]
    # The path of a field called "a.b" is also that of the field "b" in a struct "a".
    paths = {name: written.index(name) for name in names if written.count(name) == 1}
    facts = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        parts = [_fact(schema.field(name), group.column(paths[name]).statistics) for name in names if name in paths]
        facts.append(functools.reduce(operator.and_, [part for part in parts if part is not None], pc.scalar(True)))
    return facts


def _fact(field: Any, statistics: Any) -> Any:
    """What `statistics` say of the field, or None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if statistics is None:
        return None
    value = pc.field(field.name)
    counted = statistics.has_null_count
    if not statistics.has_min_max:
        floating = pa.types.is_floating(field.type)
        only_null = counted and statistics.null_count and not statistics.num_values and not floating
        return value.is_null() if only_null else None
    try:
        least, greatest = (pa.scalar(each, type=field.type) for each in (statistics.min, statistics.max))
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError):
        return None  # times beyond those that Python has
    low, high = value >= least, value <= greatest
    if counted and not statistics.null_count:
        return low & high
    return (low | value.is_null()) & (high | value.is_null())
