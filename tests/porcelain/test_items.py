"""Items: what is added comes back."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.linear_model import LinearRegression

from datafolio import (
    DataFolio,
    InvalidNameError,
    ItemNotFoundError,
    ItemTypeError,
    UntrustedError,
    UsageError,
)
from tests.porcelain.examples import FRAME, OFF, figure, files

# Every type, through its own methods and through add_data


def test_a_table_comes_back(folio):
    folio.add_table("t", FRAME)
    pd.testing.assert_frame_equal(folio.get_table("t"), FRAME)
    pd.testing.assert_frame_equal(folio.get_data("t"), FRAME)
    assert folio.data.t.type == "table"


def test_a_table_is_read_in_part_and_as_other_libraries_have_it(folio):
    folio.add_table("t", FRAME)
    assert list(folio.get_table("t", columns=["x", "n"]).columns) == ["x", "n"]
    assert isinstance(folio.get_table("t", as_="arrow"), pa.Table)
    assert isinstance(folio.get_table("t", as_="polars"), pl.DataFrame)
    assert folio.get_table("t", columns=["n"], as_="polars")["n"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "pyarrow"])
def test_the_tables_of_other_libraries_are_tables(folio, make):
    table = make({"n": [1, 2], "s": ["a", "b"]})
    folio.add_table("one", table)
    folio.add_data("two", table)
    for name in ("one", "two"):
        assert folio.data[name].type == "table"
        assert folio.get_table(name, as_="arrow").to_pydict() == {"n": [1, 2], "s": ["a", "b"]}
        assert folio.get_table(name)["n"].tolist() == [1, 2]


def test_the_rows_that_match_filters_are_read_alone_through_every_handle(folio):
    folio.add_table("t", FRAME)
    folio.create_snapshot("s", **OFF)
    for handle in (folio, folio.get_snapshot("s"), folio.snapshots["s"]):
        pd.testing.assert_frame_equal(handle.get_table("t", filters=[("n", ">", 1)]), FRAME[FRAME["n"] > 1])
        got = handle.get_table("t", columns=["x"], filters=[("n", "in", [1, 3])])
        pd.testing.assert_frame_equal(got, FRAME.loc[FRAME["n"].isin([1, 3]), ["x"]])
        assert handle.get_table("t", filters=pc.field("n") == 2, as_="polars")["n"].to_list() == [2]


def test_what_is_no_table_is_not_filtered(folio):
    folio.add_json("j", [1, 2])
    with pytest.raises(ItemTypeError, match="'j' is a json, not a table; use get_json"):
        folio.get_table("j", filters=[("n", ">", 1)])


def test_a_table_that_does_not_exist_is_not_read_in_part_either(folio):
    for part in ({"columns": ["n"]}, {"filters": [("n", ">", 1)]}):
        with pytest.raises(ItemNotFoundError):
            folio.get_table("t", **part)


def test_a_model_predicts_as_before(folio):
    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    folio.add_model("m", model)
    folio.add_data("d", model)
    assert folio.get_model("m").predict([[2.0]]) == pytest.approx([5.0])
    assert folio.data.d.type == "model"


def test_a_function_is_a_model(folio):
    offset = 2
    folio.add_model("f", lambda x: x + offset)
    assert folio.get_model("f")(40) == 42


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3), np.array(5), np.zeros((0, 3), "f4"), np.array(["a", "ü"])], ids=range(4)
)
def test_an_array_comes_back(folio, array):
    folio.add_numpy("a", array)
    folio.add_data("d", array)
    for got in (folio.get_numpy("a"), folio.get_data("d")):
        np.testing.assert_array_equal(got, array)
        assert (got.dtype, got.shape) == (array.dtype, array.shape)


@pytest.mark.parametrize("value", [{"a": [1, None]}, [1, 2], "text", 5, 0.5, True, None, (1, 2), 2**70, {}], ids=repr)
def test_a_json_value_comes_back(folio, value):
    folio.add_json("j", value)
    folio.add_data("d", value)
    assert folio.get_json("j") == folio.get_data("d") == value
    assert type(folio.get_json("j")) is type(value)
    assert folio.data.d.type == "json"


@pytest.mark.parametrize(
    "moment",
    [
        dt.datetime(2025, 1, 20, 15, 30, tzinfo=dt.timezone.utc),
        dt.datetime(2025, 7, 1, tzinfo=ZoneInfo("America/New_York")),
        pd.Timestamp("2025-01-20 15:30:00.123456789", tz="Asia/Tokyo"),
    ],
    ids=str,
)
def test_a_timestamp_comes_back_in_its_zone(folio, moment):
    folio.add_timestamp("t", moment)
    folio.add_data("d", moment)
    for got in (folio.get_timestamp("t"), folio.get_data("d")):
        assert got == moment
        assert type(got) is type(moment)
        assert got.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_comes_back_byte_for_byte_and_named_as_the_item(folio, tmp_path, kind):
    (tmp_path / "my report.pdf").write_bytes(b"%PDF\0\xff")
    folio.add_artifact("report", kind(tmp_path / "my report.pdf"))
    path = folio.get_artifact_path("report")
    assert (path.name, path.read_bytes()) == ("report.pdf", b"%PDF\0\xff")
    assert folio.get_data("report").read_bytes() == b"%PDF\0\xff"


def test_a_path_given_as_data_is_a_file(folio, tmp_path):
    (tmp_path / "notes.txt").write_text("hi")
    folio.add_data("notes", tmp_path / "notes.txt")
    assert folio.data.notes.type == "artifact"
    assert folio.get_artifact_path("notes").read_text() == "hi"


def test_what_is_done_to_a_file_that_came_back_changes_nothing_in_the_folio(folio, tmp_path):
    (tmp_path / "notes.txt").write_text("hi")
    folio.add_artifact("notes", tmp_path / "notes.txt")
    got = folio.get_artifact_path("notes")
    got.chmod(0o644)
    got.write_text("scribbled")
    assert folio.get_artifact_path("notes").read_text() == "hi"
    folio.get_artifact_path("notes").unlink()
    assert folio.get_artifact_path("notes").read_text() == "hi"
    assert folio.validate()


def test_a_figure_is_kept_as_a_picture(folio):
    folio.add_data("f", figure())
    path = folio.get_artifact_path("f")
    assert path.name == "f.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert folio.data.f.type == "figure"
    assert folio.list_contents()["figures"] == ["f"]


def test_items_are_listed_by_type(folio, tmp_path):
    (tmp_path / "file").touch()
    folio.add_table("t", FRAME)
    folio.add_model("m", len)
    folio.add_numpy("n", np.arange(2))
    folio.add_json("j2", 1)
    folio.add_json("j1", 1)
    folio.add_timestamp("z", dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc))
    folio.add_artifact("a", tmp_path / "file")
    assert folio.list_contents() == {
        "tables": ["t"],
        "models": ["m"],
        "arrays": ["n"],
        "json": ["j1", "j2"],
        "timestamps": ["z"],
        "artifacts": ["a"],
        "figures": [],
    }
    assert (folio.tables, folio.models, folio.artifacts) == (["t"], ["m"], ["a"])
    assert folio.items == ["a", "j1", "j2", "m", "n", "t", "z"]
    assert len(folio) == 7
    assert "t" in folio
    assert "missing" not in folio
    assert 5 not in folio


# Descriptions, inputs, information


def test_every_add_takes_a_description_inputs_and_overwrite(folio, tmp_path):
    (tmp_path / "file").touch()
    folio.add_json("raw", 1)
    adds = {
        "table": (folio.add_table, FRAME),
        "model": (folio.add_model, len),
        "numpy": (folio.add_numpy, np.arange(2)),
        "json": (folio.add_json, 1),
        "timestamp": (folio.add_timestamp, dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc)),
        "artifact": (folio.add_artifact, tmp_path / "file"),
        "data": (folio.add_data, {}),
    }
    for name, (add, value) in adds.items():
        add(name, value)
        add(name, value, description=f"the {name}", inputs=["raw"], overwrite=True)
        assert (folio.data[name].description, folio.data[name].inputs) == (f"the {name}", ["raw"])
    assert folio.get_dependents("raw") == sorted(adds)
    assert folio.get_lineage_graph() == {"raw": [], **{name: ["raw"] for name in adds}}


def test_inputs_are_items(folio):
    folio.add_json("a", 1)
    before = files(folio)
    with pytest.raises(ItemNotFoundError, match="'missing'"):
        folio.add_json("b", 2, inputs=["a", "missing"])
    with pytest.raises(UsageError, match=r"inputs=\['a'\]"):
        folio.add_json("b", 2, inputs="a")
    with pytest.raises(UsageError, match="own input"):
        folio.add_json("a", 2, inputs=["a"], overwrite=True)
    with pytest.raises(InvalidNameError):
        folio.add_json("b", 2, inputs=[5])  # type: ignore[list-item]
    assert files(folio) == before


def test_no_inputs_may_be_none(folio):
    folio.add_json("a", 1, inputs=None)
    assert folio.get_inputs("a") == []


@pytest.mark.parametrize("description", [5, "\ud800", b"bytes", ["a"]], ids=repr)
def test_a_description_is_text(folio, description):
    before = files(folio)
    with pytest.raises(UsageError, match="description"):
        folio.add_json("a", 1, description=description)
    assert files(folio) == before


def test_an_items_information_says_what_a_listing_needs(folio):
    folio.add_json("raw", 1)
    folio.add_table("t", FRAME, description="three rows", inputs=["raw"])
    info = folio.get_item_info("t")
    assert {key: info[key] for key in ("name", "type", "version", "filename", "description", "inputs")} == {
        "name": "t",
        "type": "table",
        "version": 1,
        "filename": "t.parquet",
        "description": "three rows",
        "inputs": ["raw"],
    }
    assert len(info["digest"]) == 64
    assert info["size"] > 0
    assert dt.datetime.fromisoformat(info["created_at"].replace("Z", "+00:00")).tzinfo is not None
    json.dumps(info)


def test_every_item_is_listed_with_its_information(folio):
    folio.add_json("b", 1)
    folio.add_json("a", 2, inputs=["b"])
    assert folio.list_items() == [folio.get_item_info("a"), folio.get_item_info("b")]
    assert DataFolio(folio.path, read_only=True).list_items() == folio.list_items()


# Reading


def test_a_name_that_is_not_there_is_told_with_those_that_are(folio):
    folio.add_json("model", 1)
    for read in (folio.get_table, folio.get_model, folio.get_numpy, folio.get_json, folio.get_timestamp):
        with pytest.raises(ItemNotFoundError, match=r"no item 'modle'.*'model'") as caught:
            read("modle")
        assert isinstance(caught.value, KeyError)
    for read in (folio.get_data, folio.get_artifact_path, folio.get_inputs, folio.get_dependents, folio.get_item_info):
        with pytest.raises(ItemNotFoundError):
            read("modle")


def test_the_wrong_getter_names_the_right_one(folio, tmp_path):
    (tmp_path / "file").touch()
    folio.add_table("table", FRAME)
    folio.add_model("model", len)
    folio.add_numpy("numpy", np.arange(2))
    folio.add_json("json", 1)
    folio.add_timestamp("timestamp", dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc))
    folio.add_artifact("artifact", tmp_path / "file")
    folio.add_data("figure", figure())
    getters = {
        "table": folio.get_table,
        "model": folio.get_model,
        "numpy": folio.get_numpy,
        "json": folio.get_json,
        "timestamp": folio.get_timestamp,
        "artifact": folio.get_artifact_path,
    }
    right = {tag: getter.__name__ for tag, getter in getters.items()} | {"figure": "get_artifact_path"}
    for name in folio.items:
        for tag, getter in getters.items():
            if right[name] == getter.__name__:
                getter(name)
                continue
            with pytest.raises(ItemTypeError, match=f"'{name}' is a {name}, not a {tag}; use {right[name]}") as caught:
                getter(name)
            assert isinstance(caught.value, TypeError)


def test_a_handle_that_does_not_trust_the_folio_refuses_to_unpickle_and_reads_all_else(folio):
    folio.add_model("m", print)
    folio.add_table("t", FRAME)
    folio.create_snapshot("s", **OFF)
    wary = DataFolio(folio.path, trust=False)
    for handle in (wary, wary.get_snapshot("s"), wary.snapshots["s"], DataFolio.load_snapshot(folio.path, "s", False)):
        for read in (handle.get_model, handle.get_data):
            with pytest.raises(UntrustedError, match=r"'m' is a model.*trust=True"):
                read("m")
        assert len(handle.get_table("t")) == 3
    with pytest.raises(UntrustedError):
        _ = wary.data.m.content
    assert wary.data.m.type == "model"


def test_a_refused_model_runs_nothing(folio, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    folio.add_model("m", Bomb())
    with pytest.raises(UntrustedError):
        DataFolio(folio.path, trust=False).get_model("m")
    assert not (tmp_path / "exploded").exists()
    folio.get_model("m")
    assert (tmp_path / "exploded").exists()
