"""Metadata: a dict that saves itself, whatever is done to it and wherever in it."""

from __future__ import annotations

import copy

import pytest

from datafolio import DataFolio, ReadOnlyError


def stored(folio: DataFolio) -> dict:
    """The metadata as another handle reads them."""
    return dict(DataFolio(folio.path).metadata)


# A change is saved by the statement that makes it


def test_a_value_is_saved_when_it_is_set(folio):
    folio.metadata["accuracy"] = 0.89
    assert stored(folio) == {"accuracy": 0.89}


CHANGES = {
    "setitem": lambda m: m.__setitem__("c", 3),
    "delitem": lambda m: m.__delitem__("a"),
    "update": lambda m: m.update({"c": 3}, d=4),
    "update from pairs": lambda m: m.update([("c", 3)]),
    "update from a generator": lambda m: m.update((key, 0) for key in "abc"),
    "update from keywords": lambda m: m.update(c=3),
    "pop": lambda m: m.pop("a"),
    "pop with a default": lambda m: m.pop("missing", 7),
    "popitem": lambda m: m.popitem(),
    "clear": lambda m: m.clear(),
    "setdefault": lambda m: m.setdefault("c", 3),
    "setdefault of one that is there": lambda m: m.setdefault("a", 3),
    "setdefault without a value": lambda m: m.setdefault("c"),
    "ior": lambda m: m.__ior__({"c": 3}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_every_method_that_changes_a_dict_is_saved_and_does_what_a_dict_does(folio, change, nested):
    plain = {"a": 1, "b": [2]}
    expected = copy.deepcopy(plain)
    folio.metadata = {"inner": plain} if nested else plain
    shown = folio.metadata["inner"] if nested else folio.metadata
    result, wanted = change(shown), change(expected)
    assert result == wanted
    assert shown == expected
    assert stored(folio) == ({"inner": expected} if nested else expected)
    assert list(shown) == list(expected)


LIST_CHANGES = {
    "append": lambda v: v.append(9),
    "append a list": lambda v: v.append([1, {"a": 2}]),
    "extend": lambda v: v.extend([7, 8]),
    "extend from a generator": lambda v: v.extend(n for n in (7, 8)),
    "extend by itself": lambda v: v.extend(v),
    "insert": lambda v: v.insert(1, 9),
    "remove": lambda v: v.remove(3),
    "pop": lambda v: v.pop(),
    "pop the first": lambda v: v.pop(0),
    "clear": lambda v: v.clear(),
    "sort": lambda v: v.sort(),
    "sort by a key": lambda v: v.sort(key=lambda n: -n, reverse=True),
    "reverse": lambda v: v.reverse(),
    "setitem": lambda v: v.__setitem__(0, 9),
    "set the last": lambda v: v.__setitem__(-1, 9),
    "set a slice": lambda v: v.__setitem__(slice(0, 2), [7, 8, 9]),
    "delitem": lambda v: v.__delitem__(1),
    "delete a slice": lambda v: v.__delitem__(slice(None, None, 2)),
    "iadd": lambda v: v.__iadd__([9]),
    "imul": lambda v: v.__imul__(2),
}


@pytest.mark.parametrize("change", LIST_CHANGES.values(), ids=LIST_CHANGES)
@pytest.mark.parametrize("path", [("list",), ("deep", 0, "list")], ids=["list", "deep"])
def test_every_method_that_changes_a_list_is_saved_and_does_what_a_list_does(folio, change, path):
    expected = [3, 1, 2]
    folio.metadata = {"list": [3, 1, 2], "deep": [{"list": [3, 1, 2]}]}

    def at(value):
        for key in path:
            value = value[key]
        return value

    shown = at(folio.metadata)
    assert change(shown) == change(expected)
    assert shown == expected
    assert at(stored(folio)) == expected


SET_CHANGES = {
    "add": lambda v: v.add(9),
    "discard": lambda v: v.discard(1),
    "remove": lambda v: v.remove(1),
    "clear": lambda v: v.clear(),
    "update": lambda v: v.update([7, 8]),
    "difference_update": lambda v: v.difference_update({1}),
    "intersection_update": lambda v: v.intersection_update({1, 2}),
    "symmetric_difference_update": lambda v: v.symmetric_difference_update({1, 9}),
    "ior": lambda v: v.__ior__({9}),
    "iand": lambda v: v.__iand__({1}),
    "isub": lambda v: v.__isub__({1}),
    "ixor": lambda v: v.__ixor__({1, 9}),
}


@pytest.mark.parametrize("change", SET_CHANGES.values(), ids=SET_CHANGES)
def test_every_method_that_changes_a_set_is_saved_and_does_what_a_set_does(folio, change):
    expected = {3, 1, 2}
    folio.metadata["set"] = {3, 1, 2}
    shown = folio.metadata["set"]
    assert change(shown) == change(expected)
    assert shown == expected
    assert stored(folio)["set"] == expected


def test_what_a_set_pops_is_no_longer_in_it(folio):
    folio.metadata["set"] = {1, 2, 3}
    popped = folio.metadata["set"].pop()
    assert stored(folio)["set"] == {1, 2, 3} - {popped}


def test_a_list_inside_a_tuple_saves_itself_too(folio):
    folio.metadata["pair"] = ([1], {"a": 1})
    folio.metadata["pair"][0].append(2)
    folio.metadata["pair"][1]["a"] = 2
    assert stored(folio)["pair"] == ([1, 2], {"a": 2})


def test_changes_deep_inside_are_saved(folio):
    folio.metadata["runs"] = [{"scores": {"train": [0.5]}}]
    folio.metadata["runs"][0]["scores"]["train"].append(0.6)
    folio.metadata["runs"][-1]["scores"]["test"] = []
    folio.metadata["runs"][0]["scores"]["test"] += [0.1]
    folio.metadata["runs"].append({})
    folio.metadata["runs"][1]["name"] = "second"
    assert stored(folio) == {"runs": [{"scores": {"train": [0.5, 0.6], "test": [0.1]}}, {"name": "second"}]}


def test_the_in_place_operators_work_on_the_folio_itself(folio):
    folio.metadata |= {"a": 1, "list": [1]}
    folio.metadata["list"] += [2]
    folio.metadata["list"] *= 2
    folio.metadata["a"] += 1
    assert stored(folio) == {"a": 2, "list": [1, 2, 1, 2]}


def test_one_statement_is_one_operation(folio):
    folio.metadata["list"] = []
    before = len(list((folio.path / "log").iterdir()))
    folio.metadata["list"] += [1]
    folio.metadata |= {"a": 1}
    folio.metadata.update(b=1, c=2)
    assert len(list((folio.path / "log").iterdir())) == before + 3


def test_metadata_are_replaced_as_a_whole(folio):
    folio.metadata["old"] = 1
    folio.metadata = {"new": {"list": [1]}}
    assert stored(folio) == {"new": {"list": [1]}}
    folio.metadata["new"]["list"].append(2)
    assert stored(folio) == {"new": {"list": [1, 2]}}


def test_metadata_of_one_folio_can_be_given_to_another(folio, tmp_path):
    folio.metadata["a"] = {"list": [1]}
    other = DataFolio(tmp_path / "other")
    other.metadata = folio.metadata
    other.metadata["a"]["list"].append(2)
    other.metadata["b"] = folio.metadata["a"]
    assert stored(other) == {"a": {"list": [1, 2]}, "b": {"list": [1]}}
    assert stored(folio) == {"a": {"list": [1]}}


def test_a_value_that_was_given_stays_the_givers_own(folio):
    mine = {"a": 1}
    folio.metadata["x"] = mine
    mine["a"] = 2
    assert folio.metadata["x"] == stored(folio)["x"] == {"a": 1}


def test_a_key_that_is_not_there_is_a_key_error(folio):
    with pytest.raises(KeyError, match="missing"):
        folio.metadata["missing"]
    with pytest.raises(KeyError):
        del folio.metadata["missing"]
    with pytest.raises(KeyError):
        folio.metadata.pop("missing")
    with pytest.raises(KeyError):
        folio.metadata.popitem()
    assert folio.metadata.get("missing") is None
    assert folio.metadata.get("missing", 3) == 3
    assert "missing" not in folio.metadata


def test_a_list_raises_what_a_list_raises(folio):
    folio.metadata["list"] = [1]
    for wrong in (
        lambda: folio.metadata["list"].remove(5),
        lambda: folio.metadata["list"].__setitem__(5, 1),
        lambda: folio.metadata["list"].pop(5),
    ):
        with pytest.raises((IndexError, ValueError)):
            wrong()
    assert stored(folio) == {"list": [1]}


def test_the_order_of_the_keys_is_kept(folio):
    folio.metadata.update({"z": 1, "a": 2, "m": 3})
    folio.metadata["b"] = {"z": 1, "a": 2}
    assert list(stored(folio)) == ["z", "a", "m", "b"]
    assert list(stored(folio)["b"]) == ["z", "a"]


def test_a_change_of_nothing_writes_nothing(folio):
    folio.metadata["a"] = 1
    before = sorted((folio.path / "log").iterdir())
    folio.metadata["a"] = 1
    folio.metadata.update({})
    folio.metadata.setdefault("a", 5)
    folio.metadata.pop("missing", None)
    assert sorted((folio.path / "log").iterdir()) == before


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (0.0, -0.0), (0, False), ([1], [True])])
def test_an_equal_value_of_another_type_replaces_the_old_one(folio, old, new):
    folio.metadata["x"] = old
    folio.metadata["x"] = new
    assert repr(stored(folio)["x"]) == repr(new)


def test_another_order_of_the_same_keys_is_a_change(folio):
    folio.metadata = {"a": 1, "b": 2}
    folio.metadata = {"b": 2, "a": 1}
    assert list(stored(folio)) == ["b", "a"]


# Handles that only read


def test_the_metadata_of_a_read_only_handle_refuse_every_change(folio):
    whole = {"a": 1, "b": [2], "list": [3, 1, 2], "dict": {"a": 1, "b": [2]}, "set": {1, 2, 3}}
    folio.metadata = whole
    folio.create_snapshot("s", capture_git=False, capture_environment=False, capture_execution=False)
    for handle in (DataFolio(folio.path, read_only=True), folio.get_snapshot("s")):
        for change in CHANGES.values():
            for container in (handle.metadata, handle.metadata["dict"]):
                with pytest.raises(ReadOnlyError):
                    change(container)
        for change in LIST_CHANGES.values():
            with pytest.raises(ReadOnlyError):
                change(handle.metadata["list"])
        for change in SET_CHANGES.values():
            with pytest.raises(ReadOnlyError):
                change(handle.metadata["set"])
        with pytest.raises(ReadOnlyError):
            handle.metadata = {}
        assert handle.metadata == whole
    assert stored(folio) == whole
