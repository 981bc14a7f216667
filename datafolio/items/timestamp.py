"""A moment in time: a timezone-aware datetime, or a pandas Timestamp."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from datafolio import canonical
from datafolio.errors import FormatError, UnsupportedValueError
from datafolio.items.base import Encoded, ItemType, Payload, Sink
from datafolio.items.zones import pack_zone, unpack_zone

__all__ = ["TimestampType"]


class _Moment(msgspec.Struct, frozen=True, omit_defaults=True):
    """The payload: the text says all there is to know to people, the rest restores the exact kind of object."""

    timestamp: str
    zone: Any
    #: Only for a pandas Timestamp: its unit, and the count of them since 1970 in UTC.
    unit: str | None = None
    count: int | None = None


class TimestampType(ItemType):
    """Comes back equal, in the same zone, and a pandas Timestamp as one, with its nanoseconds and unit.

    Another subclass of datetime comes back as the plain datetime that it equals.
    """

    tag: ClassVar[str] = "timestamp"

    def matches(self, value: object) -> bool:
        return isinstance(value, dt.datetime)

    def encode(self, value: Any, sink: Sink) -> Encoded:
        _refuse(value)
        zone = pack_zone(value.tzinfo, "the timestamp")
        if type(value).__module__.partition(".")[0] == "pandas":
            moment = _Moment(value.isoformat(), zone, value.unit, int(value.asm8.astype("int64")))
        else:
            moment = _Moment(canonical.format_datetime(value), zone)
        sink.write(msgspec.json.encode(moment))
        return Encoded(".json", {"timestamp": moment.timestamp})

    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> Any:  # noqa: ARG002 - the contract's
        try:
            moment = msgspec.json.decode(payload.read(), type=_Moment)
            return _pandas_timestamp(moment) if moment.unit is not None else _datetime(moment)
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            raise FormatError(f"the payload is not a timestamp: {error}") from error


def _refuse(value: Any) -> None:
    if not isinstance(value, dt.datetime):
        raise UnsupportedValueError(f"a timestamp is a datetime with a time zone, not a {type(value).__qualname__}")
    if value != value:  # noqa: PLR0124 - only NaT differs from itself
        raise UnsupportedValueError("NaT is no moment in time; store None with add_json instead")
    if value.utcoffset() is None:
        raise UnsupportedValueError(
            f"{value!r} has no time zone, so it does not say which moment it is; "
            f"give it one, for instance with .replace(tzinfo=datetime.timezone.utc)"
        )


def _datetime(moment: _Moment) -> dt.datetime:
    stamp = canonical.parse_datetime(moment.timestamp)
    zone = unpack_zone(moment.zone)
    if stamp.utcoffset() is None:
        raise FormatError(f"the timestamp {moment.timestamp!r} has no offset from UTC")
    return stamp if stamp.tzinfo == zone else stamp.astimezone(zone)


def _pandas_timestamp(moment: _Moment) -> Any:
    import numpy as np
    import pandas as pd

    if moment.unit not in {"s", "ms", "us", "ns"} or moment.count is None:
        raise FormatError(f"the unit {moment.unit!r} of the timestamp is none that pandas has")
    stamp = pd.Timestamp(np.datetime64(moment.count, moment.unit))
    return stamp.tz_localize("UTC").tz_convert(unpack_zone(moment.zone))
