"""clone, copy_to, push and pull as the library has them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    CorruptObjectError,
    DataFolio,
    DestinationExistsError,
    DivergedError,
    FolioNotFoundError,
    InvalidNameError,
    NewerFormatError,
    ReadOnlyError,
    SnapshotExistsError,
    SnapshotNotFoundError,
    UsageError,
)
from datafolio.store.seal import sealed

OFF: dict[str, bool] = dict.fromkeys(("capture_git", "capture_environment", "capture_execution"), False)


def files_of(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_clone_is_a_folio_like_any_other(story, tmp_path) -> None:
    story.add_numpy("array", np.arange(1000))
    clone = DataFolio.clone(story.path, tmp_path / "clone")
    assert clone.path == tmp_path / "clone"
    assert clone.items == story.items
    assert dict(clone.metadata) == dict(story.metadata)
    pd.testing.assert_frame_equal(clone.get_table("data"), story.get_table("data"))
    assert clone.list_snapshots() == story.list_snapshots()
    assert clone.get_snapshot("v1").get_json("settings") == {"lr": 0.1}
    assert [operation["what"] for operation in clone.history()] == [f"clone of {story.path}", "create the folio"]
    assert clone.validate()
    clone.add_json("settings", {"lr": 0.4}, overwrite=True)
    assert story.get_json("settings") == {"lr": 0.3}
    assert json.loads((clone.path / "items.json").read_text())


def test_copy_to_says_what_it_did(story, tmp_path) -> None:
    done = story.copy_to(tmp_path / "copy")
    assert done["objects"] == sum(1 for file in (story.path / "objects").rglob("*") if file.is_file())
    assert done == {
        "source": str(story.path),
        "target": str(tmp_path / "copy"),
        "snapshot": None,
        "changed": True,
        "ahead": False,
        "objects": done["objects"],
        "bytes": sum(file.stat().st_size for file in (story.path / "objects").rglob("*") if file.is_file()),
    }
    assert story.copy_to(tmp_path / "copy") == done | {"changed": False, "objects": 0, "bytes": 0}


def test_push_and_pull_go_back_and_forth(story, tmp_path) -> None:
    story.copy_to(tmp_path / "copy")
    copy = DataFolio(tmp_path / "copy")
    copy.add_json("there", 1)
    assert story.pull(copy.path)["changed"]
    story.add_json("here", 2)
    assert story.push(copy.path)["changed"]
    assert copy.items == story.items
    assert not copy.pull(story.path)["changed"]
    copy.add_json("more", 1)
    assert copy.pull(story.path)["ahead"]
    assert "more" in copy.items
    assert [operation["what"] for operation in story.history()[:2]] == ["add json 'here'", f"pull from {copy.path}"]
    copy.undo()
    copy.undo()
    assert copy.items == [*sorted(set(story.items) - {"here"})]


def test_folios_in_memory_and_on_disk_are_copied_alike(story, tmp_path) -> None:
    story.copy_to("memory://test_sharing/copy")
    clone = DataFolio.clone("memory://test_sharing/copy", tmp_path / "back")
    assert clone.list_snapshots() == story.list_snapshots()
    assert clone.history()[0]["what"] == "clone of memory://test_sharing/copy"
    story.add_json("later", "as no other")
    assert story.push("memory://test_sharing/copy")["objects"] == 1
    assert clone.pull("memory://test_sharing/copy")["changed"]
    assert clone.get_json("later") == "as no other"


def test_diverged_folios_are_refused_by_name_in_both_directions(story, tmp_path) -> None:
    clone = DataFolio.clone(story.path, tmp_path / "clone")
    story.add_json("here", 1)
    clone.add_json("there", 1)
    before = clone.history()
    for refused in (lambda: story.push(clone.path), lambda: story.copy_to(clone.path), lambda: clone.pull(story.path)):
        with pytest.raises(DivergedError, match="item 'there'"):
            refused()
    with pytest.raises(DivergedError, match="item 'here'"):
        clone.push(story.path)
    assert clone.history() == before
    assert clone.get_json("there") == 1


def test_one_snapshot_goes_by_its_name_or_its_handle(story, tmp_path) -> None:
    story.copy_to(tmp_path / "one", snapshot="v1")
    one = DataFolio(tmp_path / "one")
    assert list(one.snapshots) == ["v1"]
    assert one.get_json("settings") == {"lr": 0.1}
    assert one.history()[0]["what"] == f"clone of {story.path}, snapshot 'v1'"
    assert story.get_snapshot("v2").push(one.path)["snapshot"] == "v2"
    assert list(one.snapshots) == ["v1", "v2"]
    assert one.get_json("settings") == {"lr": 0.1}
    assert DataFolio.clone(story.path, tmp_path / "two", snapshot="v2").get_json("settings") == {"lr": 0.2}
    with pytest.raises(UsageError, match="shows the snapshot 'v2'"):
        story.get_snapshot("v2").copy_to(tmp_path / "three", snapshot="v1")
    one.delete_snapshot("v2")
    one.create_snapshot("v2", **OFF)
    with pytest.raises(SnapshotExistsError, match="'v2'"):
        one.pull(story.path, snapshot="v2")


def test_a_snapshot_that_is_not_there_leaves_nothing_behind(story, tmp_path) -> None:
    with pytest.raises(SnapshotNotFoundError, match="v9"):
        DataFolio.clone(story.path, tmp_path / "clone", snapshot="v9")
    with pytest.raises(InvalidNameError):
        DataFolio.clone(story.path, tmp_path / "clone", snapshot="../v1")
    with pytest.raises(SnapshotNotFoundError, match="v9"):
        story.copy_to(tmp_path / "clone", snapshot="v9")
    assert not (tmp_path / "clone").exists()


def test_where_there_is_no_folio_nothing_is_made(story, tmp_path) -> None:
    with pytest.raises(FolioNotFoundError, match="nothing there"):
        DataFolio.clone(tmp_path / "none", tmp_path / "clone")
    with pytest.raises(FolioNotFoundError, match="copy_to"):
        story.push(tmp_path / "clone")
    with pytest.raises(FolioNotFoundError):
        story.pull(tmp_path / "clone")
    assert not (tmp_path / "clone").exists()


def test_a_directory_with_other_things_is_left_alone(story, tmp_path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(DestinationExistsError, match="other things"):
        story.copy_to(tmp_path / "full")
    with pytest.raises(DestinationExistsError, match="other things"):
        DataFolio.clone(story.path, tmp_path / "full")
    assert files_of(tmp_path / "full") == {"notes.txt": b"mine"}


@pytest.mark.parametrize("place", [".", "objects", "sub/../objects/copy", "link"])
def test_a_folio_is_not_copied_to_itself_or_into_itself(story, tmp_path, place) -> None:
    (story.path / "sub").mkdir()
    (tmp_path / "link").symlink_to(story.path)
    target = tmp_path / "link" if place == "link" else story.path / place
    before = files_of(story.path)
    for refused in (story.copy_to, story.push, story.pull):
        with pytest.raises(UsageError, match="the folio itself, or a place inside it"):
            refused(target)
    assert files_of(story.path) == before


def test_a_handle_that_only_reads_gives_and_does_not_take(story, tmp_path) -> None:
    reader = DataFolio.open(story.path, read_only=True)
    before = files_of(story.path)
    reader.copy_to(tmp_path / "copy")
    assert files_of(story.path) == before
    for handle in (reader, story.get_snapshot("v1")):
        with pytest.raises(ReadOnlyError):
            handle.pull(tmp_path / "copy")


def test_copies_are_no_part_of_a_batch(story, tmp_path) -> None:
    story.copy_to(tmp_path / "copy")
    for name in ("copy_to", "push", "pull"):
        with story.batch(), pytest.raises(UsageError, match=f"{name} can't be part of a batch"):
            getattr(story, name)(tmp_path / "copy")


def test_damage_is_not_copied(story, tmp_path) -> None:
    digest = story.list_items()[0]["digest"]
    stored = story.path / "objects" / digest[:2] / digest[2:]
    stored.chmod(0o644)
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptObjectError, match=f"{story.path}: objects/{digest[:2]}/{digest[2:]}: expected"):
        story.copy_to(tmp_path / "copy")
    assert DataFolio(tmp_path / "copy").items == []
    stored.write_bytes(data)
    story.copy_to(tmp_path / "copy")
    assert DataFolio(tmp_path / "copy").validate()


@pytest.mark.parametrize("newer", ["source", "target"])
def test_a_folio_of_a_newer_format_neither_gives_nor_takes(story, tmp_path, newer) -> None:
    other = DataFolio(tmp_path / "other")
    path = (story if newer == "source" else other).path / "folio.json"
    document = json.loads(path.read_bytes()) | {"format": 99}
    del document["check"]
    path.write_bytes(sealed(json.dumps(document, separators=(",", ":")).encode()) + b"\n")
    with pytest.raises(NewerFormatError, match="install a newer one"):
        story.push(other.path) if newer == "target" else other.pull(story.path)


def test_names_are_no_paths_anywhere(folio, tmp_path) -> None:
    names = ["../../up", "a/b", "ü\u202e", "~", "C:\\x", "." * 100, "[bold]"]
    for name in names:
        folio.add_json(name, name)
    clone = DataFolio.clone(folio.path, tmp_path / "a folder ü [x] %20")
    assert {name: clone.get_json(name) for name in clone.items} == {name: name for name in names}
    assert clone.history()[0]["what"] == f"clone of {folio.path}"


def test_a_password_in_a_url_is_not_in_the_log(story, tmp_path) -> None:
    place = "memory://user:secret@host/copy?sig=token"
    assert story.copy_to(place)["target"] == "memory://host/copy"
    clone = DataFolio.clone(place, tmp_path / "clone")
    assert clone.history()[0]["what"] == "clone of memory://host/copy"
    assert not [name for name, data in files_of(clone.path).items() if b"secret" in data or b"token" in data]


KILLED = """
import sys
from datafolio import DataFolio
DataFolio.clone(sys.argv[1], sys.argv[2])
"""


def test_a_clone_that_was_killed_goes_on_where_it_was(folio, tmp_path, start) -> None:
    with folio.batch():
        for number in range(1500):
            folio.add_json(f"item {number}", number)
    objects = tmp_path / "clone" / "objects"
    with start(KILLED, folio.path, tmp_path / "clone") as process:
        while sum(1 for _ in objects.rglob("??????*")) < 100:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert DataFolio.open(tmp_path / "clone", read_only=True).items == []
    there = sum(1 for file in objects.rglob("*") if file.is_file())
    assert 100 <= there < 1500
    before = {file: file.stat().st_mtime_ns for file in objects.rglob("*") if file.is_file()}
    done = folio.copy_to(tmp_path / "clone")
    total = sum(1 for file in (folio.path / "objects").rglob("*") if file.is_file())
    assert done["objects"] == total - there
    assert {file: file.stat().st_mtime_ns for file in before} == before
    clone = DataFolio(tmp_path / "clone")
    assert clone.items == folio.items
    assert clone.validate()


def test_progress_is_told_of_all_that_is_copied(story, tmp_path) -> None:
    told: list[tuple[tuple[int, int], tuple[int, int]]] = []
    done = story.copy_to(tmp_path / "copy", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == ((done["objects"], done["bytes"]),) * 2


@pytest.mark.parametrize("place", ["", "/", "/objects/copy"])
def test_a_folio_at_a_url_is_not_copied_to_itself_or_into_itself_either(place) -> None:
    folio = DataFolio("memory://into-itself")
    with pytest.raises(UsageError, match="the folio itself, or a place inside it"):
        folio.copy_to(f"memory://into-itself{place}")
    assert folio.copy_to("memory://into-itself-not")["target"] == "memory://into-itself-not"
