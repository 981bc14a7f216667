"""Overwriting and deleting items, and what that does to their versions."""

from __future__ import annotations

import pytest

from datafolio import (
    InvalidNameError,
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
)
from tests.porcelain.examples import FRAME, OFF, files, payloads

# Overwriting


def test_an_item_is_not_overwritten_unless_asked(folio):
    folio.add_json("a", 1)
    before = files(folio)
    with pytest.raises(ItemExistsError, match="overwrite=True"):
        folio.add_json("a", 2)
    with pytest.raises(ItemExistsError):
        folio.add_table("a", FRAME)
    assert files(folio) == before
    folio.add_json("a", 2, overwrite=True)
    assert folio.get_json("a") == 2


def test_an_item_may_be_overwritten_by_one_of_another_type(folio):
    folio.add_json("a", 1)
    folio.add_table("a", FRAME, overwrite=True)
    assert folio.data.a.type == "table"
    assert folio.data.a.version == 1


def test_overwrite_of_what_is_not_there_adds_it(folio):
    folio.add_json("a", 1, overwrite=True)
    assert folio.get_json("a") == 1


def test_the_same_content_again_writes_nothing_new(folio):
    folio.add_table("t", FRAME)
    before = files(folio)
    folio.add_table("t", FRAME.copy(), overwrite=True)
    assert files(folio) == before


def test_the_same_content_under_another_description_keeps_its_version_and_payload(folio):
    folio.add_json("a", [1, 2])
    folio.create_snapshot("s", **OFF)
    count, created = payloads(folio), folio.data.a.created_at
    folio.add_json("a", [1, 2], description="said anew", overwrite=True)
    assert (folio.data.a.description, folio.data.a.version, folio.data.a.created_at) == ("said anew", 1, created)
    assert payloads(folio) == count


def test_items_with_the_same_content_share_one_payload(folio):
    folio.add_table("a", FRAME)
    count = payloads(folio)
    folio.add_table("b", FRAME)
    assert payloads(folio) == count


def test_a_version_rises_only_when_a_snapshot_holds_the_one_before(folio):
    folio.add_json("a", 1)
    folio.add_json("a", 2, overwrite=True)
    assert folio.data.a.version == 1
    folio.create_snapshot("s", **OFF)
    folio.add_json("a", 3, overwrite=True)
    folio.add_json("a", 4, overwrite=True)
    assert folio.data.a.version == 2
    assert folio.get_item_info("a")["filename"] == "a_v2.json"


# Deleting


def test_a_deleted_item_is_gone(folio):
    folio.add_json("a", 1)
    folio.delete("a")
    assert "a" not in folio
    with pytest.raises(ItemNotFoundError):
        folio.get_json("a")
    folio.add_json("a", 2)
    assert (folio.get_json("a"), folio.data.a.version) == (2, 1)


def test_only_what_is_there_is_deleted(folio):
    folio.add_json("here", 1)
    with pytest.raises(ItemNotFoundError, match="'here'"):
        folio.delete("missing")
    with pytest.raises(InvalidNameError):
        folio.delete("")


def test_what_snapshots_hold_is_not_deleted_and_they_are_named(folio):
    folio.add_json("a", 1)
    folio.create_snapshot("one", **OFF)
    folio.add_json("a", 2, overwrite=True)
    folio.create_snapshot("two", **OFF)
    folio.add_json("a", 3, overwrite=True)
    with pytest.raises(ItemInUseError, match="snapshots 'one', 'two'"):
        folio.delete("a")
    folio.delete_snapshot("one")
    with pytest.raises(ItemInUseError, match="snapshot 'two'"):
        folio.delete("a")
    folio.delete_snapshot("two")
    folio.delete("a")
    assert folio.items == []


def test_an_input_may_be_deleted_and_is_still_told(folio):
    folio.add_json("raw", 1)
    folio.add_json("made", 2, inputs=["raw"])
    folio.delete("raw")
    assert folio.get_inputs("made") == ["raw"]
