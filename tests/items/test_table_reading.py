"""Reading some columns of a table, and reading files that are not ours or are hostile."""

from __future__ import annotations

import base64
import contextlib
import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datafolio.errors import FolioError, FormatError, UsageError
from datafolio.items import TableType
from datafolio.testing.items import BytesPayload, BytesSink
from tests.items import frames
from tests.items.frames import same_frame


def payload_of(value, directory):
    sink = BytesSink()
    TableType().encode(value, sink)
    return BytesPayload(sink.written(), directory)


def read(value, directory, **options):
    return TableType().decode(payload_of(value, directory), {}, **options)


@pytest.mark.parametrize("name", list(frames.ALL))
def test_any_column_can_be_read_alone_by_its_label(name, tmp_path):
    frame = frames.ALL[name]
    for label in frame.columns[-2:]:
        positions = [at for at, other in enumerate(frame.columns) if frames.spelt(other) == frames.spelt(label)]
        same_frame(frame.iloc[:, positions], read(frame, tmp_path, columns=[label]))


def test_columns_come_in_the_order_asked_for(tmp_path):
    frame = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    same_frame(frame[["c", "a"]], read(frame, tmp_path, columns=["c", "a"]))
    same_frame(frame[["c", "a"]], read(frame, tmp_path, columns=("c", "a")))
    same_frame(frame[["a", "a"]], read(frame, tmp_path, columns=["a", "a"]))


def test_no_columns_leave_the_index(tmp_path):
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    got = read(frame, tmp_path, columns=[])
    assert got.shape == (2, 0)
    assert got.index.tolist() == ["x", "y"]


@pytest.mark.parametrize("as_", ["arrow", "polars"])
def test_columns_are_asked_for_by_label_whatever_they_come_back_as(as_, tmp_path):
    frame = pd.DataFrame([[1, 2]], columns=[10, ("x", 1)])
    got = read(frame, tmp_path, columns=[("x", 1)], as_=as_)
    assert list(got.columns if as_ == "polars" else got.column_names) == ["('x', 1)"]


def test_a_field_with_a_dot_is_not_taken_for_a_part_of_another(tmp_path):
    frame = pd.DataFrame({"a": [1], "a.b": [2]})
    same_frame(frame[["a"]], read(frame, tmp_path, columns=["a"]))


def test_other_columns_are_not_read(tmp_path):
    frame = pd.DataFrame({f"c{i}": np.random.default_rng(i).normal(size=50_000) for i in range(20)})
    payload = payload_of(frame, tmp_path)
    TableType().decode(payload, {}, columns=["c7"])
    assert 0 < sum(file.count for file in payload.opened) < len(payload.read()) / 10


@pytest.mark.parametrize(
    "value",
    [pd.DataFrame({"height": [1], "width": [2]}), pa.table({"height": [1], "width": [2]})],
    ids=["pandas", "arrow"],
)
def test_an_unknown_column_is_named_with_those_that_come_close(value, tmp_path):
    with pytest.raises(UsageError, match=r"no column 'hieght'; close ones are: 'height'$"):
        read(value, tmp_path, columns=["hieght"])
    with pytest.raises(UsageError, match=r"no column 5; it has: 'height', 'width'$"):
        read(value, tmp_path, columns=[5])


def test_a_label_of_another_type_is_another_label(tmp_path):
    with pytest.raises(UsageError, match=r"no column '1'; close ones are: 1$"):
        read(pd.DataFrame({1: [1], 2: [2]}), tmp_path, columns=["1"])


def test_a_list_for_a_label_is_an_unknown_column(tmp_path):
    with pytest.raises(UsageError, match=r"no column \['a'\]"):
        read(pd.DataFrame({1: [1], 2: [2]}), tmp_path, columns=[["a"]])


def test_a_text_for_columns_is_refused_with_the_list_to_give(tmp_path):
    with pytest.raises(UsageError, match=r"columns=\['a'\]"):
        read(pd.DataFrame({"a": [1]}), tmp_path, columns="a")


def test_an_unknown_kind_of_frame_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'spark' is none of 'pandas', 'arrow', 'polars'"):
        read(pd.DataFrame({"a": [1]}), tmp_path, as_="spark")


def parquet(table, directory):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return BytesPayload(sink.getvalue().to_pybytes(), directory)


def test_a_strangers_parquet_file_is_read_as_what_it_is(tmp_path):
    payload = parquet(pa.table({"x": [1, 2], "t": ["a", None]}), tmp_path)
    assert TableType().decode(payload, {})["x"].tolist() == [1, 2]
    assert TableType().decode(payload, {}, columns=["t"]).shape == (2, 1)
    assert TableType().decode(payload, {}, as_="polars")["x"].to_list() == [1, 2]


def test_what_pandas_wrote_by_itself_is_read_as_pandas_would(tmp_path):
    frame = pd.DataFrame({"x": pd.array([1, None], dtype="Int64")}, index=pd.Index(["a", "b"], name="key"))
    frame.to_parquet(tmp_path / "it.parquet")
    got = TableType().decode(BytesPayload((tmp_path / "it.parquet").read_bytes(), tmp_path), {})
    pd.testing.assert_frame_equal(got, frame)


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("code of the file was run",))


BOMB = base64.b64encode(pickle.dumps(Bomb())).decode()
INDEX = {"is": "range", "start": 0, "stop": 2, "step": 1}


