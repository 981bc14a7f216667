"""Snapshots: immutable checkpoints, made at once, that share what they have in common."""

from __future__ import annotations

import copy
import datetime as dt
import os
import re

import numpy as np
import pytest

from datafolio import (
    DataFolio,
    InvalidNameError,
    SnapshotExistsError,
    UsageError,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def files(folio: DataFolio, folder: str = "objects") -> dict[str, bytes]:
    root = folio.path / folder
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


# Making


def test_a_snapshot_keeps_items_and_metadata_whatever_comes_after(story):
    old = story.get_snapshot("v1")
    assert old.items == ["data", "dropped", "settings"]
    assert old.get_json("settings") == {"lr": 0.1}
    assert old.metadata == {"accuracy": 0.89, "same": [1], "gone": 1}
    assert story.get_snapshot("v2").get_json("settings") == {"lr": 0.2}
    assert story.get_json("settings") == {"lr": 0.3}


@pytest.mark.parametrize(
    "name", ["v1.0", "0", "A", "a_b-c.d", "2025-01-20-baseline", "lr0.001_depth5", "v..", "x" * 128]
)
def test_a_name_of_letters_digits_dots_underscores_and_dashes_is_taken(folio, name):
    folio.create_snapshot(name, **OFF)
    assert list(folio.snapshots) == [name]
    assert folio.get_snapshot(name).snapshot_name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".v1",
        "-v1",
        "_v1",
        "a b",
        "a/b",
        "..",
        "../x",
        "a\n",
        "v1\n",
        "é",
        "v\u0661",
        "a:b",
        "x" * 129,
        None,
        5,
        b"v1",
    ],
    ids=repr,
)
def test_any_other_name_is_refused_and_the_rule_is_told(folio, name):
    before = files(folio, "log")
    with pytest.raises(InvalidNameError, match=r"letters, digits.*at most 128"):
        folio.create_snapshot(name, **OFF)
    assert files(folio, "log") == before
    assert name not in folio.snapshots


def test_names_that_differ_in_case_are_different_snapshots(folio):
    folio.create_snapshot("v1", **OFF)
    folio.create_snapshot("V1", **OFF)
    assert list(folio.snapshots) == ["v1", "V1"]


def test_a_name_that_is_taken_is_refused_and_the_snapshot_stays(story):
    before = story.get_snapshot_info("v1")
    log = files(story, "log")
    with pytest.raises(SnapshotExistsError, match=r"'v1' exists.*another name"):
        story.create_snapshot("v1", description="another", **OFF)
    assert story.get_snapshot_info("v1") == before
    assert files(story, "log") == log


@pytest.mark.parametrize("tags", ["production", ["a", ""], [" "], [5], [None], ["x" * 256], ["\ud800"]], ids=repr)
def test_tags_are_texts(folio, tags):
    with pytest.raises(UsageError, match="tag"):
        folio.create_snapshot("s", tags=tags, **OFF)
    assert list(folio.snapshots) == []


def test_a_description_is_text(folio):
    with pytest.raises(UsageError, match="description"):
        folio.create_snapshot("s", description=5, **OFF)
    assert list(folio.snapshots) == []


def test_no_tags_may_be_none(folio):
    folio.create_snapshot("s", tags=None, **OFF)
    assert folio.get_snapshot_info("s")["tags"] == []
    assert [info["name"] for info in folio.list_snapshots(tags=None)] == ["s"]


def test_tags_keep_their_order_and_come_once(folio):
    folio.create_snapshot("s", tags=(tag for tag in ["b", "a", "b", "ü"]), **OFF)
    assert folio.get_snapshot_info("s")["tags"] == ["b", "a", "ü"]


def test_an_empty_folio_can_be_a_snapshot(folio):
    folio.create_snapshot("empty", **OFF)
    folio.add_json("a", 1)
    assert folio.get_snapshot("empty").items == []
    assert folio.get_snapshot_info("empty")["item_versions"] == {}


def test_making_a_snapshot_reads_and_writes_no_payload(folio):
    folio.add_numpy("big", np.arange(100_000))
    before = files(folio)
    for path in (folio.path / "objects").rglob("*"):
        if path.is_file() and path.stat().st_size > 100_000:
            path.unlink()  # what is not there can't be read
    folio.create_snapshot("s", **OFF)
    new = {name: data for name, data in files(folio).items() if name not in before}
    assert sum(map(len, new.values())) < 5_000


def test_a_snapshot_with_nothing_captured_makes_at_most_three_files(folio):
    folio.add_json("a", 1)
    count = len(files(folio)) + len(files(folio, "log"))
    folio.create_snapshot("s", **OFF)
    assert len(files(folio)) + len(files(folio, "log")) <= count + 3


def test_snapshots_of_one_state_share_everything_but_themselves(folio):
    folio.add_numpy("big", np.arange(10_000))
    folio.create_snapshot("s0", **OFF)
    before = sum(map(len, files(folio).values()))
    for number in range(1, 11):
        folio.create_snapshot(f"s{number}", **OFF)
    assert sum(map(len, files(folio).values())) - before < 10 * 1_500


# What was captured


