"""Reading snapshots: views, read-only handles, and names that are not there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    FolioNotFoundError,
    ItemNotFoundError,
    ReadOnlyError,
    SnapshotNotFoundError,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def files(folio: DataFolio, folder: str = "objects") -> dict[str, bytes]:
    root = folio.path / folder
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Names that are not there


@pytest.mark.parametrize("name", ["missing", "", "a b", "x" * 200])
def test_a_snapshot_that_is_not_there_is_told_with_those_that_are(story, name):
    log = files(story, "log")
    for call in (
        lambda: story.get_snapshot(name),
        lambda: story.get_snapshot_info(name),
        lambda: story.snapshots[name],
        lambda: story.compare_snapshots("v1", name),
        lambda: story.compare_snapshots(name, "v1"),
        lambda: story.diff_from_snapshot(name),
        lambda: story.restore_snapshot(name),
        lambda: story.delete_snapshot(name),
        lambda: story.delete_snapshot(name, cleanup_orphans=True),
        lambda: story.export_snapshot(name, story.path.parent / "out"),
        lambda: story.reproduce_instructions(name),
        lambda: DataFolio.load_snapshot(story.path, name),
    ):
        with pytest.raises(SnapshotNotFoundError, match="'v2', 'v1'") as caught:
            call()
        assert isinstance(caught.value, KeyError)
    assert not (story.path.parent / "out").exists()
    assert files(story, "log") == log


@pytest.mark.parametrize("name", [None, 5, "\ud800", ["v1"]], ids=repr)
def test_what_is_no_name_at_all_is_a_snapshot_that_is_not_there(story, name):
    for call in (story.get_snapshot, story.get_snapshot_info, story.delete_snapshot, story.restore_snapshot):
        with pytest.raises(SnapshotNotFoundError):
            call(name)
    assert story.snapshots.get(name) is None


def test_a_snapshot_of_a_folio_that_is_not_there_is_told_and_nothing_is_made(tmp_path):
    with pytest.raises(FolioNotFoundError):
        DataFolio.load_snapshot(tmp_path / "missing", "v1")
    assert list(tmp_path.iterdir()) == []


# Views


def test_the_snapshots_are_a_mapping(story):
    snapshots = story.snapshots
    assert isinstance(snapshots, Mapping)
    assert list(snapshots) == list(snapshots.keys()) == ["v1", "v2"]
    assert [view.name for view in snapshots.values()] == ["v1", "v2"]
    assert [(name, view.name) for name, view in snapshots.items()] == [("v1", "v1"), ("v2", "v2")]
    assert len(snapshots) == 2
    assert "v1" in snapshots
    assert "missing" not in snapshots
    assert 5 not in snapshots
    assert snapshots.get("missing") is None
    assert snapshots.get("v1").name == "v1"
    assert repr(snapshots) == "<snapshots: v1, v2>"
    with pytest.raises(TypeError):
        snapshots["v3"] = 1
    story.create_snapshot("v3", **OFF)
    assert list(snapshots) == ["v1", "v2", "v3"]


def test_a_view_tells_of_its_snapshot(story):
    view = story.snapshots["v1"]
    info = story.get_snapshot_info("v1")
    assert (view.name, view.description, view.tags) == ("v1", "the first", ["a", "b"])
    assert (view.timestamp, view.metadata) == (info["timestamp"], info["metadata_snapshot"])
    assert view.item_versions == {"data": 1, "settings": 1, "dropped": 1}
    assert type(view.metadata) is dict
    assert "'v1'" in repr(view)
    assert view.items == ["data", "dropped", "settings"]
    assert view.list_contents()["tables"] == ["data"]
    assert view.get_table("data")["n"].tolist() == [1, 2]
    assert view.get_json("settings") == view.get_data("settings") == {"lr": 0.1}
    with pytest.raises(ItemNotFoundError):
        view.get_json("new")


def test_a_view_reads_no_payload_until_asked(story):
    for path in (story.path / "objects").rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"PAR1":
            path.unlink()
    view = story.snapshots["v1"]
    assert view.metadata["accuracy"] == 0.89
    assert view.items == ["data", "dropped", "settings"]


def test_a_view_can_not_write(story):
    view = story.snapshots["v1"]
    assert not [name for name in dir(view) if name.startswith(("add_", "delete", "create", "restore"))]


# Handles on a snapshot


def test_a_snapshot_is_had_in_the_same_way_from_the_class_and_from_a_handle(story):
    for old in (
        story.get_snapshot("v1"),
        DataFolio.load_snapshot(story.path, "v1"),
        DataFolio.load_snapshot(str(story.path), "v1"),
    ):
        assert isinstance(old, DataFolio)
        assert old.read_only is True
        assert old.snapshot_name == "v1"
        assert old.path == story.path
        assert old.get_table("data")["n"].tolist() == [1, 2]
        assert old.metadata["accuracy"] == 0.89
        assert old.describe()
        assert len(old) == 3
    assert story.snapshot_name is None


def test_a_handle_on_a_snapshot_knows_the_folios_others(story):
    old = story.get_snapshot("v1")
    assert list(old.snapshots) == ["v1", "v2"]
    assert old.get_snapshot("v2").get_json("new") == 1
    assert old.compare_snapshots("v1", "v2")["added_items"] == ["new"]
    assert old.cleanup_orphaned_versions(dry_run=True) == []
    assert old.validate()


def writes(handle: DataFolio, file: Path):
    """Every method that changes a folio."""
    return {
        "add_table": lambda: handle.add_table("x", pd.DataFrame({"n": [1]})),
        "add_model": lambda: handle.add_model("x", len),
        "add_numpy": lambda: handle.add_numpy("x", np.arange(2)),
        "add_json": lambda: handle.add_json("x", 1),
        "add_timestamp": lambda: handle.add_timestamp("x", dt.datetime.now(dt.timezone.utc)),
        "add_artifact": lambda: handle.add_artifact("x", file),
        "add_data": lambda: handle.add_data("x", 1),
        "overwrite": lambda: handle.add_json("settings", 1, overwrite=True),
        "delete": lambda: handle.delete("settings"),
        "delete of nothing": lambda: handle.delete("missing"),
        "create_snapshot": lambda: handle.create_snapshot("v9"),
        "restore_snapshot": lambda: handle.restore_snapshot("v1"),
        "delete_snapshot": lambda: handle.delete_snapshot("v1"),
        "delete_snapshot with cleanup": lambda: handle.delete_snapshot("v1", cleanup_orphans=True),
        "cleanup_orphaned_versions": handle.cleanup_orphaned_versions,
        "pull": lambda: handle.pull(file.parent / "elsewhere"),
        "undo": handle.undo,
        "undo to before an operation": lambda: handle.undo(1),
        "batch": lambda: handle.batch().__enter__(),
        "set metadata": lambda: handle.metadata.__setitem__("a", 1),
        "delete metadata": lambda: handle.metadata.__delitem__("same"),
        "nested metadata": lambda: handle.metadata["same"].append(2),
        "replace metadata": lambda: setattr(handle, "metadata", {}),
        "metadata.replace": lambda: handle.metadata.replace({}),
    }


#: Methods of DataFolio that change nothing, or another folio.
READING = {
    "audit", "clone", "compare_snapshots", "copy_to",
    "describe", "diff_from_snapshot", "export_snapshot", "get_artifact_path", "get_data",
    "get_dependents", "get_inputs", "get_item_info", "get_json", "get_lineage_graph", "get_model", "get_numpy",
    "get_snapshot", "get_snapshot_info", "get_table", "get_timestamp", "history", "init", "list_contents",
    "list_items", "list_snapshots", "load_snapshot", "open", "push", "reproduce_instructions", "validate",
}  # fmt: skip


def test_every_method_either_reads_or_is_among_those_that_are_refused(folio, tmp_path):
    methods = {name for name in dir(DataFolio) if not name.startswith("_") and callable(getattr(DataFolio, name))}
    assert methods - READING <= set(writes(folio, tmp_path))


@pytest.mark.parametrize("kind", ["snapshot", "loaded", "read_only"])
def test_every_write_through_a_handle_that_reads_is_refused_and_says_why(story, tmp_path, kind):
    (tmp_path / "file").touch()
    handle = {
        "snapshot": lambda: story.get_snapshot("v1"),
        "loaded": lambda: DataFolio.load_snapshot(story.path, "v1"),
        "read_only": lambda: DataFolio(story.path, read_only=True),
    }[kind]()
    why = "read_only=True" if kind == "read_only" else r"this is the snapshot 'v1'.*never change.*restore_snapshot"
    before = files(story), files(story, "log")
    for name, write in writes(handle, tmp_path / "file").items():
        with pytest.raises(ReadOnlyError, match=why) as caught:
            write()
        assert isinstance(caught.value, PermissionError), name
    assert (files(story), files(story, "log")) == before
