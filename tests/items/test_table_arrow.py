"""Arrow and polars tables as table items."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import textwrap
from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datafolio.items import TableType
from datafolio.testing.items import BytesSink, ItemTypeContract


def column(kind, *values):
    return pa.table({"x": pa.array(values, type=kind)})


class Foreign:
    """Another library's table: all it has is the interface."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class TestArrowContract(ItemTypeContract):
    item_type = TableType()
    values: ClassVar = {
        "plain": pa.table({"i": [1, None], "t": ["x", "é"], "f": [1.5, float("nan")]}),
        "chunks": pa.concat_tables([pa.table({"x": [1, 2]}), pa.table({"x": [3]})]),
        "no rows": pa.table({"x": pa.array([], pa.int8())}),
        "seconds": column(pa.timestamp("s", "UTC"), 1, None),
        "seconds of a day": column(pa.time32("s"), 1, None),
        "date64": column(pa.date64(), dt.date(2020, 1, 1), None),
        "large": column(pa.large_string(), "a", None),
        "lists": column(pa.list_(pa.field("thing", pa.int8())), [1], None, []),
        "structs": column(pa.struct([("a", pa.timestamp("s"))]), {"a": 1}, None),
        "maps": column(pa.map_(pa.string(), pa.int8()), [("a", 1)], None),
        "text dictionary": column(pa.dictionary(pa.int8(), pa.string()), "a", None, "a"),
        "number dictionary": column(pa.dictionary(pa.int8(), pa.int64(), ordered=True), 7, None, 7),
        "decimal": column(pa.decimal128(5, 2), decimal.Decimal("1.10"), None),
        "null": column(pa.null(), None),
        "half": column(pa.float16(), np.float16(1.5), None),
        "duration": column(pa.duration("s"), 5, None),
        "metadata": pa.table({"x": [1]}).replace_schema_metadata({"owner": "me", "pandas": "not JSON"}),
        "field metadata": pa.table(
            [[1]], schema=pa.schema([pa.field("x", pa.int64(), nullable=False, metadata={"unit": "m"})])
        ),
        "no columns": pa.table({}),
    }
    refused: ClassVar = {
        "month intervals": (column(pa.month_day_nano_interval(), None), "column 'x' holds .*month_day_nano"),
        "two of a name": (pa.table([[1], [2]], names=["a", "a"]), "column 'a' is there twice"),
        "no table": (pa.chunked_array([[1]]), "does not give an Arrow table"),
        "rows without columns": (pa.table({"x": [1]}).select([]), "rows and no columns"),
        "not a table": (3, "a int is neither"),
        "polars series": (pl.Series([1]), r"Series is one column.*to_frame\(\)"),
    }

    def decoded(self, data, told, directory, **options):
        return super().decoded(data, told, directory, **{"as_": "arrow"} | options)

    def same(self, put, got):
        return (
            put.schema.equals(got.schema, check_metadata=True)
            and str(put.schema) == str(got.schema)
            and (repr(put.to_pylist()) == repr(got.to_pylist()))
        )


def reads_arrays():
    """Whether this version of pyarrow can read the fixed-size lists with nulls that it writes to Parquet."""
    sink = pa.BufferOutputStream()
    pq.write_table(column(pa.list_(pa.int8(), 2), None), sink)
    try:
        pq.read_table(pa.BufferReader(sink.getvalue()))
    except pa.ArrowInvalid:
        return False
    return True


class TestPolarsContract(ItemTypeContract):
    item_type = TableType()
    values: ClassVar = {
        "plain": pl.DataFrame({"i": [1, None], "t": ["x", "é"], "f": [1.5, float("nan")], "b": [True, None]}),
        "enum": pl.DataFrame({"x": pl.Series(["a", None], dtype=pl.Enum(["b", "a"]))}),
        "unused enum": pl.DataFrame({"x": pl.Series([None], dtype=pl.Enum([]))}),
        "categorical": pl.DataFrame({"x": pl.Series(["b", None, "a"], dtype=pl.Categorical)}),
        "durations": pl.DataFrame({unit: pl.Series([5, None], dtype=pl.Duration(unit)) for unit in ("ms", "us", "ns")}),
        "datetimes": pl.DataFrame({"x": pl.Series([10**12], dtype=pl.Datetime("ms", "Europe/Berlin"))}),
        "dates and times": pl.DataFrame({"d": [dt.date(2020, 1, 1), None], "t": [dt.time(1, 2, 3), None]}),
        "lists": pl.DataFrame({"x": [[1, 2], None, []]}),
        "structs": pl.DataFrame({"x": [{"a": 1, "b": [{"c": "d"}]}]}),
        "enum inside": pl.DataFrame({"x": pl.Series([["a"]], dtype=pl.List(pl.Enum(["b", "a"])))}),
        "decimal": pl.DataFrame({"x": pl.Series([decimal.Decimal("1.10"), None], dtype=pl.Decimal(10, 2))}),
        "binary": pl.DataFrame({"x": [b"\xff", None]}),
        "null": pl.DataFrame({"x": [None, None]}),
        "small": pl.DataFrame({"x": pl.Series([1], dtype=pl.UInt8), "y": pl.Series([1.5], dtype=pl.Float32)}),
        "no rows": pl.DataFrame(schema={"x": pl.Enum(["a"]), "y": pl.List(pl.Int8)}),
        "nothing": pl.DataFrame(),
        **(
            {"arrays": pl.DataFrame({"x": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2))})}
            if reads_arrays()
            else {}
        ),
        "chunks": pl.concat([pl.DataFrame({"x": ["a"]}), pl.DataFrame({"x": ["b"]})], rechunk=False),
    }
    refused: ClassVar = {
        "objects": (
            pl.DataFrame({"ok": [1], "x": pl.Series([object()], dtype=pl.Object)}),
            "column 'x' holds .*Object",
        ),
    }

    def decoded(self, data, told, directory, **options):
        return super().decoded(data, told, directory, **{"as_": "polars"} | options)

    def same(self, put, got):
        return put.schema == got.schema and put.equals(got)


