"""`items.json` and `snapshots.json`: the folio for people and for git, never read as truth."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.store.repository import Repository
from datafolio.store.views import write_views
from tests.store.plumbing import put_many

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}

MAKE = """
import sys
from datafolio import DataFolio
folio = DataFolio(sys.argv[1])
off = dict(capture_git=False, capture_environment=False, capture_execution=False)
"""


def views(folder: Path) -> tuple[dict, dict]:
    return tuple(json.loads((folder / name).read_text(encoding="utf-8")) for name in ("snapshots.json", "items.json"))


def told(folio: DataFolio) -> tuple:
    """All that a folio says."""
    return (
        folio.items,
        [folio.get_json(name) for name in folio.items],
        folio.metadata.copy(),
        folio.list_snapshots(),
        bool(folio.validate()),
    )


def scribble(folio: DataFolio, data: bytes | None) -> None:
    for name in ("items.json", "snapshots.json"):
        (folio.path / name).unlink(missing_ok=True)
        if data is not None:
            (folio.path / name).write_bytes(data)


@pytest.fixture
def filled(folio: DataFolio) -> DataFolio:
    folio.add_json("a", 1, description="one")
    folio.metadata["accuracy"] = 0.5
    folio.create_snapshot("v1", tags=["t"], **OFF)
    return folio


# When they are written


def test_a_snapshot_operation_writes_them(filled):
    snapshots, items = views(filled.path)
    assert list(snapshots["snapshots"]) == ["v1"]
    assert [item["name"] for item in items["items"]] == ["a"]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda folio: folio.create_snapshot("v2", **OFF), ["v1", "v2"]),
        (lambda folio: folio.delete_snapshot("v1"), []),
        (lambda folio: folio.delete_snapshot("v1", cleanup_orphans=True), []),
        (lambda folio: folio.restore_snapshot("v1"), ["v1"]),
        (lambda folio: folio.cleanup_orphaned_versions(), ["v1"]),
    ],
    ids=["create", "delete", "delete with cleanup", "restore", "cleanup"],
)
def test_every_snapshot_operation_brings_them_up_to_date(filled, operation, expected):
    filled.add_json("a", 2, overwrite=True)
    scribble(filled, None)
    operation(filled)
    assert list(views(filled.path)[0]["snapshots"]) == expected


def test_they_are_written_again_once_there_is_time(filled):
    time.sleep(0.1)
    filled.create_snapshot("v2", **OFF)
    assert list(views(filled.path)[0]["snapshots"]) == ["v1", "v2"]


class StalledOnce(LocalBackend):
    """A disk that once takes long to write a view."""

    is_stalled = True

    def replace(self, key, data):
        if self.is_stalled:
            self.is_stalled = False
            time.sleep(0.5)
        super().replace(key, data)


def test_one_stall_does_not_put_them_off_for_long(tmp_path):
    repository = Repository.create(StalledOnce(tmp_path / "folio"))
    put_many(repository, {f"i{number}": b"1" for number in range(20)})
    write_views(repository)
    put_many(repository, {"last": b"2"})
    long_ago = time.time() - 2
    os.utime(tmp_path / "folio" / "items.json", (long_ago, long_ago))
    write_views(repository)
    assert views(tmp_path / "folio")[1]["items"][-1]["name"] == "last"


def test_they_are_up_to_date_when_a_program_ends(tmp_path, run):
    run(
        MAKE
        + """
for number in range(10):
    folio.create_snapshot(f"s{number}", **off)
    folio.add_json("a", number, overwrite=True)
