"""Pandas frames as table items."""

from __future__ import annotations

import datetime as dt
import io
import signal
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datafolio.errors import UnsupportedValueError
from datafolio.items import TableType
from datafolio.testing.items import BytesSink, ItemTypeContract
from tests.items import frames
from tests.items.frames import Frame, same_frame


class Special(pd.DataFrame):
    @property
    def _constructor(self):
        return Special


class Thing:
    pass


def freq_of_holidays():
    return pd.date_range("2020-01-01", periods=3, freq=pd.offsets.CustomBusinessDay(holidays=["2020-01-02"]))


def itself():
    made = []
    made.append(made)
    return made


class TestPandasContract(ItemTypeContract):
    item_type = TableType()
    values: ClassVar = frames.ALL
    refused: ClassVar = {
        "series": (pd.Series([1], name="x"), r"Series is one column.*to_frame\(\)"),
        "subclass": (Special({"a": [1]}), r"Special would come back as a plain DataFrame"),
        "sparse": (Frame({"x": pd.arrays.SparseArray([0, 1])}), r"column 'x' holds .*Sparse.*to_dense\(\)"),
        "complex": (Frame({"ok": [1], "x": [1j]}), "column 'x' holds values of dtype complex128"),
        "long double": (Frame({"x": np.array([1], np.longdouble)}), "column 'x' holds values of dtype float128"),
        "big-endian": (Frame({"x": np.array([1], ">i4")}), "column 'x' holds values of dtype >i4"),
        "object": (frames.objects(1, "a", {}, Thing()), r"column 'x' holds a .*Thing.* \(row 3\)"),
        "object inside": (frames.objects({"a": [Thing()]}), r"column 'x' holds a .*Thing.* \(row 0\)"),
        "enum": (frames.objects(signal.SIGINT, None), r"column 'x' holds a signal\.Signals"),
        "itself": (frames.objects(itself()), "column 'x' holds .*nested"),
        "text": (frames.objects("a", "\ud800"), r"column 'x' .*\(row 1\)"),
        "category": (frames.category([Thing()]), "column 'x': its categories holds a .*Thing"),
        "label": (Frame([[1]], columns=pd.Index([Thing()])), "the columns' labels holds a .*Thing"),
        "label's text": (Frame([[1]], columns=pd.Index(["\ud800"], dtype=object)), "not valid Unicode"),
        "name": (Frame({"a": [1]}, index=pd.RangeIndex(1, name=Thing)), "the name of the index"),
        "index": (Frame({"a": [1]}, index=[Thing()]), "the index holds a .*Thing"),
        "level": (Frame({"a": [1]}, index=[[1], [Thing()]]), "level 1 of the index holds a .*Thing"),
        "attrs": (
            frames.with_attrs().pipe(lambda f: f.attrs.update(a=Thing()) or f),
            "attrs of the frame holds a .*Thing",
        ),
        "freq": (Frame({"a": range(3)}, index=freq_of_holidays()), "the index has the freq"),
        "too early": (Frame({"x": np.array([-(2**62)], "i8").view("M8[s]")}), "column 'x' holds values"),
        "arrow type": (
            Frame({"x": pd.array([None], dtype=pd.ArrowDtype(pa.month_day_nano_interval()))}),
            "column 'x' holds values of dtype month_day",
        ),
    }

    def same(self, put, got):
        return same_frame(put, got)


def encoded(frame):
    sink = BytesSink()
    return sink, TableType().encode(frame, sink)


def test_the_facts_tell_shape_columns_dtypes_and_source():
    _, told = encoded(Frame({"a": [1, 2], 5: [1.5, 2.5]}))
    assert told.facts == {"shape": [2, 2], "columns": ["a", "5"], "dtypes": ["int64", "float64"], "source": "pandas"}


def test_the_facts_list_at_most_a_hundred_columns():
    _, told = encoded(Frame(np.zeros((1, 150))))
    assert told.facts["shape"] == [1, 150]
    assert len(told.facts["columns"]) == len(told.facts["dtypes"]) == 100


ORDINARY = Frame(
    {
        "i": [1, 2],
        "t": ["x", "y"],
        "when": pd.date_range("2020", periods=2, tz="UTC"),
        "c": pd.Categorical(["a", "b"]),
        "n": pd.array([1, None], dtype="Int64"),
        "f": [1.5, np.nan],
    },
    index=pd.Index(["r", "s"], name="key"),
)