def through(value, tmp_path, **options):
    contract = TestArrowContract()
    return contract.decoded(*contract.encoded(value, tmp_path), tmp_path, **options)


def test_anything_with_the_interface_is_a_table(tmp_path):
    table = pa.table({"x": [1, 2]})
    assert TableType().matches(Foreign(table))
    assert through(Foreign(table), tmp_path).equals(table)


def test_a_reader_of_batches_is_written_as_it_comes(tmp_path):
    made = []
    noise = np.random.default_rng(0).normal(size=100_000)

    def batches():
        for number in range(40):
            made.append(number)
            yield pa.record_batch({"x": np.full(100_000, number), "y": noise})

    class Watch(BytesSink):
        first = None

        def write(self, data):
            if self.first is None and memoryview(data).nbytes > 1000:
                self.first = len(made)
            return super().write(data)

    sink = Watch()
    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64()), ("y", pa.float64())]), batches())
    told = TableType().encode(reader, sink)
    assert told.facts["shape"] == [4_000_000, 2]
    assert sink.first < 15
    file = pq.ParquetFile(pa.BufferReader(sink.written()))
    assert file.num_row_groups < 10
    assert file.read(["x"]).column("x").unique().to_pylist() == list(range(40))


def test_an_error_of_the_stream_itself_is_told(tmp_path):
    def batches():
        yield pa.record_batch({"x": [1]})
        raise ValueError("the source broke off")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", pa.int64())]), batches())
    with pytest.raises(ValueError, match="the source broke off"):
        TableType().encode(reader, BytesSink())


@pytest.mark.parametrize(
    ("value", "source", "dtypes"),
    [
        (pa.table({"x": [1]}), "arrow", ["int64"]),
        (pl.DataFrame({"x": [1]}), "polars", ["Int64"]),
    ],
)
def test_the_facts_tell_the_source_and_its_own_dtypes(value, source, dtypes):
    facts = TableType().encode(value, BytesSink()).facts
    assert facts == {"shape": [1, 1], "columns": ["x"], "dtypes": dtypes, "source": source}


@pytest.mark.parametrize(
    "value", [pa.table({"x": [1], "t": ["a"]}), pl.DataFrame({"x": [1], "t": ["a"]})], ids=["arrow", "polars"]
)
def test_every_source_is_read_as_every_kind(value, tmp_path):
    assert through(value, tmp_path, as_="pandas").to_dict("list") == {"x": [1], "t": ["a"]}
    assert through(value, tmp_path, as_="arrow").to_pydict() == {"x": [1], "t": ["a"]}
    assert through(value, tmp_path, as_="polars").to_dict(as_series=False) == {"x": [1], "t": ["a"]}


def test_a_pandas_table_gives_its_fields_and_index_as_arrow_and_polars(tmp_path):
    frame = pd.DataFrame({1: [1], "p": pd.period_range("2020", periods=1, freq="M")}, index=pd.Index(["r"], name="key"))
    assert through(frame, tmp_path, as_="arrow").column_names == ["1", "p", "key"]
    got = through(frame, tmp_path, as_="polars")
    assert got.columns == ["1", "p", "key"]
    assert got["key"].to_list() == ["r"]


def test_a_missing_polars_says_how_to_install_it(tmp_path):
    """In a program of its own, where the import of polars finds nothing."""
    code = """
        import sys
        sys.modules["polars"] = None
        import pathlib
        import pyarrow as pa
        from datafolio.errors import MissingDependencyError
        from datafolio.items import TableType
        from datafolio.testing.items import BytesPayload, BytesSink
        sink = BytesSink()
        TableType().encode(pa.table({"x": [1]}), sink)
        try:
            TableType().decode(BytesPayload(sink.written(), pathlib.Path()), {}, as_="polars")
        except MissingDependencyError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True)
    assert "pip install 'datafolio[polars]'" in done.stdout, done.stderr
