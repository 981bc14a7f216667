"""``folio.data.NAME``: the items by attribute."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from datafolio import DataFolio, ItemNotFoundError, UntrustedError

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


@pytest.fixture
def filled(folio: DataFolio) -> DataFolio:
    folio.add_table("raw", pd.DataFrame({"n": [1, 2]}), description="as it came")
    folio.add_numpy("features", np.arange(2), inputs=["raw"])
    folio.add_json("settings 2", {"a": 1})
    folio.add_model("model", len, inputs=["features", "raw"])
    return folio


def test_an_item_tells_what_is_known_of_it(filled):
    item = filled.data.raw
    assert item.content["n"].tolist() == [1, 2]
    assert (item.name, item.type, item.version, item.description) == ("raw", "table", 1, "as it came")
    assert (item.inputs, item.dependents) == ([], ["features", "model"])
    assert item.size == filled.get_item_info("raw")["size"]
    assert item.created_at == filled.get_item_info("raw")["created_at"]
    assert filled.data.model.inputs == ["features", "raw"]
    assert filled.data.model.description is None


def test_an_item_shows_itself(filled):
    assert repr(filled.data.raw).startswith("<table 'raw' version 1, ")
    assert repr(filled.data) == "<data: features, model, raw, settings 2>"
    assert "no items" in repr(DataFolio(filled.path.parent / "empty").data)


def test_names_that_are_no_identifiers_are_had_by_key(filled):
    assert filled.data["settings 2"].content == {"a": 1}


def test_an_item_is_read_afresh(filled):
    item = filled.data["settings 2"]
    DataFolio(filled.path).add_json("settings 2", {"a": 2}, description="anew", overwrite=True)
    assert (item.content, item.description) == ({"a": 2}, "anew")


def test_what_is_not_there_is_an_attribute_error_by_attribute_and_a_key_error_by_key(filled):
    with pytest.raises(AttributeError, match=r"no item 'rwa'.*'raw'"):
        _ = filled.data.rwa
    with pytest.raises(ItemNotFoundError):
        filled.data["rwa"]
    assert not hasattr(filled.data, "rwa")
    assert getattr(filled.data, "rwa", None) is None


@pytest.mark.parametrize("name", ["", " a", "a\nb", "_repr_html_", "_ipython_display_", "__array__", "__len__x"])
def test_looking_for_an_attribute_never_raises_anything_else(filled, name):
    assert not hasattr(filled.data, name)


def test_tab_completion_offers_what_can_be_typed(filled):
    filled.add_json("class", 1)
    assert dir(filled.data) == ["features", "model", "raw"]
    assert filled.data._ipython_key_completions_() == ["class", "features", "model", "raw", "settings 2"]


def test_the_snapshots_complete_their_names(filled):
    filled.create_snapshot("v1", **OFF)
    assert filled.snapshots._ipython_key_completions_() == ["v1"]


def test_a_folio_is_looped_over_by_name_and_is_true_even_when_it_is_empty(filled, tmp_path):
    assert list(filled) == filled.items
    assert DataFolio(tmp_path / "empty")


def test_the_items_are_looped_over_counted_and_asked_for(filled):
    assert list(filled.data) == filled.items
    assert len(filled.data) == 4
    assert "raw" in filled.data
    assert "rwa" not in filled.data
    assert [filled.data[name].type for name in filled.data] == ["numpy", "model", "table", "json"]


def test_a_snapshots_items_are_had_the_same_way(filled):
    filled.create_snapshot("v1", **OFF)
    filled.add_json("settings 2", {"a": 2}, overwrite=True)
    filled.add_json("later", 1)
    old = filled.get_snapshot("v1")
    assert old.data["settings 2"].content == {"a": 1}
    assert (old.data["settings 2"].version, filled.data["settings 2"].version) == (1, 2)
    assert not hasattr(old.data, "later")


def test_trust_is_asked_for_here_too(filled):
    with pytest.raises(UntrustedError):
        _ = DataFolio(filled.path, trust=False).data.model.content


def test_the_accessor_can_be_copied(filled):
    assert copy.copy(filled.data).raw.type == "table"


def test_a_pickled_handle_opens_the_same_folio_with_the_same_rights(filled):
    filled.create_snapshot("v1", **OFF)
    filled.add_json("new", 1)
    for handle in (filled, filled.get_snapshot("v1"), DataFolio(filled.path, read_only=True, trust=False)):
        again = pickle.loads(pickle.dumps(handle))
        assert (again.path, again.read_only, again.snapshot_name) == (
            handle.path,
            handle.read_only,
            handle.snapshot_name,
        )
        assert again.items == handle.items
    with pytest.raises(UntrustedError):
        again.get_model("model")


def test_nothing_is_set_or_deleted_by_attribute(filled):
    with pytest.raises(AttributeError):
        filled.data.raw = 1
    with pytest.raises(AttributeError):
        filled.data.raw.content = 1
    with pytest.raises(AttributeError):
        del filled.data.raw
    assert filled.data.raw.type == "table"
