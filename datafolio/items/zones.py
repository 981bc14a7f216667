"""Time zones as plain JSON values, and back as the same kind of object.

======================================  =========================================
``datetime.timezone.utc``               ``"UTC"``
``datetime.timezone(timedelta(...))``   ``{"offset": microseconds}``
``zoneinfo.ZoneInfo("Europe/Berlin")``  ``{"zoneinfo": "Europe/Berlin"}``
``pytz.timezone("Europe/Berlin")``      ``{"pytz": "Europe/Berlin"}``
``pytz.FixedOffset(90)``                ``{"pytz_offset": 90}``
======================================  =========================================
"""

from __future__ import annotations

import datetime as dt
import importlib
import zoneinfo
from typing import Any

from datafolio.errors import FormatError, UnsupportedValueError

__all__ = ["pack_zone", "unpack_zone"]

_MICROSECOND = dt.timedelta(microseconds=1)


def pack_zone(zone: dt.tzinfo, where: str) -> Any:
    """The description of `zone`.  Raises UnsupportedValueError for a kind of zone that has none."""
    if zone is dt.timezone.utc:
        return "UTC"
    if type(zone) is dt.timezone:
        return {"offset": zone.utcoffset(None) // _MICROSECOND}
    if isinstance(zone, zoneinfo.ZoneInfo) and zone.key:
        return {"zoneinfo": zone.key}
    packed = _pack_pytz(zone)
    if packed is None:
        raise UnsupportedValueError(
            f"{where} is in the time zone {zone!r}, which can't be brought back; "
            f"convert to a zoneinfo.ZoneInfo (with astimezone or tz_convert) first"
        )
    return packed


def _pack_pytz(zone: dt.tzinfo) -> Any:
    if type(zone).__module__.partition(".")[0] != "pytz":
        return None
    name = getattr(zone, "zone", None)
    if name is not None:
        return {"pytz": name}
    offset = zone.utcoffset(None)
    return None if offset is None else {"pytz_offset": offset // dt.timedelta(minutes=1)}


def unpack_zone(packed: Any) -> dt.tzinfo:
    """The zone that `pack_zone` described; a zoneinfo one where pytz is not installed.

    Raises FormatError for a description it did not write, or a zone that this machine does not know.
    """
    if packed == "UTC":
        return dt.timezone.utc
    try:
        ((kind, content),) = packed.items()
        return _make(kind, content)
    except (AttributeError, TypeError, ValueError, LookupError, OSError, OverflowError) as error:
        raise FormatError(f"no time zone known here is described by {packed!r}") from error


def _make(kind: str, content: Any) -> dt.tzinfo:
    if kind == "offset":
        return dt.timezone(content * _MICROSECOND)
    if kind == "zoneinfo":
        return zoneinfo.ZoneInfo(content)
    if kind == "pytz_offset":
        return _pytz_offset(content)
    if kind == "pytz":
        return _pytz_named(content)
    raise LookupError(kind)


def _pytz_named(name: str) -> dt.tzinfo:
    pytz = _pytz()
    zone: dt.tzinfo = pytz.timezone(name) if pytz else zoneinfo.ZoneInfo(name)
    return zone


def _pytz_offset(minutes: int) -> dt.tzinfo:
    pytz = _pytz()
    zone: dt.tzinfo = pytz.FixedOffset(minutes) if pytz else dt.timezone(dt.timedelta(minutes=minutes))
    return zone


def _pytz() -> Any:
    """The package, or None where it is not installed: newer versions of pandas no longer bring it."""
    try:
        return importlib.import_module("pytz")
    except ImportError:
        return None
