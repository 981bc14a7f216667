"""Canonical JSON: one text for one value, and every value back as it was.

JSON has no NaN, no infinities, no dates, and many readers lose integers past 64 bits.  Such a value
is written as an object with exactly one key, a *tag* that begins with ``$``::

    {"$float": "nan"}                          NaN, and "inf", "-inf"
    {"$int": "18446744073709551616"}           an integer outside the range of 64 bits, signed
    {"$datetime": "2025-01-20T15:00:00+01:00[Europe/Berlin]"}     (RFC 9557)
    {"$date": "2025-01-20"}, {"$time": "15:00:00"}
    {"$timedelta": [1, 30, 500]}               days, seconds, microseconds
    {"$path": "data/raw"}, {"$uuid": "…"}, {"$decimal": "1.50"}
    {"$bytes": "AAE="}, {"$complex": ["1.0", "-2.5"]}             bytes in base64
    {"$tuple": [1, 2]}
    {"$set": [1, 2]}, {"$frozenset": [1, 2]}   in the order of their members' texts
    {"$map": [[1, "one"]]}                     a dict whose keys are not all strings

A key of a user's own dict that begins with ``$`` is written with one more ``$`` in front, so no
value of a user's can be mistaken for a tag.  The order of a user's dict is kept.

What comes back is of the plain type: a numpy number as Python's, a pandas Timestamp as a datetime,
a subclass of dict, list or str as the class itself.  It is equal to what was given all the same.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import enum
import math
import pathlib
import re
import reprlib
import sys
import uuid
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import msgspec

from datafolio.errors import FormatError, UnsupportedValueError

__all__ = ["MAX_DEPTH", "decode", "encode", "format_datetime", "pack", "parse_datetime", "unpack"]

#: Deeper nesting than this is refused, both written and read.
MAX_DEPTH = 100

# Python itself refuses to read decimal integers much longer than this.
_MAX_BITS = 10_000
_INT64 = range(-(2**63), 2**63)
_INTEGER = re.compile(r"-?[1-9][0-9]{0,3010}")
_TAG = re.compile(r"\$(?!\$)")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

_Packer = Callable[[Any, str, int], Any]
_T = TypeVar("_T")


def encode(value: Any, where: str = "the value") -> bytes:
    """The canonical JSON of `value`, UTF-8.

    Raises UnsupportedValueError, naming the place inside `where`, for what could not come back.
    """
    return _encoder.encode(pack(value, where))


def decode(data: bytes | memoryview) -> Any:
    """The value that `encode` was given.  Raises FormatError, and nothing else, for bytes of another form."""
    try:
        return unpack(_decoder.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"not canonical JSON: {error}") from error


def pack(value: Any, where: str = "the value", depth: int = 0) -> Any:
    """`value` in terms of what JSON itself holds: dict, list, str, int, float, bool and None.

    `depth` is how deep `value` lies in the value that is packed.  Raises UnsupportedValueError.
    """
    if depth > MAX_DEPTH:
        raise UnsupportedValueError(
            f"{where[:80]}… is nested more than {MAX_DEPTH} deep, or contains itself; store it flatter"
        )
    packer = _PACKERS.get(type(value)) or _packer_of(value)
    return packer(value, where, depth)


def unpack(packed: Any, depth: int = 0) -> Any:
    """The value that `pack` was given.  Raises FormatError, and nothing else, for what it never gives."""
    if depth > MAX_DEPTH:
        raise FormatError(f"the value is nested more than {MAX_DEPTH} deep, which datafolio never writes")
    kind = type(packed)
    if kind is dict:
        return _unpack_dict(packed, depth)
    if kind is list:
        return [unpack(item, depth + 1) for item in packed]
    if kind is int and packed not in _INT64:
        raise FormatError("the value has an integer past 64 bits, which datafolio writes as $int")
    return packed


def format_datetime(value: dt.datetime) -> str:
    """RFC 9557: ISO 8601 with the zone's name in brackets where it has one."""
    # ZoneInfo calls the name `key`, and pytz, which pandas before 3 gives, calls it `zone`.
    name = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    return value.isoformat() + (f"[{name}]" if isinstance(name, str) else "")


def parse_datetime(text: str) -> dt.datetime:
    """What `format_datetime` wrote: the same instant, in the same zone.

    Where this machine does not know the zone, or has other rules for it, the instant and its offset
    from UTC are kept.  Raises ValueError for anything that is not of the form.
    """
    stamp, bracket, name = text.partition("[")
    moment = dt.datetime.fromisoformat(stamp)
    if not bracket:
        return moment
    if not name.endswith("]"):
        raise ValueError(f"the zone of {text!r} has no closing bracket")
    import zoneinfo  # noqa: PLC0415 - looks for the system's zones when it is imported

    try:
        zone = zoneinfo.ZoneInfo(name[:-1])
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return moment
    moments = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return next((local for local in moments if local.utcoffset() == moment.utcoffset()), moment)


# Packing: one function a kind, `(value, where, depth) -> what JSON holds`.


