"""What was done can be looked at and undone, through the public calls alone."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading

import pandas as pd
import pytest

from datafolio import DataFolio, InvalidNameError, NotKeptError, ReadOnlyError, UsageError
from datafolio.store import gc
from tests.store.plumbing import eager_collections

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}
NOTHING = {
    "added_items": [],
    "removed_items": [],
    "modified_items": [],
    "metadata_changes": {},
    "created_snapshots": [],
    "deleted_snapshots": [],
}


def contents(folio):
    """All that the public calls show of a folio, but for times."""
    items = {info["name"]: info for info in folio.list_items()}
    values = {name: repr(folio.get_data(name)) for name in items if items[name]["type"] != "artifact"}
    return items, values, repr(dict(folio.metadata)), folio.list_snapshots()


# What comes back.


def test_every_kind_of_operation_is_undone_in_turn(folio, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    acts = [
        lambda: folio.add_table("data", pd.DataFrame({"n": [1, 2]}), description="raw"),
        lambda: folio.add_json("settings", {"lr": 0.1}, inputs=["data"]),
        lambda: folio.add_json("settings", {"lr": 0.1}, inputs=["data"], description="the best", overwrite=True),
        lambda: folio.add_artifact("notes", tmp_path / "notes.txt"),
        lambda: folio.metadata.update({"accuracy": 0.9, "when": dt.date(2025, 1, 20), "nan": math.nan}),
        lambda: folio.create_snapshot("v1", "the first", ["a"], **OFF),
        lambda: folio.add_json("settings", {"lr": 0.2}, overwrite=True),
        lambda: folio.metadata.pop("accuracy"),
        lambda: folio.create_snapshot("v2", capture_git=False),
        lambda: folio.add_json("settings", {"lr": 0.3}, overwrite=True),
        lambda: folio.restore_snapshot("v1"),
        lambda: folio.delete_snapshot("v2"),
        lambda: batch(folio),
        lambda: folio.delete("data2"),
    ]
    states = [contents(folio)]
    for act in acts:
        act()
        states.append(contents(folio))
    for state in reversed(states[:-1]):
        folio.undo()
        assert contents(folio) == state
    assert folio.validate()
    folio.undo(len(acts) + 1)
    assert contents(folio) == states[-1]
    assert folio.validate()


def batch(folio):
    with folio.batch():
        folio.add_json("data2", 1)
        folio.add_json("data3", 2)
        folio.metadata["batch"] = True
        folio.create_snapshot("v3", **OFF)
        folio.delete_snapshot("v3")


def test_what_a_restore_put_aside_comes_back(folio):
    folio.add_json("model", 1)
    folio.create_snapshot("v1", **OFF)
    folio.add_json("model", "never in a snapshot", overwrite=True)
    folio.restore_snapshot("v1")
    folio.undo()
    assert folio.get_json("model") == "never in a snapshot"


def test_an_undo_says_what_it_did_and_is_undone_by_its_number(folio):
    folio.add_json("a", 1)
    folio.delete("a")
    done = folio.undo()
    assert done == folio.history()[0]
    assert (done["operation"], done["what"], done["restores"]) == (3, "undo operation 2 (delete 'a')", 1)
    assert done["changes"] == NOTHING | {"added_items": ["a"]}
    assert folio.undo(done["operation"])["changes"] == NOTHING | {"removed_items": ["a"]}
    assert folio.items == []


def test_an_undo_to_what_is_there_already_is_none(folio):
    folio.add_json("a", 1)
    folio.undo()
    operations = folio.history()
    assert folio.undo(1) is None
    assert folio.history() == operations


def test_a_dry_run_says_the_same_and_changes_nothing(folio):
    folio.add_json("a", 1)
    folio.metadata["x"] = 1
    operations = folio.history()
    reader = DataFolio.open(folio.path, read_only=True)
    promised = reader.undo(1, dry_run=True)
    assert folio.history() == operations
    done = folio.undo(1)
    assert promised == done | {"operation": None, "time": None}


def test_a_name_is_free_after_its_snapshot_was_undone(folio):
    folio.create_snapshot("v1", **OFF)
    folio.undo()
    folio.create_snapshot("v1", "again", **OFF)
    assert folio.get_snapshot_info("v1")["number"] == 2


def test_a_live_metadata_object_shows_what_came_back(folio):
    metadata = folio.metadata
    metadata["runs"] = [1]
    metadata["runs"].append(2)
    folio.undo()
    assert metadata == {"runs": [1]}
    metadata["runs"].append(3)
    assert folio.metadata == {"runs": [1, 3]}


def test_the_copies_for_people_follow(tmp_path):
    folio = DataFolio(tmp_path / "folio")
    folio.add_json("a", 1)
    folio.create_snapshot("v1", **OFF)
    folio.undo()
    del folio
    assert json.loads((tmp_path / "folio" / "snapshots.json").read_text())["snapshots"] == {}


# What is refused.


def test_a_reader_undoes_nothing(folio):
    folio.add_json("a", 1)
    folio.create_snapshot("v1", **OFF)
    for reader in (DataFolio.open(folio.path, read_only=True), folio.get_snapshot("v1")):
        with pytest.raises(ReadOnlyError):
            reader.undo()
        assert len(reader.history()) == 3


def test_a_batch_undoes_nothing(folio):
    folio.add_json("a", 1)
    with folio.batch():
        folio.add_json("b", 1)
        with pytest.raises(UsageError, match="undo can't be part of a batch"):
            folio.undo()
    assert folio.items == ["a", "b"]


@pytest.mark.parametrize("operation", [0, -3, True, "1", 1.5])
def test_what_is_no_number_of_an_operation_is_refused(folio, operation):
    with pytest.raises(UsageError, match="operation"):
        folio.undo(operation)


def test_an_operation_that_is_not_in_the_log_is_refused(folio):
    with pytest.raises(NotKeptError, match="nothing to undo"):
        folio.undo()
    with pytest.raises(NotKeptError, match="there is no operation 7"):
        folio.undo(7)
    with pytest.raises(LookupError):
        folio.undo(7)


@pytest.mark.parametrize("again", [False, True])
def test_what_a_collection_freed_is_named_and_nothing_changes(folio, again):
    folio.add_json("model", "first")
    folio.add_json("model", "second", overwrite=True)
    [orphan] = folio.cleanup_orphaned_versions()
    handle = DataFolio(folio.path) if again else folio
    with pytest.raises(NotKeptError) as refused:
        handle.undo()
    assert str(refused.value) == (
        "can't undo operation 2 (add json 'model'): item 'model' version 1 (7 bytes) is gone, "
        "freed by the collection that was operation 3"
    )
    assert orphan["version"] == 1
    assert handle.get_json("model") == "second"
    assert len(handle.history()) == 4
    with pytest.raises(NotKeptError):
        handle.undo(2, dry_run=True)


def test_a_collection_that_comes_by_itself_keeps_what_the_log_needs(folio, monkeypatch):
    collections = []
    collect = gc.collect
    with eager_collections(200):
        monkeypatch.setattr(gc, "collect", lambda *args, **more: collections.append(1) or collect(*args, **more))
        for number in range(150):
            folio.add_json("model", [number] * 100, overwrite=True)
    assert collections
    for number in range(148, 110, -1):
        folio.undo()
        assert folio.get_json("model")[0] == number
    folio.undo(folio.history()[-1]["operation"] + 1)
    assert folio.get_json("model")[0] < 100
    assert folio.validate()


# Several handles.


def test_the_newest_operation_is_undone_whoever_made_it(folio):
    other = DataFolio(folio.path)
    folio.add_json("mine", 1)
    other.add_json("theirs", 1)
    assert folio.undo()["what"] == "undo operation 2 (add json 'theirs')"
    assert other.items == ["mine"]


def test_undos_at_the_same_time_each_undo_one_operation(folio):
    for number in range(20):
        folio.metadata["n"] = number
    handles = [folio, *(DataFolio(folio.path) for _ in range(3))]
    threads = [threading.Thread(target=lambda handle=handle: [handle.undo() for _ in range(4)]) for handle in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folio.metadata["n"] == 3
    assert len(folio.history()) == 1 + 20 + 16


# The history.


def test_the_history_says_what_each_operation_changed(story):
    story.delete_snapshot("v1")
    story.undo()
    changes = {operation["operation"]: operation["changes"] for operation in story.history()}
    assert list(changes) == sorted(changes, reverse=True)
    told = [{key: value for key, value in change.items() if value} for _, change in sorted(changes.items())]
    assert told == [
        {},
        {"added_items": ["data"]},
        {"added_items": ["settings"]},
        {"added_items": ["dropped"]},
        {"metadata_changes": {"accuracy": (None, 0.89), "same": (None, [1]), "gone": (None, 1)}},
        {"created_snapshots": ["v1"]},
        {"modified_items": ["settings"]},
        {"added_items": ["new"]},
        {"metadata_changes": {"accuracy": (0.89, 0.91), "extra": (None, True)}},
        {"metadata_changes": {"gone": (1, None)}},
        {"created_snapshots": ["v2"]},
        {"modified_items": ["settings"]},
        {"metadata_changes": {"accuracy": (0.91, 0.5)}},
        {"deleted_snapshots": ["v1"]},
        {"created_snapshots": ["v1"]},
    ]
    assert [operation["restores"] for operation in story.history()[:2]] == [12, None]
    assert all(operation["time"].endswith("Z") for operation in story.history())


def test_the_history_of_an_item_has_its_versions(story):
    found = story.history("settings")
    assert [(operation["operation"], operation["what"]) for operation in found] == [
        (11, "add json 'settings'"),
        (6, "add json 'settings'"),
        (2, "add json 'settings'"),
    ]
    assert [operation["before"] and operation["before"]["version"] for operation in found] == [2, 1, None]
    assert [operation["after"]["version"] for operation in found] == [3, 2, 1]
    info = story.get_item_info("settings")
    assert found[0]["after"] == {key: info[key] for key in ("version", "size", "digest")}
    assert story.history("no such item") == []


def test_a_new_description_is_a_change_of_the_item(folio):
    folio.add_json("a", 1)
    folio.add_json("a", 1, description="one", overwrite=True)
    assert folio.history()[0]["changes"] == NOTHING | {"modified_items": ["a"]}
    assert [operation["operation"] for operation in folio.history("a")] == [2, 1]


def test_what_can_be_no_item_has_no_history(folio):
    with pytest.raises(InvalidNameError):
        folio.history("")


def test_what_the_oldest_of_a_trimmed_log_changed_is_not_known(folio):
    folio.add_json("a", 1)
    for number in range(120):
        folio.metadata["n"] = number
    operations = folio.history()
    assert len(operations) >= 100
    assert operations[-1]["operation"] > 0
    assert operations[-1]["changes"] is None
    assert None not in [operation["changes"] for operation in operations[:-1]]
    [oldest] = folio.history("a")
    assert (oldest["operation"], oldest["changes"]) == (operations[-1]["operation"], None)
    assert folio.history("b") == []


def test_what_was_collected_is_not_known_and_hides_nothing_else(folio):
    with folio.batch():
        for number in range(200):
            folio.add_json(f"item {number}", number)
    with folio.batch():
        for number in range(200):
            folio.add_json(f"item {number}", -number, overwrite=True)
    folio.metadata["x"] = 1
    folio.cleanup_orphaned_versions()
    changes = {operation["operation"]: operation["changes"] for operation in DataFolio(folio.path).history()}
    assert changes[4] == NOTHING
    assert changes[3] == NOTHING | {"metadata_changes": {"x": (None, 1)}}
    assert (changes[2], changes[1]) == (None, None)
    assert changes[0] == NOTHING


def test_a_damaged_record_hides_only_what_it_says(folio):
    for number in range(4):
        folio.metadata["n"] = number
    path = folio.path / "log" / "000000000002"
    path.unlink()
    path.write_bytes(b"broken")
    operations = {operation["operation"]: operation for operation in folio.history()}
    assert operations[2] == {"operation": 2, "time": None, "what": None, "restores": None, "changes": None}
    assert [operations[number]["changes"] is None for number in (0, 1, 3, 4)] == [False, False, True, False]