def test_pandas_alone_reads_an_ordinary_table_as_it_is():
    sink, _ = encoded(ORDINARY)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(sink.written())), ORDINARY)


def test_pandas_alone_keeps_a_range_index_and_levels():
    for index in (
        pd.RangeIndex(5, 1, -2, name="r"),
        pd.MultiIndex.from_arrays([[1, 2], ["a", "b"]], names=["x", None]),
    ):
        frame = ORDINARY.set_axis(index)
        sink, _ = encoded(frame)
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(sink.written())), frame)


@pytest.mark.parametrize("name", list(frames.ALL))
def test_pandas_alone_reads_every_table_somehow(name):
    frame = frames.ALL[name]
    sink, _ = encoded(frame)
    got = pd.read_parquet(io.BytesIO(sink.written()))
    assert got.shape[1] == frame.shape[1]
    # Parquet has no place for the number of rows of no columns.
    assert len(got) == (len(frame) if frame.shape[1] or not isinstance(frame.index, pd.RangeIndex) else 0)


def test_polars_alone_reads_an_ordinary_table_as_it_is():
    sink, _ = encoded(ORDINARY)
    got = pl.read_parquet(io.BytesIO(sink.written()))
    assert got["i"].to_list() == [1, 2]
    assert got["c"].to_list() == ["a", "b"]
    assert got["f"].to_list() == [1.5, None]
    assert got["key"].to_list() == ["r", "s"]
    assert got["when"].dtype == pl.Datetime("us" if pd.__version__ >= "3" else "ns", "UTC")


def test_objects_that_need_it_are_json_text_for_other_readers():
    sink, _ = encoded(frames.objects({"a": 1}, [1, "b"]))
    assert pq.read_table(pa.BufferReader(sink.written())).column("x").to_pylist() == ['{"a":1}', '[1,"b"]']


def test_labels_are_their_text_for_other_readers():
    sink, _ = encoded(Frame([[1, 2, 3]], columns=[dt.date(2020, 1, 1), 5, "a"]))
    assert pq.read_schema(pa.BufferReader(sink.written())).names == ["2020-01-01", "5", "a"]


def test_the_frame_that_was_given_is_left_alone():
    for frame in frames.ALL.values():
        before = frame.copy(deep=True)
        before.attrs = dict(frame.attrs)
        encoded(frame)
        same_frame(before, frame)


def test_what_comes_back_can_be_changed_in_place(tmp_path):
    contract = TestPandasContract()
    for name in ("columns: numbers", "columns: datetimes", "columns: zones", "columns: masked", "objects: text"):
        got = contract.decoded(*contract.encoded(frames.ALL[name], tmp_path), tmp_path)
        for position in range(got.shape[1]):
            got.iloc[0, position] = got.iloc[-1, position]
        assert spelt_rows(got)[0] == spelt_rows(got)[-1]


def spelt_rows(frame):
    return [[frames.spelt(value) for value in row] for row in frame.itertuples(index=False, name=None)]


def test_many_rows_take_more_than_one_row_group_and_come_back(tmp_path):
    rows = (1 << 20) + 5
    frame = Frame(
        {
            "i": np.arange(rows),
            "c": pd.Categorical.from_codes(np.arange(rows) % 3 - 1, ["u", "v"]),
            "n": pd.arrays.IntegerArray(np.arange(rows), np.arange(rows) % 7 == 0),
        }
    )
    contract = TestPandasContract()
    data, told = contract.encoded(frame, tmp_path)
    assert pq.ParquetFile(pa.BufferReader(data)).num_row_groups == 2
    got = contract.decoded(data, told, tmp_path)
    assert np.array_equal(got["i"], frame["i"])
    assert np.array_equal(got["c"].cat.codes, frame["c"].cat.codes)
    assert got["c"].dtype == frame["c"].dtype
    assert got["n"].array.equals(frame["n"].array)


def test_a_refusal_says_what_to_do():
    with pytest.raises(UnsupportedValueError, match=r"store them with add_model"):
        encoded(frames.objects(Thing()))
