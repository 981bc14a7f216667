"""Columns of Python objects: native Arrow where that is exact, else one JSON text for each value.

The forms, as `Objects.form` names them:

==========  ====================================================================
``plain``   Arrow's own values are the Python ones: text, bytes, dates, times, decimals
``bool``    booleans
``int``     integers of 64 bits
``float``   floats
``list``    lists of values of one plain type
``array``   one-dimensional numpy arrays of the one dtype `Objects.dtype`
``null``    nothing but the missing value
``json``    anything that `cells` packs
==========  ====================================================================

Text of a subclass of str comes back as str, and a time or datetime without a zone with its fold at 0,
which are equal to what went in.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
from typing import Any

import msgspec

from datafolio.errors import FormatError, UnsupportedValueError
from datafolio.items.table.cells import pack_cell, unpack_cell
from datafolio.items.table.schema import Objects

__all__ = ["objects_from_arrow", "objects_to_arrow"]

_FORMS: dict[type, str] = {
    bytes: "plain",
    dt.date: "plain",
    dt.time: "plain",
    dt.datetime: "plain",
    decimal.Decimal: "plain",
    bool: "bool",
    int: "int",
    float: "float",
    list: "list",
}
_LISTED = frozenset({str, bool, int, float})
_TEXT_AND_BYTES = frozenset({"string", "large_string", "binary", "large_binary"})
_MAX_DIGITS = 38
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def objects_to_arrow(values: Any, where: str) -> tuple[Any, Objects]:
    """The Arrow array for `values`, a one-dimensional object array, and how to come back.

    Raises UnsupportedValueError, naming `where` and the row, for what can't come back.
    """
    return _text(values) or _native(values) or _to_json(values, where)


def _text(values: Any) -> tuple[Any, Objects] | None:
    """Text, if it is nothing else: by far the most of objects in tables, so it is seen with as few looks as can be."""
    import pandas as pd

    if pd.api.types.infer_dtype(values, skipna=True) != "string":
        return None
    array = _attempt(values)
    if array is None or str(array.type) != "string":
        return None
    missing = _missing_kind(values[array.is_null().to_numpy(zero_copy_only=False)]) if array.null_count else "None"
    return None if missing is None else (array, Objects("plain", missing))


def _attempt(values: Any) -> Any:
    """Arrow's own conversion.  Only for scalars: a list that contains itself makes it overflow the stack."""
    import pyarrow as pa

    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        return None  # JSON text may hold it, or name the value that nothing holds


def _missing_kind(missing: Any) -> str | None:
    """The name of the one kind among the `missing` values, or None if there are several."""
    names = {_missing_name(value) for value in missing}
    return names.pop() if len(names) == 1 else None


def _missing_name(value: Any) -> str | None:
    import pandas as pd

    if value is None:
        return "None"
    if value is pd.NA:
        return "NA"
    if value is pd.NaT:
        return "NaT"
    return "nan" if type(value) is float else None


def _native(values: Any) -> tuple[Any, Objects] | None:
    import pandas as pd

    null = pd.isna(values)
    missing = _missing_kind(values[null]) if null.any() else "None"
    if missing is None:
        return None
    form = _form(values[~null], missing)
    array = None if form is None else _convert(values, form)
    return None if form is None or array is None else (array, form)


def _convert(values: Any, form: Objects) -> Any:
    import pyarrow as pa

    if form.form == "array":
        return _arrays_to_arrow(values)
    # Arrow's from_pandas would turn NaN inside of lists into null.
    return _attempt(values) if form.form != "list" else pa.array([v if type(v) is list else None for v in values])


def _form(present: Any, missing: str) -> Objects | None:
    """The form for the values that are there, or None if there is no exact one."""
    kinds = set(map(type, present))
    if not kinds:
        return Objects("null", missing)
    if len(kinds) != 1:
        return None
    (kind,) = kinds
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
        dtype = _common_dtype(present)
        return None if dtype is None else Objects("array", missing, dtype)
    form = _FORMS.get(kind)
    return Objects(form, missing) if form is not None and _exact(kind, present) else None


def _exact(kind: type, values: Any) -> bool:
    """Whether Arrow's type for `kind` brings back each of `values`, beyond the type."""
    if kind is decimal.Decimal:
        return _decimals_exact(values)
    if kind in (dt.time, dt.datetime):
        return all(value.tzinfo is None for value in values)
    if kind is list:
        inner = set(map(type, itertools.chain.from_iterable(values)))
        return len(inner) == 1 and inner <= _LISTED
    return True


def _decimals_exact(values: Any) -> bool:
    """One exponent and no sign on zero: Arrow has one scale for a column, and no negative zero."""
    parts = [value.as_tuple() for value in values]
    exponents = {part.exponent for part in parts}
    if len(exponents) != 1 or not isinstance(exponent := exponents.pop(), int) or not -_MAX_DIGITS < exponent <= 0:
        return False
    if any(part.sign and not any(part.digits) for part in parts):
        return False
    return max(max(len(part.digits), -exponent) for part in parts) <= _MAX_DIGITS