def _packer_of(value: Any) -> _Packer:
    if isinstance(value, enum.Enum):  # some are also a str, int or date, and would lose their class
        return _refuse
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _refuse if isinstance(value, numpy.void) else _pack_numpy_scalar
    for kind, packer in _FAMILIES:
        if isinstance(value, kind):
            return packer
    return _refuse


def _refuse(value: Any, where: str, _depth: int) -> NoReturn:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise UnsupportedValueError(
        f"{where} holds a {name}, which JSON can't keep; give plain values (numbers, text, lists, "
        f"dicts, dates), or store it as an item of its own with add_data or add_model"
    )


def _pack_text(value: str, where: str, _depth: int = 0) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedValueError(f"{where} holds text that is not valid Unicode: {value!r}") from error
    return value


def _pack_int(value: int, where: str, _depth: int) -> Any:
    if value in _INT64:
        return value
    if value.bit_length() > _MAX_BITS:
        raise UnsupportedValueError(
            f"{where} holds an integer of {value.bit_length()} bits; at most {_MAX_BITS} can be kept"
        )
    return {"$int": str(value)}


def _pack_float(value: float, _where: str, _depth: int) -> Any:
    return value if math.isfinite(value) else {"$float": str(value)}


def _pack_list(values: Any, where: str, depth: int) -> list[Any]:
    return [pack(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(values)]


def _pack_set(values: Any, where: str, depth: int) -> Any:
    tag = "$frozenset" if isinstance(values, frozenset) else "$set"
    members = [pack(item, f"{where}: the member {_show(item)}", depth + 1) for item in values]
    return {tag: sorted(members, key=_encoder.encode)}


def _pack_dict(value: dict[Any, Any], where: str, depth: int) -> dict[str, Any]:
    if all(isinstance(key, str) and not isinstance(key, enum.Enum) for key in value):
        return {_pack_key(key, where): pack(item, f"{where}[{_show(key)}]", depth + 1) for key, item in value.items()}
    pairs = [
        [pack(key, f"{where}: the key {_show(key)}", depth + 1), pack(item, f"{where}[{_show(key)}]", depth + 1)]
        for key, item in value.items()
    ]
    return {"$map": pairs}


def _show(part: Any) -> str:
    if type(part) is str:
        return repr(part)
    try:
        return reprlib.repr(part)
    except ValueError:  # an integer that is too long to be shown
        return f"a very large {type(part).__name__}"


def _pack_key(key: str, where: str) -> str:
    text = _pack_text(str.__str__(key), f"{where}: a key")
    return "$" + text if text.startswith("$") else text


def _pack_numpy_scalar(value: Any, where: str, depth: int) -> Any:
    plain = value.item()
    if value.dtype.kind in "Mm":
        _check_time(value, where)
        if not isinstance(plain, (dt.date, dt.timedelta)):
            _reject(value, where, "no date or timedelta can hold; convert it, as with .astype('datetime64[us]')")
    elif type(plain).__module__ == "numpy":
        _reject(value, where, f"is a {value.dtype}, finer than Python's own numbers; convert it")
    return pack(plain, where, depth)


def _pack_datetime(value: dt.datetime, where: str, _depth: int) -> Any:
    _check_time(value, where)
    if getattr(value, "nanosecond", 0):
        _reject(value, where, "has nanoseconds; round it to microseconds, or store it with add_timestamp")
    if hasattr(value, "to_pydatetime"):  # pandas, whose Timestamps reach past the years 1 to 9999
        try:
            value = value.to_pydatetime()
        except ValueError as error:
            _reject(value, where, f"no datetime can hold: {error}")
    _check_offset(value, where)
    return {"$datetime": format_datetime(value)}


def _check_time(value: Any, where: str) -> None:
    if value != value:  # noqa: PLR0124 - only NaT is unlike itself
        raise UnsupportedValueError(f"{where} holds NaT, which is no time; use None")


def _pack_time(value: dt.time, where: str, _depth: int) -> Any:
    if value.tzinfo is not None and value.utcoffset() is None:
        _reject(value, where, "has another offset from UTC every day; give a datetime, or a time without a zone")
    _check_offset(value, where)
    return {"$time": value.isoformat()}


def _check_offset(value: Any, where: str) -> None:
    offset = value.utcoffset()
    if offset and abs(offset) < dt.timedelta(seconds=1):
        _reject(value, where, "is less than a second off UTC, which Python writes but reads as UTC")


def _pack_timedelta(value: dt.timedelta, where: str, _depth: int) -> Any:
    if getattr(value, "nanoseconds", 0):
        _reject(value, where, "has nanoseconds; round it to microseconds")
    try:
        plain = dt.timedelta(value.days, value.seconds, value.microseconds)
    except OverflowError as error:  # pandas has longer ones
        _reject(value, where, f"no timedelta can hold: {error}")
    return {"$timedelta": [plain.days, plain.seconds, plain.microseconds]}


def _pack_path(value: pathlib.PurePath, where: str, _depth: int) -> Any:
    text = _pack_text(str(value), where)
    if pathlib.Path(text) != value:  # of another system, or a URL dressed as a path
        _reject(value, where, "would not come back as an ordinary path of this system; give its text")
    return {"$path": text}


def _reject(value: Any, where: str, why: str) -> NoReturn:
    raise UnsupportedValueError(f"{where} holds {value!r}, which {why}")


def _as(tag: str, write: Callable[[Any], Any]) -> _Packer:
    return lambda value, _where, _depth: {tag: write(value)}


def _as_plain(exact: Callable[[Any], Any], packer: _Packer) -> _Packer:
    # The class's own method: a subclass may show itself as something else.
    return lambda value, where, depth: packer(exact(value), where, depth)


_PACKERS: dict[type[Any], _Packer] = {
    str: _pack_text,
    int: _pack_int,
    float: _pack_float,
    bool: lambda value, _where, _depth: value,
    type(None): lambda value, _where, _depth: value,
    dict: _pack_dict,
    list: _pack_list,
    tuple: lambda values, where, depth: {"$tuple": _pack_list(values, where, depth)},
}

# A tuple's subclass is left out: a namedtuple is more than its items.
_FAMILIES: tuple[tuple[type[Any], _Packer], ...] = (
    (dict, _pack_dict),
    (list, _pack_list),
    (set, _pack_set),
    (frozenset, _pack_set),
    (str, _as_plain(str.__str__, _pack_text)),
    (int, _as_plain(int.__int__, _pack_int)),
    (float, _as_plain(float.__float__, _pack_float)),
    # datetime before date: every datetime is a date too.
    (dt.datetime, _pack_datetime),
    (dt.date, _as("$date", dt.date.isoformat)),
    (dt.time, _pack_time),
    (dt.timedelta, _pack_timedelta),
    (pathlib.PurePath, _pack_path),
    (bytes, _as("$bytes", lambda value: base64.b64encode(value).decode())),
    (complex, _as("$complex", lambda value: [repr(value.real), repr(value.imag)])),
    (decimal.Decimal, _as("$decimal", str)),
    (uuid.UUID, _as("$uuid", str)),
)


# Unpacking: one function a tag, from the text or the list that it holds.
_AS_THEY_ARE = frozenset({str, float, bool, type(None)})


def _unpack_dict(packed: dict[str, Any], depth: int) -> Any:
    plain, may_have_parts = {}, depth < MAX_DEPTH
    for key, item in packed.items():
        name, kind = key, type(item)
        if "$" in key:
            if len(packed) == 1 and _TAG.match(key):
                return _untag(key, item, depth)
            name = _unpack_key(key)
        is_plain = may_have_parts and (kind in _AS_THEY_ARE or (kind is int and -(2**63) <= item < 2**63))
        plain[name] = item if is_plain else unpack(item, depth + 1)
    return plain


def _unpack_key(key: str) -> str:
    if _TAG.match(key):
        raise FormatError(f"the value has the tag {reprlib.repr(key)} beside other keys, where a tag stands alone")
    return key.removeprefix("$")


def _untag(tag: str, content: Any, depth: int) -> Any:
    if tag not in _TEXTS and tag not in _LISTS:
        raise FormatError(
            f"the value has the tag {reprlib.repr(tag)}, which this version of datafolio does not know; a newer one may"
        )
    try:
        if type(content) is list:
            return _LISTS[tag](content, depth)
        return _TEXTS[tag](_exactly(str, content))
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise FormatError(
            f"the value has the tag {tag!r} with {reprlib.repr(content)}, which is not of its form"
        ) from error


def _exactly(kind: type[_T], content: Any) -> _T:
    if type(content) is not kind:
        raise TypeError(f"not a {kind.__name__}")
    return content


def _read_int(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError("not an integer that datafolio writes")
    return int(text)


def _read_map(pairs: list[Any], depth: int) -> dict[Any, Any]:
    return {unpack(key, depth + 1): unpack(item, depth + 1) for key, item in map(_pair, pairs)}


def _pair(parts: Any) -> tuple[Any, Any]:
    first, second = _exactly(list, parts)
    return first, second


def _read_timedelta(parts: list[Any], _depth: int) -> dt.timedelta:
    days, seconds, microseconds = [_exactly(int, part) for part in parts]
    return dt.timedelta(days, seconds, microseconds)


_TEXTS: dict[str, Callable[[str], Any]] = {
    "$float": {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}.__getitem__,
    "$int": _read_int,
    "$datetime": parse_datetime,
    "$date": dt.date.fromisoformat,
    "$time": dt.time.fromisoformat,
    "$path": pathlib.Path,
    "$bytes": lambda text: base64.b64decode(text, validate=True),
    "$decimal": decimal.Decimal,
    "$uuid": uuid.UUID,
}

_LISTS: dict[str, Callable[[list[Any], int], Any]] = {
    "$tuple": lambda items, depth: tuple([unpack(item, depth + 1) for item in items]),
    "$set": lambda items, depth: {unpack(item, depth + 1) for item in items},
    "$frozenset": lambda items, depth: frozenset([unpack(item, depth + 1) for item in items]),
    "$map": _read_map,
    "$timedelta": _read_timedelta,
    "$complex": lambda parts, _depth: complex(*map(float, _pair(parts))),
}
