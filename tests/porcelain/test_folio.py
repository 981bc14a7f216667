"""Opening a folio, and making one: where it is done, and where it is refused with nothing written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from datafolio import (
    DataFolio,
    DestinationExistsError,
    FolioError,
    FolioNotFoundError,
    ReadOnlyError,
    StorageError,
    UsageError,
)


def tree(directory: Path) -> dict[str, bytes | str]:
    """Everything below a directory, links as what they say."""
    found: dict[str, bytes | str] = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "directory"
    return found


# Where a folio is made


def test_a_missing_directory_becomes_a_folio(tmp_path):
    folio = DataFolio(tmp_path / "a" / "b" / "folio")
    assert (folio.path / "folio.json").is_file()
    assert len(folio) == 0
    assert folio.items == []
    assert folio.metadata == {}
    assert folio.list_snapshots() == []


def test_an_empty_directory_becomes_a_folio(tmp_path):
    (tmp_path / "folio").mkdir()
    assert (DataFolio(tmp_path / "folio").path / "folio.json").is_file()


def test_a_new_folio_says_how_to_read_it(folio):
    assert "folio" in (folio.path / "README.md").read_text(encoding="utf-8")


def test_a_folio_is_opened_again_with_what_it_held(tmp_path):
    DataFolio(tmp_path / "folio").add_json("x", 1)
    before = tree(tmp_path / "folio" / "objects")
    assert DataFolio(tmp_path / "folio").get_json("x") == 1
    assert tree(tmp_path / "folio" / "objects") == before


def test_opening_a_folio_writes_nothing(tmp_path):
    DataFolio(tmp_path / "folio").add_json("x", 1)
    before = tree(tmp_path / "folio" / "log")
    for _ in range(3):
        DataFolio(tmp_path / "folio")
    assert tree(tmp_path / "folio" / "log") == before


@pytest.mark.parametrize("kind", [str, Path])
def test_the_path_is_a_str_or_a_path(tmp_path, kind):
    assert DataFolio(kind(tmp_path / "folio")).path == tmp_path / "folio"


def test_the_path_is_anything_that_has_one(tmp_path):
    class Where:
        def __fspath__(self) -> str:
            return str(tmp_path / "folio")

    assert DataFolio(Where()).path == tmp_path / "folio"


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "Ünïcödé",
        "数据",
        "🗂️",
        "-dash",
        "a'b\"c",
        "$HOME",
        "%41",
        "a#b?c",
        "[x]*",
        "line\nbreak",
        "dots..",
        ".hidden",
        "n" * 255,
    ],
)
def test_a_folio_may_have_any_name_that_a_directory_may(tmp_path, name):
    folio = DataFolio(tmp_path / name)
    folio.add_json("x", 1)
    folio.create_snapshot("s", capture_git=False, capture_environment=False)
    assert DataFolio.load_snapshot(tmp_path / name, "s").get_json("x") == 1
    assert os.listdir(tmp_path) == [name]
    assert folio.validate()


@pytest.mark.skipif(os.name != "posix", reason="other systems' paths are text")
def test_a_path_that_is_no_valid_text_works(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    DataFolio(path).add_json("x", 1)
    assert DataFolio(path).get_json("x") == 1


def test_the_home_directory_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert DataFolio("~/folio").path == tmp_path / "folio"
    assert (tmp_path / "folio" / "folio.json").is_file()


def test_a_relative_path_is_bound_at_once(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    folio = DataFolio("folio")
    monkeypatch.chdir(tmp_path / "elsewhere")
    folio.add_json("x", 1)
    folio.create_snapshot("s", capture_git=False, capture_environment=False)
    assert folio.get_snapshot("s").get_json("x") == 1
    assert os.listdir(tmp_path / "elsewhere") == []
    assert DataFolio(tmp_path / "folio").get_json("x") == 1


def test_work_goes_on_where_the_working_directory_was_deleted(folio, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    folio.add_json("x", 1)
    folio.create_snapshot("s")
    assert folio.get_snapshot_info("s")["execution"]["working_directory"] is None
    assert str(folio.path) in folio.reproduce_instructions("s")
    assert DataFolio(folio.path).get_json("x") == 1
    with pytest.raises(UsageError, match="absolute"):
        DataFolio("relative")


def test_a_link_to_a_folio_is_that_folio(folio, tmp_path):
    (tmp_path / "link").symlink_to(folio.path, target_is_directory=True)
    DataFolio(tmp_path / "link").add_json("x", 1)
    assert folio.get_json("x") == 1


def test_a_link_to_an_empty_directory_becomes_a_folio(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    DataFolio(tmp_path / "link")
    assert (tmp_path / "real" / "folio.json").is_file()


def test_processes_that_make_the_same_folio_at_once_all_get_it(tmp_path, start):
    code = """