def _common_dtype(values: Any) -> str | None:
    dtype = values[0].dtype
    plain = dtype.kind in "biuf" and dtype.isnative and dtype.itemsize <= 8 and not dtype.metadata
    return str(dtype.str) if plain and all(a.ndim == 1 and a.dtype == dtype for a in values) else None


def _arrays_to_arrow(values: Any) -> Any:
    """Built from offsets, since Arrow's own way turns NaN inside of arrays into null."""
    import numpy as np
    import pyarrow as pa

    present = np.array([type(value) is np.ndarray for value in values], dtype=bool)
    lengths = np.array([len(value) if here else 0 for value, here in zip(values, present, strict=True)], dtype="i8")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype("i4", casting="unsafe")
    if lengths.sum() != offsets[-1]:
        raise OverflowError("more elements than a list column holds")
    flat = pa.array(np.concatenate([value for value in values if type(value) is np.ndarray]))
    return pa.ListArray.from_arrays(pa.array(offsets), flat, mask=pa.array(~present))


def _to_json(values: Any, where: str) -> tuple[Any, Objects]:
    import pyarrow as pa

    texts = [None if value is None else _cell_text(value, where, row) for row, value in enumerate(values)]
    return pa.array(texts, type=pa.string()), Objects("json")


def _cell_text(value: Any, where: str, row: int) -> str:
    try:
        return _encoder.encode(pack_cell(value, where)).decode()
    except UnsupportedValueError as error:
        raise UnsupportedValueError(f"{error} (row {row})") from error


def objects_from_arrow(chunked: Any, spec: Objects) -> Any:
    """The object array that `objects_to_arrow` was given, from its Arrow values as a ChunkedArray."""
    reader = _READERS.get(spec.form)
    if reader is None:
        raise FormatError(
            f"the table has a column of objects in the form {spec.form!r}, which this datafolio does not know"
        )
    values = reader(chunked, spec)
    if chunked.null_count and spec.missing != "None":
        values[chunked.is_null().to_numpy()] = _missing_value(spec.missing)
    return values


def _missing_value(name: str) -> Any:
    import pandas as pd

    known = {"nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT}
    if name not in known:
        raise FormatError(f"the table has {name!r} for missing values, which this datafolio does not know")
    return known[name]


def _object_array(items: list[Any]) -> Any:
    import numpy as np

    values = np.empty(len(items), dtype=object)
    for row, item in enumerate(items):  # numpy would make one matrix of sequences of one length
        values[row] = item
    return values


def _read_plain(chunked: Any, spec: Objects) -> Any:
    import numpy as np
    import pandas as pd

    if str(chunked.type) not in _TEXT_AND_BYTES:
        return _read_list(chunked, spec)
    if pd.__version__ < "3":
        # Makes one object of equal texts; newer versions would make no objects at all.
        series = chunked.to_pandas()
        if series.dtype == object:
            return np.array(series, dtype=object)
    return np.array(chunked.to_numpy(), dtype=object)


def _read_list(chunked: Any, _: Objects) -> Any:
    return _object_array(chunked.to_pylist())


def _read_numbers(chunked: Any, _: Objects) -> Any:
    import numpy as np

    # Arrow's own way to numpy makes floats of integers beside null.
    filled = chunked.fill_null(False if str(chunked.type) == "bool" else 0) if chunked.null_count else chunked
    values = np.asarray(filled.to_numpy()).astype(object)
    if chunked.null_count:
        values[chunked.is_null().to_numpy()] = None
    return values


def _read_arrays(chunked: Any, spec: Objects) -> Any:
    import numpy as np

    dtype = np.dtype(spec.dtype)
    items: list[Any] = []
    for chunk in chunked.chunks:
        # Not flatten(), which leaves out what the offsets still count.
        flat = np.asarray(chunk.values.to_numpy(zero_copy_only=False), dtype=dtype)  # noqa: PD011 - Arrow's
        ends = chunk.offsets.to_numpy()
        items += [flat[start:end].copy() for start, end in itertools.pairwise(ends.tolist())]
    values = _object_array(items)
    if chunked.null_count:
        values[chunked.is_null().to_numpy()] = None
    return values


def _read_null(chunked: Any, _: Objects) -> Any:
    return _object_array([None] * len(chunked))


def _read_json(chunked: Any, _: Objects) -> Any:
    texts = chunked.to_pylist()
    return _object_array([None if text is None else unpack_cell(_decode(text, row)) for row, text in enumerate(texts)])


def _decode(text: str, row: int) -> Any:
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise FormatError(f"a cell of the table is not JSON: {error} (row {row})") from error


_READERS = {
    "plain": _read_plain,
    "bool": _read_numbers,
    "int": _read_numbers,
    "float": _read_numbers,
    "list": _read_list,
    "array": _read_arrays,
    "null": _read_null,
    "json": _read_json,
}
