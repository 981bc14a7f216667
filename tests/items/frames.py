"""Pandas frames that are hard to keep, by what is hard about them, and a comparison that overlooks nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
import uuid
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

Frame = pd.DataFrame
# The text dtype whose missing values are NaN, by the name that each version of pandas has for it.
TEXT = (
    "str"
    if pd.__version__ >= "3"
    else pd.StringDtype("pyarrow", na_value=np.nan)
    if pd.__version__ >= "2.3"
    else "string[pyarrow_numpy]"
)
BERLIN = ZoneInfo("Europe/Berlin")
NAIVE = dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.timezone.utc).replace(tzinfo=None)


def objects(*values):
    """A frame with one column of Python objects."""
    return Frame({"x": pd.Series(values, dtype=object)})


def category(values, **options):
    return Frame({"x": pd.Categorical(values, **options)})


def indexed(index):
    return Frame({"a": range(len(index))}, index=index)


def labelled(*labels, index=None):
    return Frame([list(range(len(labels)))] * 2, columns=pd.Index(labels) if index is None else index)


def with_attrs():
    frame = Frame({"a": [1]})
    frame.attrs = {"unit": "m", 1: (2, np.float64(3)), "at": dt.date(2020, 1, 1)}
    return frame


def arrow_dtype(values, kind):
    return Frame({"x": pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values, type=kind)))})


UNITS = ("s", "ms", "us", "ns")
MASKED = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64", "boolean")
MASKED_NAN = pd.arrays.FloatingArray(np.array([1.0, np.nan, 0]), np.array([False, False, True]))
ZONES = (
    "UTC",
    "Europe/Berlin",
    dt.timezone.utc,
    dt.timezone(dt.timedelta(hours=-5, minutes=-30)),
    ZoneInfo("Asia/Tokyo"),
)
SECONDS = pd.date_range("2020-03-28", periods=3, tz="Europe/Berlin").as_unit("s")

COLUMNS = {
    "plain": Frame({"i": [1, 2], "f": [1.5, np.nan], "t": ["x", None], "b": [True, False]}),
    "numbers": Frame(
        {
            kind: np.array([0, 1, 100], kind)
            for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
        }
    ),
    "extremes": Frame({"i": [-(2**63), 2**63 - 1], "u": np.array([0, 2**64 - 1], "u8")}),
    "infinities": Frame({"x": [np.inf, -np.inf, np.nan, -0.0]}),
    "half floats": Frame({"x": np.array([1, np.nan, np.inf], "f2")}),
    "one block, strided": Frame(np.arange(12.0).reshape(6, 2)[::2]),
    "datetimes": Frame({unit: pd.Series(["2020-01-01", None], dtype=f"datetime64[{unit}]") for unit in UNITS}),
    "ancient": Frame({"x": np.array(["-9999-01-01", "0001-01-01"], "M8[s]")}),
    "timedeltas": Frame({unit: np.array([1, -5, "NaT"], f"m8[{unit}]") for unit in UNITS}),
    "zones": Frame({str(zone): pd.date_range("2020-03-28", periods=3, tz=zone) for zone in ZONES}),
    "zoned seconds": Frame({"x": SECONDS}),
    "zoned and missing": Frame({"x": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Berlin")}),
    "both sides of a change": Frame({"x": pd.date_range("2025-10-26", periods=5, freq="h", tz=BERLIN)}),
    "masked": Frame({kind: pd.array([1, None, 0], dtype=kind) for kind in MASKED}),
    "masked large": Frame({"x": pd.array([2**62 + 1, None], dtype="Int64")}),
    "NaN beside NA": Frame({"x": MASKED_NAN}),
    "text": Frame(
        {
            str(kind): pd.array(["x", None, "é\U0001f600", ""], dtype=kind)
            for kind in ("string[python]", "string[pyarrow]", TEXT)
        }
    ),
    "periods": Frame(
        {
            "m": pd.period_range("2020", periods=3, freq="M"),
            "q": pd.array([pd.Period("2020Q1"), pd.NaT, pd.Period("2020Q2")]),
        }
    ),
    "intervals": Frame({"i": pd.interval_range(0, 3), "t": pd.interval_range(pd.Timestamp("2020"), periods=3)}),
    "missing intervals": Frame({"x": pd.arrays.IntervalArray.from_arrays([0.0, np.nan], [1.0, np.nan], closed="both")}),
    "zoned intervals": Frame({"x": pd.interval_range(pd.Timestamp("2020", tz=BERLIN), periods=3, closed="neither")}),
    "arrow lists": arrow_dtype([[1], None, []], pa.list_(pa.int8())),
    "arrow seconds": arrow_dtype([1, None], pa.timestamp("s", "UTC")),
    "arrow date64": arrow_dtype([dt.date(2020, 1, 1), None], pa.date64()),
    "arrow dictionary": Frame({"x": pd.array(["b", "a", "b"], dtype=pd.ArrowDtype(pa.string()))}),
    "arrow dictionary of numbers": arrow_dtype([7, None, 7], pa.dictionary(pa.int8(), pa.int64())),
    "arrow struct": arrow_dtype([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int64()), ("b", pa.string())])),
    "arrow decimal": arrow_dtype([decimal.Decimal("1.10"), None], pa.decimal128(5, 2)),
    "attrs": with_attrs(),
    "flags": Frame({"a": [1]}).set_flags(allows_duplicate_labels=False),
}

CATEGORIES = {
    "unused": category(["a", "b", None], categories=["c", "b", "a"]),
    "ordered": category(["a", "b", "a"], categories=["b", "a"], ordered=True),
    "integers": category([3, 1, None], categories=[9, 3, 1], ordered=True),
    "floats": category([1.5, None, np.inf]),
    "bools": category([True, None, False]),
    "datetimes": category(pd.to_datetime(["2020-01-01", None])),
    "zoned": category(pd.to_datetime(["2020-01-01", None, "2020-01-02"]).tz_localize("Europe/Berlin")),
    "timedeltas": category([pd.Timedelta(1), None]),
    "intervals": Frame({"x": pd.cut([1, 2, 3], 3)}),
    "overlapping intervals": category(pd.IntervalIndex.from_tuples([(0, 2), (1, 3), (0, 2)])),
    "periods": category(pd.period_range("2020", periods=3, freq="M")),
    "mixed": category([1, "a", None, 2.5]),
    "tuples": category([(1, 2), None, (3, 4)]),
    "bytes": category([b"a", None, b"b"]),
    "objects": category(pd.Series(["a", "b", "a"], dtype=object)),
    "strings": category(pd.Series(["a", None, "a"], dtype="string")),
    "masked": category(pd.array([1, None, 2], dtype="Int64")),
    "all missing": category([None, None], categories=["a"]),
    "none": category([None, None]),
    "many": category([str(i) for i in range(1000)] * 2),
    "empty": category([], categories=["a", "b"]),
}

OBJECTS = {
    "None": objects(None, None),
    "NaN": objects(np.nan, np.nan),
    "NA": objects(pd.NA, pd.NA),
    "NaT": objects(pd.NaT, pd.NaT),
    "nothing": objects(),
    "text": objects("a", "é", ""),
    "text and None": objects("a", None),
    "text and NaN": objects("a", np.nan),
    "text and NA": objects("a", pd.NA),
    "text and two kinds of missing": objects("a", None, np.nan, pd.NA, pd.NaT),
    "integers": objects(1, None, 2**62 + 1),
    "large integers": objects(2**63, 2**70, -1),
    "unsigned integers": objects(2**63, 1),
    "floats": objects(1.5, None, np.inf),
    "floats and NaN": objects(1.5, np.nan),
    "floats, NaN and None": objects(1.5, None, np.nan),
    "bools": objects(True, False),
    "bools and None": objects(True, None),
    "bools and integers": objects(1, True, 0),
    "bytes": objects(b"a", None, b"\xff"),
    "decimals": objects(decimal.Decimal("1.10"), None, decimal.Decimal("2.25")),
    "decimals of many forms": objects(*map(decimal.Decimal, ("1.1", "2.25", "NaN", "-0", "1E+5", "Infinity"))),
    "long decimals": objects(decimal.Decimal("1." + "1" * 60)),
    "dates": objects(dt.date(2020, 1, 1), None, dt.date(1, 1, 1)),
    "times": objects(dt.time(1, 2, 3, 4), None),
    "zoned times": objects(dt.time(1, 2, tzinfo=dt.timezone.utc)),
    "datetimes": objects(NAIVE, None, NAIVE.replace(year=1)),
    "zoned datetimes": objects(
        dt.datetime(2020, 1, 1, tzinfo=BERLIN), dt.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=BERLIN)
    ),
    "timestamps": objects(pd.Timestamp("2020"), pd.Timestamp("2020-01-01 00:00:00.123456789", tz="Asia/Tokyo")),
    "timedeltas": objects(pd.Timedelta(5), dt.timedelta(1)),
    "arrays": objects(np.array([1, 2]), None, np.array([], "i8")),
    "arrays of one length": objects(np.array([1, 2], "f4"), np.array([np.nan, 2], "f4")),
    "arrays of many kinds": objects(
        np.eye(2), np.array(["a"]), np.array([1, "a", [1]], object), np.array(["NaT"], "M8[ns]")
    ),
    "lists": objects([1, 2], None, []),
    "lists of text": objects(["a"], ["b"]),
    "lists of floats": objects([1.0], [2.5, np.inf]),
    "lists of many kinds": objects([1, "a"], (1, 2), {3}, frozenset({4}), [None]),
    "dicts": objects({"a": 1}, {"$b": np.int64(1)}, {1: 2}, {"a": {"b": [1, {}]}}),
    "mixed": objects(1, "a", 2.5, b"c"),
    "numpy scalars": objects(np.int64(1), np.float32(2.5), np.datetime64("2020"), np.str_("a")),
    "pandas scalars": objects(
        pd.Interval(0, 1), pd.Period("2020-01"), pd.Interval(pd.Timestamp("2020"), pd.Timestamp("2021"))
    ),
    "others": objects(uuid.UUID(int=5), 1j, pathlib.Path("a/b")),
}

INDEXES = {
    "text": indexed(pd.Index(["x", "y"], name="n")),
    "objects": indexed(pd.Index(["x", None, 1], dtype=object, name=("t", 1))),
    "integers as objects": indexed(pd.Index([1, 2], dtype=object, name=5)),
    "range": indexed(pd.RangeIndex(10, 4, -2, name="r")),
    "range with an odd name": indexed(pd.RangeIndex(2, name=(1, None))),
    "days": indexed(pd.date_range("2020-03-28", periods=3, tz="Europe/Berlin", name="when")),
    "business days": indexed(pd.date_range("2020-03-28", periods=3, freq="B")),
    "seconds": indexed(pd.date_range("2020", periods=3, unit="s")) if pd.__version__ >= "2.3" else indexed(SECONDS),
    "irregular": indexed(pd.to_datetime(["2020-01-01", "2020-01-05", None])),
    "hours": indexed(pd.timedelta_range(0, periods=3, freq="h")),
    "periods": indexed(pd.period_range("2020", periods=3, freq="Q")),
    "intervals": indexed(pd.interval_range(0, 3, name="i")),
    "categories": indexed(pd.CategoricalIndex(["a", "b", "a"], categories=["b", "a", "c"], ordered=True)),
    "masked": indexed(pd.Index([1, None, 3], dtype="Int64")),
    "bools": indexed(pd.Index([True, False])),
    "floats": indexed(pd.Index([np.nan, 1.5])),
    "small": indexed(pd.Index([1, 2], dtype="uint8")),
    "arrow": indexed(pd.Index([1, None], dtype="int64[pyarrow]")),
    "tuples": indexed(pd.Index([(1, 2), (3, 4)], tupleize_cols=False)),
    "named as a column": indexed(pd.Index([5, 6], name="a")),
    "duplicates": indexed(pd.Index([1, 1, 1])),
    "levels": indexed(
        pd.MultiIndex.from_arrays(
            [[1, 2, 2], ["a", None, "c"], pd.Categorical(["u", "v", "u"])], names=["x", None, ("t",)]
        )
    ),
    "levels called by numbers": indexed(pd.MultiIndex.from_arrays([["a", "b"], [1, 2]], names=[1, None])),
    "levels called by other levels' numbers": indexed(pd.MultiIndex.from_arrays([["a", "b"], [1, 2]], names=[1, 0])),
    "one level": indexed(pd.MultiIndex.from_arrays([[1, 2, 2]])),
    "zoned level": indexed(
        pd.MultiIndex.from_arrays(
            [pd.date_range("2020", periods=3, tz="UTC"), pd.period_range("2020", periods=3, freq="M")]
        )
    ),
    "levels of objects": indexed(
        pd.MultiIndex.from_arrays([pd.Index([1, "a", 2.5], dtype=object), pd.Index([1, 2, 2], dtype=object)])
    ),
    "equal names": indexed(
        pd.MultiIndex.from_arrays([pd.interval_range(0, 2), pd.Index([1, None], dtype="Int64")], names=["a", "a"])
    ),
    "unused levels": indexed(pd.MultiIndex.from_product([[1, 2, 3], ["a", "b"]])).iloc[:3],
}

LABELS = {
    "integers": labelled(5, 6, 7),
    "range": Frame(np.eye(3)),
    "mixed": labelled(1, 2, 3, 4, index=pd.Index([1, "1", None, (1, 2)], dtype=object)),
    "duplicates": labelled("a", "a", "b", "a_2"),
    "levels": labelled(1, 2, 3, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["u", None])),
    "datetimes": labelled(1, 2, index=pd.date_range("2020", periods=2, name="when")),
    "dates": labelled(dt.date(2020, 1, 1), dt.date(2020, 1, 2)),
    "categories": labelled(1, 2, index=pd.CategoricalIndex(["a", "b"])),
    "periods": labelled(1, 2, index=pd.period_range("2020", periods=2, freq="M")),
    "intervals": labelled(1, 2, index=pd.interval_range(0, 2)),
    "timedeltas": labelled(1, 2, index=pd.timedelta_range(0, periods=2)),
    "floats": labelled(1.5, np.nan, -np.inf),
    "bools": labelled(True, False),
    "NaN beside text": labelled("a", np.nan),
    "named": labelled(1, 2, index=pd.Index(["a", "b"], name=("n", 1))),
    "objects": labelled(1, 2, index=pd.Index(["a", "b"], dtype=object)),
    "odd text": labelled("é", "", "a.b", "__index_level_0__", " "),
    "named as the index's field": labelled("__index_level_0__").set_axis(["x", "y"]),
}

EMPTY = {
    "nothing": Frame(),
    "no rows": Frame({"a": [], "b": pd.Series([], dtype=TEXT)}),
    "no rows, hard dtypes": Frame(
        {
            "a": pd.Series([], dtype=object),
            "c": pd.Series([], dtype="category"),
            "d": pd.Series([], dtype="datetime64[s]"),
        }
    ),
    "no rows left": Frame({"a": [1], "b": ["x"]}).iloc[:0],
    "no columns": Frame(index=pd.RangeIndex(5)),
    "no columns, labelled rows": Frame(index=pd.Index(["a", "b"], name="n")),
    "no columns, days": Frame(index=pd.date_range("2020", periods=3)),
    "no columns, levels": Frame(index=pd.MultiIndex.from_arrays([[1, 2], ["a", "b"]])),
    "no rows, labels": Frame(columns=["a", "b"]),
    "no labels of two levels": Frame(columns=pd.MultiIndex.from_arrays([[], []])),
}

ALL = {
    f"{group}: {name}": frame
    for group, frames in (
        ("columns", COLUMNS),
        ("category", CATEGORIES),
        ("objects", OBJECTS),
        ("index", INDEXES),
        ("labels", LABELS),
        ("empty", EMPTY),
    )
    for name, frame in frames.items()
}


def spelt(value):
    """`value` as text that tells its type and those of all its parts."""
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = [spelt(part) for part in value]
        return f"{type(value).__name__}{sorted(parts) if isinstance(value, (set, frozenset)) else parts}"
    if isinstance(value, dict):
        return f"dict{[(spelt(key), spelt(part)) for key, part in value.items()]}"
    if isinstance(value, np.ndarray):
        return f"array{value.dtype.str}{value.shape}{[spelt(part) for part in value.reshape(-1).tolist()]}"
    return f"{type(value).__qualname__}({value!r})"


def described(index):
    """All there is to know of an Index."""
    nameless = index.set_names([None] * index.nlevels)  # a level called 1 would be taken for that at 1
    levels = [nameless.get_level_values(level) for level in range(index.nlevels)]
    return (
        type(index).__name__,
        [dtype_of(level) for level in levels],
        [spelt(level.tolist()) for level in levels],
        spelt(list(index.names)),
        str(getattr(index, "freq", None)),
    )


def dtype_of(values):
    """The dtype, with what two equal dtypes may still differ in."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return ("category", dtype.ordered, described(dtype.categories))
    zone = getattr(dtype, "tz", None)
    return (repr(dtype), getattr(dtype, "storage", None), str(zone), type(zone).__name__)


def same_frame(put, got):
    """Whether the frames are the same in everything that their owner could tell apart."""
    assert type(got) is pd.DataFrame
    assert described(put.index) == described(got.index)
    assert described(put.columns) == described(got.columns)
    assert put.shape == got.shape
    for position in range(put.shape[1]):
        before, after = put.iloc[:, position], got.iloc[:, position]
        assert dtype_of(before) == dtype_of(after)
        assert spelt(before.tolist()) == spelt(after.tolist())
    assert spelt(put.attrs) == spelt(got.attrs)
    assert put.flags.allows_duplicate_labels == got.flags.allows_duplicate_labels
    return True
