"""Single Python values of a table as JSON, exactly: a value that would come back as another type is refused.

The tags of `datafolio.canonical`, and those that only tables need::

    {"$null": "NA"}                                       pandas.NA, and "NaT"
    {"$timestamp": ["ns", 1737385200000000000, zone]}     pandas.Timestamp; zone as in `zones`, or null
    {"$duration": ["ns", 1000]}                           pandas.Timedelta
    {"$period": ["M", 660]}                               pandas.Period
    {"$interval": [0, 1, "right"]}                        pandas.Interval
    {"$scalar": ["<f4", 1.5]}                             a numpy scalar
    {"$array": ["<i8", [2, 2], [1, 2, 3, 4]]}             a numpy array
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import pathlib
import uuid
from collections.abc import Callable
from typing import Any

from datafolio import canonical
from datafolio.errors import FormatError, UnsupportedValueError
from datafolio.items.zones import pack_zone, unpack_zone

__all__ = ["pack_cell", "unpack_cell"]

_ATOMS = frozenset(
    {str, int, float, bool, complex, bytes, type(None), type(pathlib.Path())}
    | {dt.timedelta, dt.date, decimal.Decimal, uuid.UUID}
)
_MAX_DEPTH = 90
_NUMBERS = "biuf"
_TIMES = "Mm"


def pack_cell(value: Any, where: str, depth: int = 0) -> Any:
    """`value` in terms of what JSON holds.  Raises UnsupportedValueError, naming `where`."""
    kind = type(value)
    if kind in _ATOMS:
        return canonical.pack(value, where)
    if depth > _MAX_DEPTH:
        raise UnsupportedValueError(f"{where} holds a value nested more than {_MAX_DEPTH} deep")
    packer = _PACKERS.get(kind)
    if packer is not None:
        return packer(value, where, depth + 1)
    for name, packer in _LIBRARY_PACKERS.items():
        if _is(kind, name):
            return packer(value, where, depth + 1)
    raise UnsupportedValueError(
        f"{where} holds a {kind.__module__}.{kind.__qualname__}, which a table can't keep; convert the values "
        f"to plain ones (numbers, text, lists, dicts, dates), or store them with add_model"
    )


def _is(kind: type, name: str) -> bool:
    """By name, so that nothing is imported: exact classes of pandas, and numpy's scalars by their base."""
    if name == "numpy.generic":
        return any(f"{base.__module__}.{base.__name__}" == name for base in kind.__mro__)
    root, _, last = name.partition(".")
    return kind.__name__ == last and kind.__module__.partition(".")[0] == root


def _pack_items(values: Any, where: str, depth: int) -> list[Any]:
    return [pack_cell(value, where, depth) for value in values]


def _pack_set(tag: str) -> Callable[[Any, str, int], Any]:
    def pack(value: Any, where: str, depth: int) -> Any:
        return {tag: sorted(_pack_items(value, where, depth), key=canonical.encode)}

    return pack


def _pack_dict(value: dict[Any, Any], where: str, depth: int) -> Any:
    if all(type(key) is str for key in value):
        return {
            ("$" + key if key.startswith("$") else canonical.pack(key, where)): pack_cell(item, where, depth)
            for key, item in value.items()
        }
    return {"$map": [[pack_cell(key, where, depth), pack_cell(item, where, depth)] for key, item in value.items()]}


def _pack_datetime(value: dt.datetime, where: str, _: int) -> Any:
    if value.tzinfo is not None:
        pack_zone(value.tzinfo, where)
    packed = canonical.pack(value, where)
    back = canonical.unpack(packed)
    if back.tzinfo != value.tzinfo:
        raise UnsupportedValueError(f"{where} holds {value!r}, whose time zone would be lost; use a zoneinfo.ZoneInfo")
    return packed


def _pack_time(value: dt.time, where: str, _: int) -> Any:
    if dt.time.fromisoformat(value.isoformat()) != value:
        raise UnsupportedValueError(f"{where} holds {value!r}, whose time zone would be lost; use an offset from UTC")
    return canonical.pack(value, where)


def _pack_timestamp(value: Any, where: str, _: int) -> Any:
    zone = None if value.tzinfo is None else pack_zone(value.tzinfo, where)
    return {"$timestamp": [value.unit, int(value.asm8.astype("int64")), zone]}


def _pack_interval(value: Any, where: str, depth: int) -> Any:
    return {"$interval": [pack_cell(value.left, where, depth), pack_cell(value.right, where, depth), value.closed]}


def _pack_scalar(value: Any, where: str, depth: int) -> Any:
    return {"$scalar": [_dtype_text(value.dtype, where), _pack_plain(value.reshape(1), where, depth)[0]]}


def _pack_array(value: Any, where: str, depth: int) -> Any:
    return {"$array": [_dtype_text(value.dtype, where), list(value.shape), _pack_plain(value, where, depth)]}


