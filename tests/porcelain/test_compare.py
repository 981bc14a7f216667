"""Comparing snapshots, going back to them, deleting them, and what that frees."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    ItemInUseError,
    SnapshotNotFoundError,
    UsageError,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def files(folio: DataFolio, folder: str = "objects") -> dict[str, bytes]:
    root = folio.path / folder
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Comparing


def test_a_comparison_names_what_differs(story):
    diff = story.compare_snapshots("v1", "v2")
    assert diff == {
        "added_items": ["new"],
        "removed_items": [],
        "modified_items": ["settings"],
        "shared_items": ["data", "dropped"],
        "metadata_changes": {"accuracy": (0.89, 0.91), "gone": (1, None), "extra": (None, True)},
    }
    back = story.compare_snapshots("v2", "v1")
    assert (back["added_items"], back["removed_items"]) == ([], ["new"])
    assert back["metadata_changes"]["accuracy"] == (0.91, 0.89)


def test_a_comparison_with_itself_shows_no_difference(story):
    diff = story.compare_snapshots("v1", "v1")
    assert diff["shared_items"] == ["data", "dropped", "settings"]
    assert not any(diff[key] for key in ("added_items", "removed_items", "modified_items", "metadata_changes"))


def test_the_same_bytes_written_again_are_no_modification(folio):
    folio.add_table("t", pd.DataFrame({"n": [1]}))
    folio.create_snapshot("one", **OFF)
    folio.add_table("t", pd.DataFrame({"n": [1]}), description="again", overwrite=True)
    folio.create_snapshot("two", **OFF)
    folio.add_table("t", pd.DataFrame({"n": [2]}), overwrite=True)
    folio.create_snapshot("three", **OFF)
    folio.add_table("t", pd.DataFrame({"n": [1]}), overwrite=True)
    folio.create_snapshot("four", **OFF)
    assert folio.compare_snapshots("one", "two")["modified_items"] == []
    assert folio.compare_snapshots("one", "three")["modified_items"] == ["t"]
    assert folio.compare_snapshots("one", "four")["shared_items"] == ["t"]


def test_metadata_are_compared_as_they_are_kept(folio):
    folio.metadata = {"nan": math.nan, "deep": {"a": [1]}, "kind": 1, "none": None}
    folio.create_snapshot("one", **OFF)
    folio.metadata = {"nan": math.nan, "deep": {"a": [2]}, "kind": 1.5}
    folio.create_snapshot("two", **OFF)
    assert folio.compare_snapshots("one", "two")["metadata_changes"] == {
        "deep": ({"a": [1]}, {"a": [2]}),
        "kind": (1, 1.5),
        "none": (None, None),
    }


def test_the_lists_of_a_comparison_are_sorted_however_many_items_there_are(folio):
    with folio.batch():
        for number in range(600):
            folio.add_json(f"i{number}", number % 7)
    folio.create_snapshot("one", **OFF)
    with folio.batch():
        for number in range(0, 600, 3):
            folio.add_json(f"i{number}", -1, overwrite=True)
        for number in range(600, 900):
            folio.add_json(f"i{number}", number % 7)
    folio.create_snapshot("two", **OFF)
    diff = folio.compare_snapshots("one", "two")
    assert diff["added_items"] == sorted(f"i{number}" for number in range(600, 900))
    assert diff["modified_items"] == sorted(f"i{number}" for number in range(0, 600, 3))
    assert diff["shared_items"] == sorted(f"i{number}" for number in range(600) if number % 3)
    assert folio.compare_snapshots("two", "one")["removed_items"] == diff["added_items"]
    assert folio.get_snapshot("one").items == sorted(f"i{number}" for number in range(600))


def test_the_work_since_a_snapshot_is_told(story):
    diff = story.diff_from_snapshot()
    assert diff["modified_items"] == ["settings"]
    assert diff["metadata_changes"] == {"accuracy": (0.91, 0.5)}
    assert story.diff_from_snapshot("v1")["added_items"] == ["new"]
    assert story.get_snapshot("v1").diff_from_snapshot("v2")["removed_items"] == ["new"]


def test_without_a_snapshot_there_is_nothing_to_differ_from(folio):
    with pytest.raises(UsageError, match="create_snapshot"):
        folio.diff_from_snapshot()


# Versions


def test_version_numbers_rise_where_snapshots_hold_the_one_before_and_never_come_back(folio):
    def version() -> int:
        return folio.data.a.version

    folio.add_json("a", 0)
    folio.create_snapshot("s1", **OFF)
    folio.create_snapshot("s2", **OFF)
    folio.add_json("a", 1, overwrite=True)
    assert version() == 2
    folio.add_json("a", 2, overwrite=True)
    assert version() == 2
    folio.create_snapshot("s3", **OFF)
    folio.restore_snapshot("s1")
    assert version() == 1
    folio.add_json("a", 3, overwrite=True)
    assert version() == 3
    folio.create_snapshot("s4", **OFF)
    versions = {info["name"]: info["item_versions"]["a"] for info in folio.list_snapshots()}
    assert versions == {"s1": 1, "s2": 1, "s3": 2, "s4": 3}
    assert [folio.get_snapshot(name).get_json("a") for name in versions] == [0, 0, 2, 3]


# Restoring


def test_restoring_brings_items_and_metadata_back(story):
    payloads = files(story)
    story.restore_snapshot("v1")
    assert story.items == ["data", "dropped", "settings"]
    assert story.get_json("settings") == {"lr": 0.1}
    assert story.metadata == {"accuracy": 0.89, "same": [1], "gone": 1}
    assert story.diff_from_snapshot("v1")["metadata_changes"] == {}
    assert set(payloads) <= set(files(story))
    assert list(story.snapshots) == ["v1", "v2"]
    assert story.get_snapshot("v2").get_json("settings") == {"lr": 0.2}


def test_work_goes_on_after_restoring_and_no_snapshot_changes(story):
    whole = story.list_snapshots()
    story.restore_snapshot("v1")
    story.add_json("settings", {"lr": 0.4}, overwrite=True)
    story.metadata["accuracy"] = 1.0
    story.create_snapshot("v3", **OFF)
    assert story.list_snapshots()[:2] == whole
    assert story.get_snapshot("v1").get_json("settings") == {"lr": 0.1}
    assert story.compare_snapshots("v1", "v3")["modified_items"] == ["settings"]


# Deleting, and what that frees


def test_deleting_a_snapshot_leaves_the_others_and_the_files(story):
    before = files(story)
    assert story.delete_snapshot("v1") == []
    assert list(story.snapshots) == ["v2"]
    assert set(before) <= set(files(story))
    with pytest.raises(SnapshotNotFoundError, match="'v2'"):
        story.get_snapshot("v1")


def test_deleting_with_cleanup_tells_what_it_freed(story):
    freed = story.delete_snapshot("v1", cleanup_orphans=True)
    assert [(orphan["item"], orphan["version"]) for orphan in freed] == [("settings", 1)]
    assert freed[0]["bytes"] == len('{"lr":0.1}')
    assert len(freed[0]["digest"]) == 64
    assert "v1" in freed[0]["last_held_by"]
    assert str(freed[0]) == "settings version 1 (10 bytes)"
    assert story.get_snapshot("v2").get_json("settings") == {"lr": 0.2}
    assert story.validate()


def test_a_dry_run_frees_nothing_and_tells_the_same(story):
    story.delete_snapshot("v1")
    before = files(story), files(story, "log")
    would = story.cleanup_orphaned_versions(dry_run=True)
    assert (files(story), files(story, "log")) == before
    assert story.cleanup_orphaned_versions() == would
    assert f"Would delete: {would}" == "Would delete: [settings version 1 (10 bytes)]"
    assert story.cleanup_orphaned_versions(dry_run=True) == []
    assert story.cleanup_orphaned_versions() == []


def test_collecting_deletes_the_payload_and_nothing_that_is_needed(folio):
    folio.add_numpy("a", np.arange(50_000))
    folio.create_snapshot("s", **OFF)
    folio.add_numpy("a", np.arange(1, 50_001), overwrite=True)
    big = sum(map(len, files(folio).values()))
    assert folio.cleanup_orphaned_versions() == []
    freed = folio.delete_snapshot("s", cleanup_orphans=True)
    assert sum(map(len, files(folio).values())) < big - 350_000
    assert [orphan["version"] for orphan in freed] == [1]
    assert folio.get_numpy("a")[0] == 1
    assert folio.validate()


def test_content_that_comes_back_after_it_was_freed_is_whole(folio):
    for _ in range(3):
        folio.add_json("a", [1] * 100, overwrite=True)
        folio.create_snapshot("s", **OFF)
        folio.add_json("a", 2, overwrite=True)
        folio.delete_snapshot("s", cleanup_orphans=True)
    folio.add_json("a", [1] * 100, overwrite=True)
    assert folio.get_json("a") == [1] * 100
    assert folio.validate()


def test_an_overwritten_item_that_no_snapshot_held_is_an_orphan(folio):
    folio.add_json("a", "first")
    folio.add_json("a", "second", overwrite=True)
    orphans = folio.cleanup_orphaned_versions()
    assert [(orphan["item"], orphan["version"]) for orphan in orphans] == [("a", 1)]


def test_an_item_can_be_deleted_once_no_snapshot_holds_it(folio):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    with pytest.raises(ItemInUseError, match="snapshot 's'"):
        folio.delete("a")
    folio.delete_snapshot("s", cleanup_orphans=True)
    folio.delete("a")
    assert folio.items == []
