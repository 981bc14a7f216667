"""What could not come back from canonical JSON is refused by the name of its place."""

from __future__ import annotations

import datetime as dt
import enum
import math
import pathlib
import sys
import zoneinfo
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from datafolio.canonical import MAX_DEPTH, decode, encode
from datafolio.errors import UnsupportedValueError

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Name(str, enum.Enum):
    A = "a"


class Day(dt.date, enum.Enum):
    FIRST = 2025, 1, 1


class Point(NamedTuple):
    x: int
    y: int


REFUSED = {
    "frame": (pd.DataFrame({"x": [1]}), "pandas.*DataFrame.*add_data"),
    "series": (pd.Series([1]), "Series"),
    "index": (pd.Index([1]), "Index"),
    "array": (np.zeros(3), "numpy.ndarray"),
    "array of one": (np.zeros(1), "numpy.ndarray"),
    "array of no dimension": (np.array(5), "numpy.ndarray"),
    "record array": (np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "numpy.*rec"),
    "record": (np.zeros(1, dtype=[("a", int)])[0], "numpy.void"),
    "masked": (np.ma.masked, "Masked"),
    "object": (object(), "holds a object"),
    "class": (int, "type"),
    "function": (len, "builtin_function"),
    "generator": ((x for x in ()), "generator"),
    "range": (range(3), "range"),
    "bytearray": (bytearray(b"x"), "bytearray"),
    "namedtuple": (Point(1, 2), "Point"),
    "enum": (Color.RED, "Color"),
    "int enum": (Level.LOW, "Level"),
    "str enum": (Name.A, "Name"),
    "date enum": (Day.FIRST, "Day"),
    "ellipsis": (..., "ellipsis"),
    "pandas NA": (pd.NA, "NAType"),
    "pandas NaT": (pd.NaT, "NaT, which is no time; use None"),
    "pandas period": (pd.Period("2025-01"), "Period"),
    "nanoseconds": (pd.Timestamp("2025-01-20 00:00:00.000000001"), "nanoseconds.*add_timestamp"),
    "nanoseconds of a timedelta": (pd.Timedelta(1, "ns"), "nanoseconds"),
    "year 20000": (pd.Timestamp(np.datetime64("20000-01-01", "s")), "no datetime can hold"),
    "a million years": (pd.Timedelta(np.timedelta64(10**14, "s")), "no timedelta can hold"),
    "numpy NaT": (np.datetime64("NaT", "s"), "NaT, which is no time; use None"),
    "numpy NaT of a unit": (np.timedelta64("NaT", "ns"), "NaT"),
    "numpy nanoseconds": (np.datetime64("2025-01-20", "ns"), r"no date or timedelta can hold.*astype"),
    "numpy timedelta of nanoseconds": (np.timedelta64(1, "ns"), "no date or timedelta can hold"),
    "numpy year 20000": (np.datetime64("20000-01-01"), "no date or timedelta can hold"),
    "numpy longdouble": (np.longdouble(1) / 3, "finer than Python's"),
    "numpy clongdouble": (np.clongdouble(1), "finer than Python's"),
    "surrogate": ("a\ud800", r"not valid Unicode: 'a\\ud800'"),
    "path with a surrogate": (pathlib.Path("a\udcff"), "not valid Unicode"),
    "path of another system": (
        pathlib.PurePosixPath("a/b") if sys.platform == "win32" else pathlib.PureWindowsPath("a/b"),
        "ordinary path of this system",
    ),
    "less than a second off UTC": (
        dt.datetime(2025, 1, 20, tzinfo=dt.timezone(dt.timedelta(microseconds=-1))),
        "less than a second off UTC",
    ),
    "time less than a second off UTC": (
        dt.time(12, tzinfo=dt.timezone(dt.timedelta(microseconds=1))),
        "less than a second off UTC",
    ),
    "time of no fixed offset": (dt.time(12, tzinfo=BERLIN), "another offset from UTC every day"),
}


@pytest.mark.parametrize(("value", "why"), REFUSED.values(), ids=REFUSED)
def test_what_could_not_come_back_is_refused_by_the_name_of_its_place(value, why):
    with pytest.raises(UnsupportedValueError, match=why) as caught:
        encode({"a": [1, 2, 3, value]}, "metadata")
    assert str(caught.value).startswith("metadata['a'][3] holds ")
    with pytest.raises(UnsupportedValueError, match=why) as caught:
        encode((1, {2: {"$b": value}}), "facts")
    assert str(caught.value).startswith("facts[1][2]['$b'] holds ")
    with pytest.raises(UnsupportedValueError, match=why):
        encode(value)


def test_a_key_that_can_not_be_kept_is_named():
    with pytest.raises(UnsupportedValueError, match=r"metadata\['a'\]: the key .*Color.RED.* holds a .*Color"):
        encode({"a": {Color.RED: 1}}, "metadata")
    with pytest.raises(UnsupportedValueError, match=r"metadata: the key .*Name.A"):
        encode({Name.A: 1}, "metadata")
    for key in ("\ud800", "$\ud800", "$$a\udfff"):
        with pytest.raises(UnsupportedValueError, match=r"metadata: a key holds text that is not valid Unicode"):
            encode({key: 1}, "metadata")


def test_a_member_of_a_set_that_can_not_be_kept_is_named():
    with pytest.raises(UnsupportedValueError, match=r"metadata\['a'\]: the member .*Level.LOW.* holds a .*Level"):
        encode({"a": {2, Level.LOW}}, "metadata")


def test_a_value_that_contains_itself_is_refused():
    circle = []
    circle.append({"again": (circle,)})
    with pytest.raises(UnsupportedValueError, match="contains itself") as caught:
        encode(circle, "metadata")
    assert str(caught.value).startswith("metadata[0]['again'][0]")
    assert len(str(caught.value)) < 300


WRAPPERS = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"a": inner},
    "map": lambda inner: {1: inner},
    "tag-like dict": lambda inner: {"$tuple": inner},
    "frozenset": lambda inner: frozenset([inner]),
    "key": lambda inner: (("k", inner),),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("leaf", [1, math.nan, np.float64(1.5), ()])
def test_what_nests_as_deep_as_is_allowed_comes_back_and_deeper_is_refused(wrap, leaf):
    levels = MAX_DEPTH // 2 if wrap is WRAPPERS["key"] else MAX_DEPTH
    value = leaf
    for _ in range(levels):
        value = wrap(value)
    assert encode(decode(encode(value))) == encode(value)
    with pytest.raises(UnsupportedValueError, match="nested more than 100 deep"):
        encode(wrap(value))