def _dtype_text(dtype: Any, where: str) -> str:
    if (
        dtype.kind not in _NUMBERS + _TIMES + "cUSO"
        or dtype.metadata
        or (dtype.kind in "fc" and dtype.str[1:] not in _FLOATS)
    ):
        raise UnsupportedValueError(
            f"{where} holds a numpy value of dtype {dtype}, which a table can't keep; convert it"
        )
    return str(dtype.str)


_FLOATS = frozenset({"f2", "f4", "f8", "c8", "c16"})


def _pack_plain(array: Any, where: str, depth: int) -> list[Any]:
    flat = array.reshape(-1)
    values = flat.view("i8").tolist() if array.dtype.kind in _TIMES else flat.tolist()
    return _pack_items(values, where, depth)


_PACKERS: dict[type, Callable[[Any, str, int], Any]] = {
    list: _pack_items,
    dict: _pack_dict,
    tuple: lambda value, where, depth: {"$tuple": _pack_items(value, where, depth)},
    set: _pack_set("$set"),
    frozenset: _pack_set("$frozenset"),
    dt.datetime: _pack_datetime,
    dt.time: _pack_time,
}

_LIBRARY_PACKERS: dict[str, Callable[[Any, str, int], Any]] = {
    "pandas.NAType": lambda *_: {"$null": "NA"},
    "pandas.NaTType": lambda *_: {"$null": "NaT"},
    "pandas.Timestamp": _pack_timestamp,
    "pandas.Timedelta": lambda value, *_: {"$duration": [value.unit, int(value.asm8.astype("int64"))]},
    "pandas.Period": lambda value, *_: {"$period": [value.freqstr, value.ordinal]},
    "pandas.Interval": _pack_interval,
    "numpy.ndarray": _pack_array,
    "numpy.generic": _pack_scalar,
}


def unpack_cell(packed: Any) -> Any:
    """The value that `pack_cell` was given.  Raises FormatError for what it did not write."""
    if isinstance(packed, list):
        return [unpack_cell(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) == 1:
        ((key, content),) = packed.items()
        if key.startswith("$") and not key.startswith("$$"):
            return _untag(key, content)
    return {(key[1:] if key.startswith("$$") else key): unpack_cell(item) for key, item in packed.items()}


def _untag(tag: str, content: Any) -> Any:
    reader = _READERS.get(tag)
    try:
        return canonical.unpack({tag: content}) if reader is None else reader(content)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, MemoryError) as error:
        raise FormatError(f"the table holds a value tagged {tag!r} which is not of its form: {error}") from error


def _read_null(name: str) -> Any:
    import pandas as pd

    return {"NA": pd.NA, "NaT": pd.NaT}[name]


def _read_timestamp(parts: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    unit, count, zone = parts
    stamp = pd.Timestamp(np.datetime64(count, unit))
    return stamp if zone is None else stamp.tz_localize("UTC").tz_convert(unpack_zone(zone))


def _read_duration(parts: list[Any]) -> Any:
    import numpy as np
    import pandas as pd

    unit, count = parts
    return pd.Timedelta(np.timedelta64(count, unit))


def _read_period(parts: list[Any]) -> Any:
    import pandas as pd

    freq, ordinal = parts
    return pd.PeriodIndex.from_ordinals([ordinal], freq=freq)[0]


def _read_interval(parts: list[Any]) -> Any:
    import pandas as pd

    left, right, closed = parts
    return pd.Interval(unpack_cell(left), unpack_cell(right), closed)


def _read_array(parts: list[Any]) -> Any:
    import numpy as np

    text, shape, values = parts
    items = [unpack_cell(value) for value in values]
    dtype = np.dtype(text)
    if math.prod(shape) != len(items):
        raise ValueError(f"{len(items)} values for the shape {shape}")
    if dtype.kind == "O":
        array = np.empty(len(items), dtype=object)
        for position, item in enumerate(items):  # numpy would make one matrix of lists of one length
            array[position] = item
    elif dtype.kind in _TIMES:
        array = np.array(items, dtype="i8").view(dtype)
    else:
        array = np.array(items, dtype=dtype)
    return array.reshape(shape)


_READERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": lambda items: tuple(unpack_cell(item) for item in items),
    "$set": lambda items: {unpack_cell(item) for item in items},
    "$frozenset": lambda items: frozenset(unpack_cell(item) for item in items),
    "$map": lambda pairs: {unpack_cell(key): unpack_cell(item) for key, item in pairs},
    "$null": _read_null,
    "$timestamp": _read_timestamp,
    "$duration": _read_duration,
    "$period": _read_period,
    "$interval": _read_interval,
    "$scalar": lambda parts: _read_array([parts[0], [1], [parts[1]]])[0],
    "$array": _read_array,
}