def test_what_is_not_captured_is_none(folio):
    folio.create_snapshot("off", **OFF)
    info = folio.get_snapshot_info("off")
    view = folio.snapshots["off"]
    assert (info["git"], info["environment"], info["execution"]) == (None, None, None)
    assert (view.git, view.environment, view.execution) == (None, None, None)


def test_what_is_captured_is_told(folio):
    folio.create_snapshot("on")
    info = folio.get_snapshot_info("on")
    assert re.fullmatch(r"3\.\d+\.\d+.*", info["environment"]["python"])
    assert "pandas" in info["environment"]["packages"]
    assert info["execution"]["working_directory"] == os.getcwd()
    assert "arguments" not in info["execution"]
    folio.create_snapshot("arguments", capture_arguments=True)
    assert isinstance(folio.get_snapshot_info("arguments")["execution"]["arguments"], list)


def test_one_capture_can_be_off_alone(folio):
    for off in OFF:
        folio.create_snapshot(off, **{off: False})
        info = folio.get_snapshot_info(off)
        assert info[off.removeprefix("capture_")] is None
        others = {"git", "environment", "execution"} - {off.removeprefix("capture_"), "git"}
        assert all(info[other] is not None for other in others)


# Listing


def test_the_list_is_oldest_first_with_every_field(story):
    infos = story.list_snapshots()
    assert [info["name"] for info in infos] == ["v1", "v2"]
    fields = ("name", "description", "tags", "timestamp", "item_versions", "metadata_snapshot")
    for info in infos:
        assert set(fields) | {"git", "environment", "execution"} <= set(info)
        assert info == story.get_snapshot_info(info["name"])
    assert {field: infos[0][field] for field in fields if field != "timestamp"} == {
        "name": "v1",
        "description": "the first",
        "tags": ["a", "b"],
        "item_versions": {"data": 1, "settings": 1, "dropped": 1},
        "metadata_snapshot": {"accuracy": 0.89, "same": [1], "gone": 1},
    }
    assert infos[1]["description"] is None
    assert infos[1]["item_versions"] == {"data": 1, "settings": 2, "dropped": 1, "new": 1}


def test_the_order_is_that_of_making_whatever_the_names(folio):
    names = ["z", "a", "M", "10", "9", "b"]
    for name in names:
        folio.create_snapshot(name, **OFF)
    folio.delete_snapshot("a")
    folio.create_snapshot("a", **OFF)
    expected = ["z", "M", "10", "9", "b", "a"]
    assert [info["name"] for info in folio.list_snapshots()] == list(folio.snapshots) == expected


def test_a_timestamp_is_utc_in_iso_8601(folio):
    before = dt.datetime.now(dt.timezone.utc)
    folio.create_snapshot("s", **OFF)
    after = dt.datetime.now(dt.timezone.utc)
    text = folio.get_snapshot_info("s")["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text)
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert before - dt.timedelta(seconds=1) <= moment <= after


def test_the_filter_keeps_snapshots_that_have_all_the_tags(story):
    def names(tags):
        return [info["name"] for info in story.list_snapshots(tags=tags)]

    assert names([]) == names(()) == ["v1", "v2"]
    assert names(["b"]) == ["v1", "v2"]
    assert names(["a", "b"]) == ["v1"]
    assert names({"c"}) == ["v2"]
    assert names(["a", "c"]) == []
    assert names(["A"]) == []
    with pytest.raises(UsageError, match=r"tags=\['a'\]"):
        story.list_snapshots(tags="a")


def test_what_a_listing_gives_is_the_callers_own(story):
    info = story.get_snapshot_info("v1")
    info["metadata_snapshot"]["same"].append(2)
    info["tags"].append("x")
    info["item_versions"]["data"] = 5
    story.snapshots["v1"].metadata["same"].append(3)
    story.list_snapshots()[0]["metadata_snapshot"].clear()
    assert story.get_snapshot_info("v1")["metadata_snapshot"] == {"accuracy": 0.89, "same": [1], "gone": 1}
    assert story.get_snapshot_info("v1")["tags"] == ["a", "b"]
    assert story.get_snapshot_info("v1")["item_versions"]["data"] == 1


def test_what_a_listing_gives_of_the_environment_is_the_callers_own(folio):
    folio.create_snapshot("s")
    folio.get_snapshot_info("s")["environment"]["python"] = "changed"
    folio.get_snapshot_info("s")["execution"]["entry_point"] = "changed"
    for first, second in ((folio.get_snapshot_info("s"), folio.list_snapshots()[0]),):
        for info in (first, second):
            assert info["environment"]["python"] != "changed"
            assert info["execution"]["entry_point"] != "changed"


def test_what_a_listing_gave_can_be_changed_and_the_next_one_is_right(folio):
    folio.metadata.update(nested={"list": [1]})
    for number in range(70):  # more than one node holds
        folio.create_snapshot(f"s{number}", tags=["t"], capture_environment=False)
    before = copy.deepcopy(folio.list_snapshots())
    for info in folio.list_snapshots():
        info["metadata_snapshot"]["nested"]["list"].append(2)
        for value in info.values():
            if isinstance(value, (dict, list)):
                value.clear()
        info.clear()
    assert folio.list_snapshots() == before