import sys, time
from datafolio import DataFolio
path, name, begin = sys.argv[1], sys.argv[2], float(sys.argv[3])
time.sleep(max(0, begin - time.time()))
for round in range(8):
    DataFolio(f"{path}/{round}").add_json(name, round)
"""
    import time

    begin = time.time() + 1.5
    processes = [start(code, tmp_path, f"item{number}", begin) for number in range(4)]
    for process in processes:
        with process:
            _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    for number in range(8):
        folio = DataFolio(tmp_path / str(number))
        assert folio.items == ["item0", "item1", "item2", "item3"]
        assert folio.validate()


# Where it is refused


def refuse(path: object, above: Path, *, kind: type[FolioError], read_only: bool = False) -> str:
    before = tree(above)
    with pytest.raises(kind) as caught:
        DataFolio(path, read_only=read_only)  # type: ignore[arg-type]
    assert tree(above) == before
    return str(caught.value)


def test_a_file_is_no_place_for_a_folio(tmp_path):
    (tmp_path / "file").write_text("mine")
    message = refuse(tmp_path / "file", tmp_path, kind=DestinationExistsError)
    assert str(tmp_path / "file") in message
    assert "is a file" in message
    assert "datafolio init" in message


def test_below_a_file_is_no_place_for_a_folio(tmp_path):
    (tmp_path / "file").write_text("mine")
    refuse(tmp_path / "file" / "folio", tmp_path, kind=DestinationExistsError)


@pytest.mark.parametrize("name", ["notes.txt", ".git", "items.json", "objects", "log", ".DS_Store"])
def test_a_directory_with_other_things_is_refused_and_init_is_named(tmp_path, name):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / name).write_text("mine")
    message = refuse(tmp_path / "project", tmp_path, kind=DestinationExistsError)
    assert f"datafolio init {tmp_path / 'project'}" in message


def test_a_directory_that_has_a_folder_called_tmp_with_other_things_is_refused(tmp_path):
    (tmp_path / "project" / "tmp").mkdir(parents=True)
    (tmp_path / "project" / "tmp" / "thesis.txt").write_text("mine")
    refuse(tmp_path / "project", tmp_path, kind=DestinationExistsError)


def test_a_file_called_tmp_is_another_thing(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "tmp").write_text("mine")
    refuse(tmp_path / "project", tmp_path, kind=DestinationExistsError)


def test_a_link_to_nothing_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    refuse(tmp_path / "link", tmp_path, kind=FolioError)


def test_a_link_to_itself_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "link")
    refuse(tmp_path / "link", tmp_path, kind=FolioError)
    refuse(tmp_path / "link", tmp_path, kind=FolioError, read_only=True)


def test_a_path_that_is_too_long_is_refused(tmp_path):
    refuse(tmp_path / ("n" * 300), tmp_path, kind=StorageError)
    refuse(tmp_path / ("n" * 300), tmp_path, kind=FolioError, read_only=True)


@pytest.mark.parametrize("path", [None, 5, "", "a\0b", b"bytes", ["folio"]])
def test_what_is_no_path_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    refuse(path, tmp_path, kind=UsageError)


@pytest.mark.parametrize("url", ["s3://", "nosuch://bucket/folio"])
def test_a_url_that_names_no_place_is_refused_and_becomes_no_directory_of_that_name(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    assert "s3://" in refuse(url, tmp_path, kind=UsageError)


@pytest.mark.skipif(os.name != "posix", reason="rights of the POSIX kind")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_the_right_to_write_is_refused(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    refuse(tmp_path / "locked" / "folio", tmp_path, kind=StorageError)


# read_only, open and init


def test_read_only_makes_nothing(tmp_path):
    message = refuse(tmp_path / "missing", tmp_path, kind=FolioNotFoundError, read_only=True)
    assert str(tmp_path / "missing") in message
    assert "datafolio init" in message
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", tmp_path, kind=FolioNotFoundError, read_only=True)
    (tmp_path / "file").touch()
    assert "file" in refuse(tmp_path / "file", tmp_path, kind=FolioNotFoundError, read_only=True)


def test_read_only_reads_and_refuses_to_write(folio):
    folio.add_json("x", 1)
    folio.metadata["a"] = 1
    reader = DataFolio(folio.path, read_only=True)
    before = tree(folio.path)
    assert reader.read_only
    assert not folio.read_only
    assert (reader.get_json("x"), reader.metadata["a"]) == (1, 1)
    with pytest.raises(ReadOnlyError, match="read_only=True"):
        reader.add_json("y", 2)
    with pytest.raises(ReadOnlyError):
        reader.metadata["a"] = 2
    with pytest.raises(ReadOnlyError):
        reader.create_snapshot("s")
    assert tree(folio.path) == before


def test_a_read_only_handle_sees_what_others_write(folio):
    reader = DataFolio(folio.path, read_only=True)
    folio.add_json("x", 1)
    assert reader.get_json("x") == 1


def test_open_makes_nothing(tmp_path):
    with pytest.raises(FolioNotFoundError):
        DataFolio.open(tmp_path / "missing")
    assert list(tmp_path.iterdir()) == []


def test_open_gives_a_folio_that_can_be_written(folio):
    DataFolio.open(folio.path).add_json("x", 1)
    assert folio.items == ["x"]


def test_init_makes_a_folio_beside_other_things(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "README.md").write_text("my project")
    folio = DataFolio.init(tmp_path)
    folio.add_json("x", 1)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "README.md").read_text() == "my project"
    assert DataFolio(tmp_path).get_json("x") == 1


def test_init_refuses_a_folio_that_is_there(folio):
    before = tree(folio.path)
    with pytest.raises(DestinationExistsError, match="already"):
        DataFolio.init(folio.path)
    assert tree(folio.path) == before


@pytest.mark.parametrize("name", ["objects", "log", "items.json", "snapshots.json", "tmp"])
def test_init_refuses_a_directory_that_uses_its_names(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(DestinationExistsError, match=name):
        DataFolio.init(tmp_path)
    assert tree(tmp_path) == {name: b"mine"}


def test_init_refuses_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DestinationExistsError):
        DataFolio.init(tmp_path / "file")


# What a folio says of itself


def test_a_folio_shows_its_path_and_what_it_is_even_when_it_is_gone(folio):
    assert str(folio.path) in repr(folio)
    folio.create_snapshot("s", capture_git=False, capture_environment=False)
    assert "snapshot 's'" in repr(folio.get_snapshot("s"))
    assert "read-only" in repr(DataFolio(folio.path, read_only=True))
    held = folio.get_snapshot("s")
    folio.delete_snapshot("s")
    assert "snapshot 's'" in repr(held)


def test_describe_lists_items_metadata_and_snapshots(folio):
    folio.add_json("settings", {"a": 1}, description="how it was run")
    folio.metadata["accuracy"] = 0.5
    folio.create_snapshot("s", capture_git=False, capture_environment=False)
    text = folio.describe()
    for part in (str(folio.path), "settings", "how it was run", "accuracy: 0.5", "snapshots: 1"):
        assert part in text
    assert repr(text) == str(text)


def test_describe_escapes_what_could_control_a_terminal(folio):
    folio.add_json("x", 1, description="\x1b[31mred\x07")
    folio.metadata["\x1bk"] = "\x1bv"
    assert "\x1b" not in folio.describe()
    assert "\x07" not in folio.describe()


def test_a_folio_that_was_removed_stays_removed(tmp_path, run):
    run(
        """
import shutil, sys
from datafolio import DataFolio
folio = DataFolio(sys.argv[1])
folio.add_json("x", 1)
shutil.rmtree(sys.argv[1])
""",
        tmp_path / "folio",
    )
    assert list(tmp_path.iterdir()) == []