""",
        tmp_path / "folio",
    )
    snapshots, items = views(tmp_path / "folio")
    assert list(snapshots["snapshots"]) == [f"s{number}" for number in range(10)]
    assert [item["version"] for item in items["items"]] == list(range(1, 11))
    assert items["items"][-1]["current"]


def test_a_program_that_only_adds_items_leaves_them_too(tmp_path, run):
    run(MAKE + 'folio.add_json("a", 1)', tmp_path / "folio")
    assert [item["name"] for item in views(tmp_path / "folio")[1]["items"]] == ["a"]


def test_a_program_that_only_reads_writes_nothing(filled, run):
    scribble(filled, None)
    before = sorted(path.name for path in filled.path.iterdir())
    run(MAKE + 'folio.list_snapshots(); folio.get_json("a"); folio.describe()', filled.path)
    assert sorted(path.name for path in filled.path.iterdir()) == before


def test_a_program_that_fails_leaves_them_up_to_date_too(tmp_path, start):
    with start(MAKE + 'folio.add_json("a", 1); raise ValueError("on purpose")', tmp_path / "folio") as process:
        _, err = process.communicate(timeout=60)
    assert "on purpose" in err
    assert [item["name"] for item in views(tmp_path / "folio")[1]["items"]] == ["a"]


# What is in them


def test_a_version_of_an_item_is_listed_with_the_snapshots_that_hold_it(filled):
    filled.add_table("t", pd.DataFrame({"n": [1]}), inputs=["a"])
    filled.create_snapshot("v2", **OFF)
    filled.add_json("a", 2, overwrite=True)
    scribble(filled, None)
    filled.create_snapshot("v3", **OFF)
    items = {(item["name"], item["version"]): item for item in views(filled.path)[1]["items"]}
    assert {key: (item["filename"], item["in_snapshots"], item["current"]) for key, item in items.items()} == {
        ("a", 1): ("a.json", ["v1", "v2"], False),
        ("a", 2): ("a_v2.json", ["v3"], True),
        ("t", 1): ("t.parquet", ["v2", "v3"], True),
    }
    assert (items["a", 1]["description"], items["t", 1]["inputs"], items["t", 1]["type"]) == ("one", ["a"], "table")
    for item in items.values():
        assert (filled.path / item["object"]).stat().st_size == item["size"]


def test_a_payload_can_be_found_and_read_through_them_alone(filled):
    filled.add_table("t", pd.DataFrame({"n": [1, 2]}))
    scribble(filled, None)
    filled.create_snapshot("v2", **OFF)
    (item,) = (item for item in views(filled.path)[1]["items"] if item["name"] == "t")
    assert pd.read_parquet(filled.path / item["object"])["n"].tolist() == [1, 2]


def test_what_json_can_not_hold_is_valid_json_all_the_same(folio):
    folio.metadata.update({"nan": math.nan, "$dollar": 1, "big": 2**70})
    folio.create_snapshot("s", **OFF)
    metadata = views(folio.path)[0]["snapshots"]["s"]["metadata_snapshot"]
    assert metadata == {"nan": {"$float": "nan"}, "$$dollar": 1, "big": {"$int": str(2**70)}}


def test_no_path_of_this_machine_is_in_them_but_where_it_ran(folio, tmp_path):
    folio.add_json("a", 1)
    folio.create_snapshot("s", **OFF)
    for name in ("items.json", "snapshots.json"):
        assert str(tmp_path) not in (folio.path / name).read_text()


# What becomes of a folio without them, or with wrong ones


@pytest.mark.parametrize("data", [None, b"", b"{", b"\xff\0garbage", b'{"items": [], "snapshots": {}}'], ids=repr)
def test_missing_garbled_or_stale_views_harm_nothing(filled, data):
    whole = told(filled)
    scribble(filled, data)
    assert told(filled) == told(DataFolio(filled.path)) == whole
    assert told(DataFolio(filled.path, read_only=True)) == whole
    filled.add_json("b", 2)
    filled.create_snapshot("v2", **OFF)
    assert list(filled.snapshots) == ["v1", "v2"]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\0garbage"], ids=repr)
def test_garbled_views_are_written_anew(filled, run, data):
    scribble(filled, data)
    run(MAKE + 'folio.add_json("b", 2)', filled.path)
    assert [item["name"] for item in views(filled.path)[1]["items"]] == ["a", "b"]


def test_directories_in_their_place_harm_nothing(filled, run):
    scribble(filled, None)
    for name in ("items.json", "snapshots.json"):
        (filled.path / name).mkdir()
        (filled.path / name / "mine").touch()
    filled.create_snapshot("v2", **OFF)
    filled.delete_snapshot("v1", cleanup_orphans=True)
    run(MAKE + 'folio.add_json("b", 2); folio.create_snapshot("v3", **off)', filled.path)
    assert list(filled.snapshots) == ["v2", "v3"]


# Moving, copying, zipping


def move(source: Path, target: Path) -> Path:
    return Path(shutil.move(source, target / "moved"))


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target / "copy"))


def archive(kind: str):
    def pack(source: Path, target: Path) -> Path:
        packed = shutil.make_archive(str(target / "packed"), kind, source)
        shutil.unpack_archive(packed, target / "unpacked")
        return target / "unpacked"

    return pack


@pytest.mark.parametrize("how", [move, copy, archive("zip"), archive("gztar")], ids=["move", "copy", "zip", "tar"])
@pytest.mark.filterwarnings("ignore:Python 3.14 will, by default, filter:DeprecationWarning")
def test_a_folio_elsewhere_is_the_same_folio(filled, tmp_path, how):
    filled.add_json("a", 2, overwrite=True)
    whole = told(filled)
    (tmp_path / "ünder way").mkdir()
    place = how(filled.path, tmp_path / "ünder way")
    assert told(DataFolio(place)) == whole
    assert DataFolio.load_snapshot(place, "v1").get_json("a") == 1
    there = DataFolio(place)
    there.add_json("b", [3])
    there.create_snapshot("v2", **OFF)
    there.delete_snapshot("v1", cleanup_orphans=True)
    assert (there.get_json("a"), there.get_json("b")) == (2, [3])
    assert there.validate()


def test_a_copy_and_its_original_go_their_own_ways(filled, tmp_path):
    other = DataFolio(shutil.copytree(filled.path, tmp_path / "copy"))
    filled.add_json("a", "here", overwrite=True)
    other.add_json("a", "there", overwrite=True)
    other.delete_snapshot("v1", cleanup_orphans=True)
    assert (filled.get_json("a"), other.get_json("a")) == ("here", "there")
    assert filled.get_snapshot("v1").get_json("a") == 1
    assert filled.validate()
    assert other.validate()


def test_a_folio_on_a_disk_that_can_only_be_read_is_read(filled, run):
    whole = told(filled)
    for path in [filled.path, *filled.path.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert told(DataFolio(filled.path, read_only=True)) == whole
        assert told(DataFolio(filled.path)) == whole
        code = MAKE + 'print(folio.items, DataFolio.load_snapshot(sys.argv[1], "v1").get_json("a"))'
        assert run(code, filled.path) == "['a'] 1"
    finally:
        for path in [filled.path, *filled.path.rglob("*")]:
            path.chmod(0o755)


def test_keys_are_relative(filled):
    for path in filled.path.rglob("*"):
        if path.is_file():
            assert os.fsencode(filled.path) not in path.read_bytes(), path
