"""Timestamp items."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from datafolio.errors import FormatError
from datafolio.items import TimestampType
from datafolio.testing.items import BytesPayload, ItemTypeContract

BERLIN = ZoneInfo("Europe/Berlin")


class TestTimestampContract(ItemTypeContract):
    item_type = TimestampType()
    values: ClassVar = {
        "utc": dt.datetime(2025, 1, 20, 15, 0, 0, 1, tzinfo=dt.timezone.utc),
        "offset": dt.datetime(2025, 1, 20, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
        "seconds of offset": dt.datetime(1890, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=3208))),
        "zone": dt.datetime(2025, 7, 1, 12, tzinfo=BERLIN),
        "the first of two": dt.datetime(2025, 10, 26, 2, 30, tzinfo=BERLIN),
        "the second of two": dt.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=BERLIN),
        "earliest": dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc),
        "latest": dt.datetime.max.replace(tzinfo=dt.timezone.utc),
        "pandas": pd.Timestamp("2025-01-20 15:00:00.123456789", tz="Europe/Berlin"),
        "pandas seconds": pd.Timestamp("2025-01-20 15:00", tz="UTC").as_unit("s"),
        "pandas long ago": pd.Timestamp("0005-01-01", tz="UTC").as_unit("ms"),
        "pandas second of two": pd.Timestamp("2025-10-26 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    }
    refused: ClassVar = {
        "naive": (dt.datetime(2025, 1, 20, tzinfo=BERLIN).replace(tzinfo=None), r"no time zone.*\.replace\(tzinfo="),
        "naive pandas": (pd.Timestamp("2025-01-20"), "no time zone"),
        "NaT": (pd.NaT, "NaT is no moment"),
        "text": ("2025-01-20", "not a str"),
        "date": (dt.date(2025, 1, 20), "not a date"),
    }

    def same(self, put, got):
        zones = str(put.tzinfo) == str(got.tzinfo) and type(put.tzinfo) is type(got.tzinfo)
        units = getattr(put, "unit", None) == getattr(got, "unit", None)
        return super().same(put, got) and zones and units and put.fold == got.fold

    def test_a_zone_that_cannot_come_back_is_refused(self):
        class Odd(dt.tzinfo):
            def utcoffset(self, when):
                return dt.timedelta(hours=1)

            def __repr__(self):
                return "Odd()"

        with pytest.raises(ValueError, match=r"Odd\(\).*zoneinfo"):
            self.encoded(dt.datetime(2025, 1, 20, tzinfo=Odd()), None)


def test_a_subclass_comes_back_as_the_datetime_it_equals(tmp_path):
    class Frozen(dt.datetime):
        pass

    put = Frozen(2025, 1, 20, tzinfo=dt.timezone.utc)
    contract = TestTimestampContract()
    got = contract.decoded(*contract.encoded(put, tmp_path), tmp_path)
    assert type(got) is dt.datetime
    assert got == put


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"timestamp": "2025-01-20T00:00:00", "zone": "UTC"}',
        b'{"timestamp": "2025-01-20T00:00:00+00:00", "zone": {"zoneinfo": "../../etc/passwd"}}',
        b'{"timestamp": "2025-01-20T00:00:00+00:00", "zone": {"import": "os"}}',
        b'{"timestamp": "x", "zone": "UTC", "unit": "fortnight", "count": 1}',
    ],
)
def test_a_payload_that_is_no_timestamp_is_a_format_error(text, tmp_path):
    with pytest.raises(FormatError):
        TimestampType().decode(BytesPayload(text, tmp_path), {})
