"""Several writers of the same metadata: nothing is lost, and what can not be merged is told."""

from __future__ import annotations

import threading

import pytest

from datafolio import ConflictError, DataFolio


def stored(folio: DataFolio) -> dict:
    """The metadata as another handle reads them."""
    return dict(DataFolio(folio.path).metadata)


def test_two_handles_change_different_keys_of_one_nested_dict_and_both_changes_stay(folio):
    folio.metadata["scores"] = {"a": 0, "b": 0}
    one, two = folio.metadata["scores"], DataFolio(folio.path).metadata["scores"]
    one["a"] = 1
    two["b"] = 2
    one["c"] = 3
    assert stored(folio) == {"scores": {"a": 1, "b": 2, "c": 3}}
    assert folio.metadata["scores"] == {"a": 1, "b": 2, "c": 3}


def test_two_handles_append_to_one_list_and_both_changes_stay(folio):
    folio.metadata["list"] = []
    one, two = folio.metadata["list"], DataFolio(folio.path).metadata["list"]
    one.append(1)
    two.append(2)
    one.append(3)
    assert stored(folio) == {"list": [1, 2, 3]}


def test_processes_change_one_nested_dict_and_list_and_set_at_once_and_nothing_is_lost(folio, start):
    folio.metadata = {"scores": {}, "list": [], "plus": [], "or": {}, "set": set()}
    code = """
import sys
from datafolio import DataFolio
folio, name = DataFolio(sys.argv[1]), sys.argv[2]
for number in range(12):
    folio.metadata["scores"][f"{name}{number}"] = number
    folio.metadata["list"].append(f"{name}{number}")
    folio.metadata["plus"] += [f"{name}{number}"]
    folio.metadata["or"] |= {f"{name}{number}": 1}
    folio.metadata["set"] |= {f"{name}{number}"}
"""
    processes = [start(code, folio.path, name) for name in "ab"]
    for process in processes:
        with process:
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    names = {f"{name}{number}" for name in "ab" for number in range(12)}
    metadata = stored(folio)
    assert set(metadata["scores"]) == set(metadata["or"]) == metadata["set"] == names
    for key in ("list", "plus"):
        assert sorted(metadata[key]) == sorted(names)


def test_threads_that_share_a_handle_lose_nothing_and_see_no_half_of_a_change(folio):
    folio.metadata = {"fixed": 1, "list": []}
    problems: list[BaseException] = []

    def write(name: str) -> None:
        try:
            for number in range(15):
                folio.metadata[f"{name}{number}"] = number
                folio.metadata["list"] += [name]
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    def read() -> None:
        try:
            while any(writer.is_alive() for writer in writers):
                assert folio.metadata["fixed"] == 1
                assert len(folio.metadata) >= 2
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in (*writers, *readers):
        thread.join()
    assert problems == []
    assert len(stored(folio)) == 32
    assert sorted(stored(folio)["list"]) == ["a"] * 15 + ["b"] * 15


@pytest.mark.parametrize("new", [[1], 5, None, {1}], ids=repr)
def test_a_nested_dict_that_another_writer_made_something_else_is_a_conflict(folio, new):
    folio.metadata["x"] = {"a": 1}
    held = folio.metadata["x"]
    DataFolio(folio.path).metadata["x"] = new
    for change in (lambda: held.update(a=2), lambda: held.__setitem__("a", 2), held.clear, held.popitem):
        with pytest.raises(ConflictError, match=r"metadata\['x'\] is no longer a dict"):
            change()
    assert stored(folio) == {"x": new}


def test_a_nested_dict_that_another_writer_removed_is_a_conflict(folio):
    folio.metadata["x"] = {"a": [1]}
    held = folio.metadata["x"]["a"]
    del DataFolio(folio.path).metadata["x"]
    with pytest.raises(ConflictError):
        held.append(2)
    assert stored(folio) == {}


def test_a_held_value_may_be_set_back(folio):
    folio.metadata["list"] = [1]
    held = folio.metadata["list"]
    held += [2]
    folio.metadata["list"] = []
    folio.metadata["list"] = held
    assert stored(folio) == {"list": [1, 2]}


def test_a_held_value_may_be_set_elsewhere(folio):
    folio.metadata["list"] = [1]
    folio.metadata["other"] = folio.metadata["list"]
    folio.metadata["other"].append(2)
    assert stored(folio) == {"list": [1], "other": [1, 2]}


def test_a_held_dict_stays_the_same_one_when_its_list_shifts(folio):
    folio.metadata["runs"] = [{"name": "first"}]
    first = folio.metadata["runs"][0]
    folio.metadata["runs"].insert(0, {"name": "new"})
    try:
        first["score"] = 1
    except ConflictError:
        return
    assert stored(folio)["runs"] == [{"name": "new"}, {"name": "first", "score": 1}]
