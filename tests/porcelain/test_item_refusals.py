"""Items' names, and what can't be added and changes nothing."""

from __future__ import annotations

import datetime as dt
import os
import pathlib

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    InvalidNameError,
    ItemExistsError,
    ReadOnlyError,
    StorageError,
    UnsupportedValueError,
)
from tests.porcelain.examples import files

# Names


@pytest.mark.parametrize(
    "name", ["a", "Ünïcödé", "数据 🗂️", "a b", "../../x", "a/b", "a\\b", ".", "..", "CON", "x" * 255, "$r"]
)
def test_an_item_may_have_any_name_and_stays_inside_the_folio(folio, tmp_path, name):
    folio.add_json(name, 1)
    (tmp_path / "file.txt").write_text("hi")
    folio.add_artifact(name + "!" if len(name) < 255 else "other", tmp_path / "file.txt")
    assert folio.get_json(name) == 1
    assert folio.data[name].content == 1
    assert name in folio.items
    path = folio.get_artifact_path(name + "!" if len(name) < 255 else "other")
    assert path.read_text() == "hi"
    assert os.sep not in path.name
    assert folio.validate()
    assert sorted(os.listdir(tmp_path)) == ["file.txt", "folio"]


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a\nb", "a\0b", "\x1b[0m", "\ud800", "x" * 256, 5, None, b"a"], ids=repr
)
def test_what_can_be_no_name_is_refused(folio, name):
    before = files(folio)
    for call in (lambda: folio.add_json(name, 1), lambda: folio.get_data(name), lambda: folio.delete(name)):
        with pytest.raises(InvalidNameError):
            call()
    assert name not in folio
    assert files(folio) == before


def test_names_that_differ_in_case_or_composition_are_different_items(folio):
    names = ["Data", "data", "DATA", "caf\u00e9", "cafe\u0301"]
    for number, name in enumerate(names):
        folio.add_json(name, number)
    assert [folio.get_json(name) for name in names] == list(range(5))


# One write path, which refuses before anything is written


def refusals(tmp_path):
    (tmp_path / "directory").mkdir(exist_ok=True)
    naive = dt.datetime(2025, 1, 20)  # noqa: DTZ001 - without a zone on purpose
    return {
        "no table": ("add_table", {"a": 1}, UnsupportedValueError),
        "a column of anything": ("add_table", pd.DataFrame({"good": [1], "bad": [object()]}), UnsupportedValueError),
        "a model that can't be pickled": ("add_model", (i for i in ()), UnsupportedValueError),
        "an array of objects": ("add_numpy", np.array([object()]), UnsupportedValueError),
        "no array": ("add_numpy", [1, 2], UnsupportedValueError),
        "no JSON": ("add_json", {"a": object()}, UnsupportedValueError),
        "a time without a zone": ("add_timestamp", naive, UnsupportedValueError),
        "no time": ("add_timestamp", "2025-01-20", UnsupportedValueError),
        "a missing file": ("add_artifact", tmp_path / "missing", UnsupportedValueError),
        "a directory": ("add_artifact", tmp_path / "directory", UnsupportedValueError),
        "no path": ("add_artifact", 5, UnsupportedValueError),
        "a misspelt path": ("add_data", pathlib.Path("missing"), UnsupportedValueError),
    }


@pytest.mark.parametrize(
    "case",
    [
        "no table",
        "a column of anything",
        "a model that can't be pickled",
        "an array of objects",
        "no array",
        "no JSON",
        "a time without a zone",
        "no time",
        "a missing file",
        "a directory",
        "no path",
        "a misspelt path",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_can_not_come_back_is_refused_and_nothing_is_written(folio, tmp_path, case, overwrite):
    method, value, kind = refusals(tmp_path)[case]
    folio.add_json("x", "before")
    before = files(folio)
    with pytest.raises(kind) as caught:
        getattr(folio, method)("x" if overwrite else "y", value, overwrite=overwrite)
    assert str(caught.value)
    assert files(folio) == before
    assert folio.get_json("x") == "before"


def test_a_refused_column_is_named(folio):
    with pytest.raises(UnsupportedValueError, match="column 'bad'"):
        folio.add_table("t", pd.DataFrame({"good": [1], "bad": [object()]}))


def test_every_write_is_refused_through_a_read_only_handle_before_its_value_is_looked_at(folio, tmp_path):
    reader = DataFolio(folio.path, read_only=True)

    class Untouchable:
        def __reduce__(self):
            raise AssertionError("the value was looked at")

    with pytest.raises(ReadOnlyError):
        reader.add_model("m", Untouchable())
    with pytest.raises(ReadOnlyError):
        reader.add_artifact("a", tmp_path / "missing")


def test_a_name_that_is_taken_is_told_before_the_value_is_encoded(folio):
    folio.add_json("a", 1)

    class Untouchable:
        def __reduce__(self):
            raise AssertionError("the value was looked at")

    with pytest.raises(ItemExistsError):
        folio.add_model("a", Untouchable())


def test_a_folio_whose_disk_refuses_is_a_storage_error_and_stays_as_it_was(folio):
    folio.add_json("a", 1)
    for staged in (folio.path / "tmp").iterdir():
        staged.unlink()
    (folio.path / "tmp").rmdir()
    (folio.path / "tmp").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        folio.add_json("b", 1)
    assert folio.items == ["a"]
