"""Handles on one folio see each other's writes at the next read, in one process or in two."""

from __future__ import annotations

import threading
import time

import pytest

from datafolio import DataFolio, ItemExistsError, ItemNotFoundError, SnapshotExistsError, SnapshotNotFoundError

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


@pytest.fixture
def other(folio: DataFolio) -> DataFolio:
    return DataFolio(folio.path)


def test_an_item_that_one_adds_the_other_has(folio, other):
    folio.add_json("a", 1)
    assert other.get_json("a") == 1
    other.add_json("a", 2, overwrite=True)
    assert folio.get_json("a") == 2
    folio.delete("a")
    assert "a" not in other
    assert other.items == []


def test_metadata_that_one_sets_the_other_has(folio, other):
    shown = other.metadata
    folio.metadata["a"] = [1]
    assert shown["a"] == [1]
    shown["a"].append(2)
    assert folio.metadata == {"a": [1, 2]}
    del folio.metadata["a"]
    assert "a" not in shown
    assert len(shown) == 0


def test_a_snapshot_that_one_makes_the_other_has(folio, other):
    snapshots = other.snapshots
    folio.create_snapshot("s", **OFF)
    assert list(snapshots) == ["s"]
    assert [info["name"] for info in other.list_snapshots()] == ["s"]
    other.delete_snapshot("s")
    assert "s" not in folio.snapshots


def test_a_snapshot_that_one_restores_the_other_is_at(folio, other):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    other.add_json("a", 2, overwrite=True)
    folio.restore_snapshot("s")
    assert other.get_json("a") == 1


def test_the_rules_hold_between_handles(folio, other):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    with pytest.raises(ItemExistsError):
        other.add_json("a", 2)
    with pytest.raises(SnapshotExistsError):
        other.create_snapshot("s", **OFF)
    other.delete_snapshot("s")
    with pytest.raises(SnapshotNotFoundError):
        folio.delete_snapshot("s")
    other.delete("a")
    with pytest.raises(ItemNotFoundError):
        folio.delete("a")


def test_a_handle_on_a_snapshot_says_when_another_deleted_it(folio, other):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    held, view = folio.get_snapshot("s"), folio.snapshots["s"]
    other.delete_snapshot("s")
    for read in (lambda: held.get_json("a"), lambda: view.get_json("a"), lambda: view.metadata):
        with pytest.raises(SnapshotNotFoundError, match="'s'"):
            read()


def test_a_handle_on_a_snapshot_never_shows_another_of_the_same_name(folio, other):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    held, view = folio.get_snapshot("s"), folio.snapshots["s"]
    other.delete_snapshot("s")
    other.add_json("a", 2, overwrite=True)
    other.create_snapshot("s", **OFF)
    for read in (lambda: held.get_json("a"), lambda: view.get_json("a"), lambda: view.item_versions):
        with pytest.raises(SnapshotNotFoundError, match="'s'"):
            read()


def test_a_payload_that_another_collected_is_told_from_a_missing_item(folio, other):
    folio.add_json("a", 1)
    other.add_json("a", 2, overwrite=True)
    other.cleanup_orphaned_versions()
    assert folio.get_json("a") == 2
    folio.add_json("a", 1, overwrite=True)
    assert other.get_json("a") == 1
    assert other.validate()


def test_another_process_sees_and_is_seen(folio, run):
    folio.add_json("a", 1)
    folio.metadata["list"] = [1]
    said = run(
        """
import sys
from datafolio import DataFolio
folio = DataFolio(sys.argv[1])
print(folio.get_json("a"), folio.metadata["list"])
folio.add_json("b", [folio.get_json("a")])
folio.metadata["list"].append(2)
folio.create_snapshot("theirs", capture_git=False, capture_environment=False)
""",
        folio.path,
    )
    assert said == "1 [1]"
    assert folio.get_json("b") == [1]
    assert folio.metadata["list"] == [1, 2]
    assert folio.get_snapshot("theirs").items == ["a", "b"]


def test_two_running_processes_see_each_others_next_step(folio, start):
    code = """
import sys, time
from datafolio import DataFolio
folio = DataFolio(sys.argv[1])
mine, theirs = sys.argv[2:]
for step in range(10):
    folio.metadata[mine] = step
    while folio.metadata.get(theirs, -1) < step:
        time.sleep(0.001)
print("done")
"""
    processes = [start(code, folio.path, *names) for names in (("left", "right"), ("right", "left"))]
    for process in processes:
        with process:
            out, err = process.communicate(timeout=60)
        assert (out.strip(), err) == ("done", "")
    assert folio.metadata == {"left": 9, "right": 9}


def test_of_two_processes_that_make_the_same_snapshot_one_does_and_the_other_is_told(folio, start):
    code = """
import sys, time
from datafolio import DataFolio, SnapshotExistsError
folio, begin = DataFolio(sys.argv[1]), float(sys.argv[2])
time.sleep(max(0, begin - time.time()))
made = 0
for number in range(10):
    try:
        folio.create_snapshot(f"s{number}", capture_git=False, capture_environment=False, capture_execution=False)
        made += 1
    except SnapshotExistsError:
        pass
print(made)
"""
    begin = time.time() + 0.7
    processes = [start(code, folio.path, begin) for _ in range(2)]
    made = 0
    for process in processes:
        with process:
            out, err = process.communicate(timeout=60)
        assert err == ""
        made += int(out)
    assert made == 10
    assert list(folio.snapshots) == [f"s{number}" for number in range(10)]


def test_threads_on_one_handle_and_on_their_own_all_keep_their_work(folio):
    problems: list[BaseException] = []

    def work(handle: DataFolio, name: str) -> None:
        try:
            for number in range(8):
                handle.add_json(f"{name}{number}", number)
                assert handle.get_json(f"{name}{number}") == number
            handle.create_snapshot(name, **OFF)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    handles = {"a": folio, "b": folio, "c": DataFolio(folio.path)}
    threads = [threading.Thread(target=work, args=(handle, name)) for name, handle in handles.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert folio.items == sorted(f"{name}{number}" for name in handles for number in range(8))
    assert sorted(folio.snapshots) == sorted(handles)
    assert folio.validate()


def test_a_reader_never_sees_half_of_a_batch(folio, start):
    folio.metadata.update({"a": 0, "b": 0})
    code = """
import sys
from datafolio import DataFolio
folio = DataFolio(sys.argv[1])
for number in range(1, 30):
    with folio.batch():
        folio.metadata["a"] = number
        folio.add_json("x", number, overwrite=True)
        folio.metadata["b"] = number
"""
    with start(code, folio.path) as process:
        while process.poll() is None:
            seen = folio.metadata.copy()
            assert seen["a"] == seen["b"]
        assert process.communicate()[1] == ""
    assert folio.metadata["a"] == folio.get_json("x") == 29