def pandas_info(restore=None, **others):
    column = {"field": "x"} if restore is None else {"field": "x", "restore": restore}
    return {"is": "pandas", "columns": [column], "index": INDEX} | others


HOSTILE = {
    "no JSON": b"\xff\xfe",
    "empty": b"",
    "null": None,
    "list": [],
    "no kind": {},
    "other kind": {"is": "pickle", "data": BOMB},
    "newer": pandas_info(version=99),
    "no columns": {"is": "pandas", "columns": [], "index": {"is": "range", "start": 0, "stop": 10**15, "step": 1}},
    "missing field": pandas_info() | {"columns": [{"field": "y"}]},
    "wrong length": pandas_info(index=INDEX | {"stop": 5}),
    "no step": pandas_info(index=INDEX | {"step": 0}),
    "no levels": pandas_info(index={"is": "stored", "levels": []}),
    "no levels of many": pandas_info(index={"is": "stored", "levels": [], "multi": True}),
    "too many labels": pandas_info(labels={"is": "range", "start": 0, "stop": 9, "step": 1}),
    "labels of no type": pandas_info(labels={"is": "flat", "type": "object", "values": ["x"]}),
    "labels of another type": pandas_info(labels={"is": "flat", "type": "int64", "values": ["x"]}),
    "labels in a pickle": pandas_info(labels={"is": "flat", "stream": BOMB}),
    "labels in no base64": pandas_info(labels={"is": "flat", "stream": "é"}),
    "name of a tag": pandas_info(index=INDEX | {"name": {"$import": "os"}}),
    "name unhashable": pandas_info(index=INDEX | {"name": [1]}),
    "attrs": pandas_info(attrs=[1, 2]),
    "unit": pandas_info({"is": "moment", "unit": "fortnight"}),
    "zone": pandas_info({"is": "moment", "unit": "ns", "zone": {"zoneinfo": "../../../etc/passwd"}}),
    "masked": pandas_info({"is": "nullable", "name": "__import__"}),
    "text": pandas_info({"is": "text", "storage": "shell", "missing": "NA"}),
    "arrow": pandas_info({"is": "arrow", "schema": BOMB}),
    "period": pandas_info({"is": "period", "freq": "__import__('os')"}),
    "interval": pandas_info({"is": "interval", "closed": "right"}),
    "category": pandas_info(
        {"is": "category", "ordered": False, "categories": {"is": "flat", "type": "int64", "values": [7]}}
    ),
    "category twice": pandas_info(
        {"is": "category", "ordered": False, "categories": {"is": "flat", "type": "int64", "values": [1, 1, 2]}}
    ),
    "form": pandas_info({"is": "object", "form": "pickle"}),
    "arrays": pandas_info({"is": "object", "form": "array", "dtype": "O"}),
    "missing": pandas_info({"is": "object", "form": "int", "missing": "exec"}),
    "deep": b'{"is":"pandas","attrs":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "arrow schema": {"is": "arrow_table", "source": "arrow", "schema": BOMB},
    "polars file": {"is": "arrow_table", "source": "polars", "polars": BOMB},
}


@pytest.mark.parametrize("as_", ["pandas", "arrow", "polars"])
@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_description_gives_a_frame_or_a_folio_error(name, as_, tmp_path):
    info = HOSTILE[name]
    text = info if isinstance(info, bytes) else json.dumps(info).encode()
    payload = parquet(pa.table({"x": [1, 2]}).replace_schema_metadata({b"datafolio": text}), tmp_path)
    for columns in (None, ["x"]):
        with contextlib.suppress(FolioError):
            assert len(TableType().decode(payload, {}, columns=columns, as_=as_)) in {0, 2, 10**15}


@pytest.mark.parametrize(
    "text", ['{"$import": "os"}', "[", '{"$array": ["O", [5], []]}', '{"$path": 5}', '{"$array": ["<i8", [-1], [1]]}']
)
def test_a_hostile_cell_is_a_format_error(text, tmp_path):
    info = json.dumps(pandas_info({"is": "object", "form": "json"})).encode()
    table = pa.table({"x": [text, text]}).replace_schema_metadata({b"datafolio": info})
    with pytest.raises(FormatError):
        TableType().decode(parquet(table, tmp_path), {})


def test_a_newer_format_says_what_to_do(tmp_path):
    text = json.dumps(pandas_info(version=2)).encode()
    table = pa.table({"x": [1, 2]}).replace_schema_metadata({b"datafolio": text})
    with pytest.raises(FormatError, match="install a newer datafolio"):
        TableType().decode(parquet(table, tmp_path), {})


@pytest.mark.parametrize(
    "text", ["not JSON", "{}", '{"columns": [{"name": "x", "field_name": "x", "numpy_type": "nonsense"}]}']
)
def test_pandas_metadata_that_makes_no_sense_gives_a_frame_or_a_folio_error(text, tmp_path):
    payload = parquet(pa.table({"x": [1, 2]}).replace_schema_metadata({b"pandas": text}), tmp_path)
    with contextlib.suppress(FolioError):
        assert TableType().decode(payload, {})["x"].tolist() == [1, 2]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"hello" * 100, pickle.dumps(Bomb())])
def test_what_is_no_parquet_file_is_a_format_error(data, tmp_path):
    for options in ({}, {"columns": ["x"]}):
        with pytest.raises(FormatError, match="can't be read as a table"):
            TableType().decode(BytesPayload(data, tmp_path), {}, **options)
