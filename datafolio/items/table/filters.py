"""Which rows of a table to read: filters in the form of pyarrow and pandas, as an expression over the file's fields."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import numbers
import operator
import reprlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from datafolio.errors import FolioError, UsageError
from datafolio.items.table.cells import unpack_cell
from datafolio.items.table.frame import label_key, unknown_column
from datafolio.items.table.index import labels_from_info
from datafolio.items.table.schema import (
    Category,
    Column,
    Interval,
    Level,
    Objects,
    PandasInfo,
    Period,
    Restore,
    RowIndex,
    TableInfo,
)

__all__ = [
    "FieldOf",
    "condition",
    "fields_by_label",
    "fields_of",
    "matches",
    "require_comparable",
    "require_condition",
]

#: The name of the field for a column's label.  Raises UsageError for one that is not there, or can't be compared.
FieldOf = Callable[[Any], str]

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OPERATORS = (*_COMPARISONS, "in", "not in")
_PARTS = 3
_NO_FIELD = "datafolio.no_field"
_FORM = (
    'give a list of conditions that must all hold, [("column", ">", 5), ...], a list of such lists of which one must '
    "hold, or a pyarrow.compute.Expression"
)


def condition(filters: Any, field_of: FieldOf, schema: Any) -> Any:
    """The pyarrow Expression for `filters` over the fields of `schema`.

    It means what it does to pyarrow.parquet.read_table, save that values are compared in full precision.
    Raises UsageError for what has not the form, an unknown operator or column, or a value that is none.
    """
    import pyarrow.compute as pc

    if isinstance(filters, pc.Expression):
        return filters
    any_of = _lists(filters)
    alls = [functools.reduce(operator.and_, [_single(each, field_of, schema) for each in all_of]) for all_of in any_of]
    return functools.reduce(operator.or_, alls)


def _lists(filters: Any) -> list[list[Any]]:
    if not isinstance(filters, list) or not filters:
        raise UsageError(f"filters={reprlib.repr(filters)} is no filter; {_FORM}")
    if all(isinstance(each, tuple) for each in filters):
        return [filters]
    if not all(isinstance(each, list) and each for each in filters):
        raise UsageError(
            f"filters={reprlib.repr(filters)} mixes conditions and lists of them, or has an empty one; {_FORM}"
        )
    return filters


def _single(single: Any, field_of: FieldOf, schema: Any) -> Any:
    import pyarrow.compute as pc

    if not isinstance(single, tuple) or len(single) != _PARTS:
        raise UsageError(f"the filter {reprlib.repr(single)} is not a tuple of column, operator and value; {_FORM}")
    label, symbol, value = single
    if not isinstance(symbol, str) or symbol not in _OPERATORS:
        known = ", ".join(map(repr, _OPERATORS))
        raise UsageError(f"the filter {reprlib.repr(single)} has the operator {symbol!r}, which is none of {known}")
    name = field_of(label)
    kind = _value_type(schema.field(name).type)
    with _about(f"the filter {reprlib.repr(single)}"):
        if symbol in _COMPARISONS:
            return _COMPARISONS[symbol](pc.field(name), _literal(value, kind))
        found = _is_in(pc.field(name), value, kind)
        return found if symbol == "in" else ~found


def _value_type(kind: Any) -> Any:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_in(field: Any, values: Any, kind: Any) -> Any:
    """The Expression that `field` is one of `values`; null is one if None is among them."""
    import pyarrow as pa

    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError("in and not in take a list, a tuple or a set of values")
    by_type: dict[Any, list[Any]] = {}
    for value in values:
        scalar = _literal(value, kind)
        by_type.setdefault(scalar.type if scalar.is_valid else kind, []).append(scalar if scalar.is_valid else None)
    arrays = [pa.array(scalars, type=own) for own, scalars in (by_type or {kind: []}).items()]
    return functools.reduce(operator.or_, [field.isin(array) for array in arrays])


def _literal(value: Any, kind: Any) -> Any:
    """`value` as a Scalar: of the type `kind` where that holds it exactly, else of that which pyarrow finds."""
    import pyarrow as pa

    if isinstance(value, pa.Scalar):
        return value
    if isinstance(value, dt.datetime) and pa.types.is_timestamp(kind) and (kind.tz is None) != (value.tzinfo is None):
        # Pyarrow takes the one for the other where their units are the same.
        raise TypeError("of the column's times and this one, one has a time zone and one has none")
    for exact in _exact_types(value, kind):
        try:
            scalar = pa.scalar(value, type=exact)
            if scalar.as_py() == value:
                return scalar
        except (pa.ArrowException, ArithmeticError, TypeError, ValueError):
            continue
    return pa.scalar(value)


def _exact_types(value: Any, kind: Any) -> Iterator[Any]:
    """Pyarrow by itself takes times for microseconds, and compares no uint64 above 2**63 with a number."""
    import pyarrow as pa

    if isinstance(value, dt.datetime):
        if pa.types.is_timestamp(kind):
            yield kind
            yield pa.timestamp("us", kind.tz)
            yield pa.timestamp("ns", kind.tz)
    elif isinstance(value, dt.timedelta):
        if pa.types.is_duration(kind):
            yield kind
            yield pa.duration("us")
            yield pa.duration("ns")
    elif isinstance(value, (numbers.Number, decimal.Decimal)) and not isinstance(value, bool):
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            yield kind
    elif isinstance(value, str) and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        yield kind


def fields_by_label(info: TableInfo | None, names: list[str]) -> FieldOf:
    """How filters name the fields `names`: by the labels of columns, and the names of the index's levels after them.

    A level without a name goes by that of its field, as in the file.
    """
    if not isinstance(info, PandasInfo):
        return functools.partial(_field_of, [(name, name) for name in names], info)
    fields = [column.field for column in info.columns]
    labels = labels_from_info(info.labels, fields).tolist()
    levels = info.index.levels if isinstance(info.index, RowIndex) else []
    named = [(level.field if level.name is None else unpack_cell(level.name), level.field) for level in levels]
    places = list(zip(labels, fields, strict=True))
    # A column hides a level of the same name.
    return functools.partial(_field_of, places + [(name, field) for name, field in named if name not in labels], info)


def _field_of(places: list[tuple[Any, str]], info: TableInfo | None, label: Any) -> str:
    fields: dict[Any, list[str]] = {}
    for known, field in places:
        fields.setdefault(label_key(known), []).append(field)
    found = fields.get(label_key(label), []) if isinstance(label, Hashable) else []
    if not found:
        raise unknown_column(label, [known for known, _ in places])
    if len(found) > 1:
        raise UsageError(f"the table has {len(found)} columns {label!r}, and a filter needs one; rename them")
    require_comparable(info, found)
    return found[0]


def require_comparable(info: TableInfo | None, fields: Collection[str]) -> None:
    """Raises UsageError if one of `fields` holds other values in the file than in the frame that it was made of."""
    if not isinstance(info, PandasInfo):
        return
    parts: list[Column | Level] = [*info.columns, *(info.index.levels if isinstance(info.index, RowIndex) else ())]
    for part in parts:
        kept = _kept_otherwise(part.restore) if part.field in fields else None
        if kept is not None:
            raise UsageError(
                f"the column {part.field!r} holds {kept}, which the file keeps in a form that a filter can't compare; "
                f"read the table and choose the rows then"
            )


def _kept_otherwise(restore: Restore) -> str | None:
    if isinstance(restore, Category):
        return _kept_otherwise(restore.categories.restore)
    if isinstance(restore, Objects):
        return "Python objects" if restore.form == "json" else None
    return "periods" if isinstance(restore, Period) else "intervals" if isinstance(restore, Interval) else None


def require_condition(expression: Any, schema: Any) -> None:
    """Raises UsageError unless `expression` says of a row of `schema` whether it is wanted."""
    import pyarrow as pa

    kind = _evaluate(expression, schema.empty_table()).type
    if not pa.types.is_boolean(kind):
        raise UsageError(f"the filter {expression} is no condition, but gives values of the type {kind}; compare it")


def fields_of(expression: Any, names: list[str], schema: Any) -> list[str]:
    """Those of the fields `names` that `expression`, which can be evaluated over `schema`, refers to."""
    if "FieldPath(" in str(expression):  # by position, which goes wrong where a field is left out
        return names
    return [name for name in _needed(expression, names, schema) if name in names]


def _needed(expression: Any, among: list[str], schema: Any) -> list[str]:
    """Pyarrow does not tell, so by leaving out halves: what can be left out is not needed."""
    import pyarrow as pa

    left_out = set(among)
    if not among or _can_evaluate(expression, pa.schema([field for field in schema if field.name not in left_out])):
        return []
    if len(among) == 1:
        return among
    middle = len(among) // 2
    return _needed(expression, among[:middle], schema) + _needed(expression, among[middle:], schema)


def _can_evaluate(expression: Any, schema: Any) -> bool:
    try:
        _evaluate(expression, schema.empty_table())
    except UsageError:
        return False
    return True


def matches(expression: Any, table: Any) -> Any:
    """The positions of the rows of `table` for which `expression` is true, as a numpy array."""
    return _evaluate(expression, table).combine_chunks().fill_null(False).to_numpy(zero_copy_only=False).nonzero()[0]


def _evaluate(expression: Any, table: Any) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as ds

    if not table.num_columns:
        table = pa.table({_NO_FIELD: pa.nulls(table.num_rows)})
    with _about(f"the filter {expression}"):
        return ds.dataset(table).to_table(columns={"match": expression}).column(0)


@contextmanager
def _about(what: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except FolioError:
        raise
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError, NotImplementedError) as error:
        raise UsageError(f"{what} can't be applied to the table: {error}; give a value of the column's type") from error
