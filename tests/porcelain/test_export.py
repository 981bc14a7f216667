"""A snapshot as ordinary named files."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
import pathlib
import re
from pathlib import Path

import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    DestinationExistsError,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def files(folio: DataFolio, folder: str = "objects") -> dict[str, bytes]:
    root = folio.path / folder
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_export_is_ordinary_named_files(story, tmp_path):
    written = story.export_snapshot("v2", tmp_path / "out")
    assert sorted(path.name for path in written) == [
        "data.parquet", "dropped.json", "new.json", "settings_v2.json", "snapshot.json"
    ]  # fmt: skip
    assert sorted(written) == sorted((tmp_path / "out").iterdir())
    assert pd.read_parquet(tmp_path / "out" / "data.parquet")["n"].tolist() == [1, 2]
    assert json.loads((tmp_path / "out" / "settings_v2.json").read_text()) == {"lr": 0.2}
    manifest = json.loads((tmp_path / "out" / "snapshot.json").read_text())
    assert manifest["name"] == "v2"
    assert manifest["metadata_snapshot"]["accuracy"] == 0.91
    assert manifest["items"]["settings"]["file"] == "settings_v2.json"
    assert manifest["items"]["settings"]["version"] == 2


def test_what_was_exported_is_the_callers_own(story, tmp_path):
    for path in story.export_snapshot("v1", tmp_path / "out"):
        path.write_bytes(b"scribbled")
    assert story.validate()


@pytest.mark.parametrize("kind", [str, Path])
def test_an_export_makes_its_directory_or_takes_an_empty_one(story, tmp_path, kind):
    assert story.export_snapshot("v1", kind(tmp_path / "deep" / "out"))
    (tmp_path / "empty").mkdir()
    assert story.export_snapshot("v1", kind(tmp_path / "empty"))


def test_an_export_over_something_is_refused_and_nothing_is_written(story, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path / "full", tmp_path / "file", story.path):
        with pytest.raises(DestinationExistsError):
            story.export_snapshot("v1", target)
    assert os.listdir(tmp_path / "full") == ["mine"]
    assert (tmp_path / "file").read_text() == "mine"
    assert "data.parquet" not in os.listdir(story.path)


STRANGE = [
    "../../x", "a/b", "a\\b", "..", ".", ".hidden", "-rf", "CON", "con", "nul", "COM1", "aux", "a:b", "a|b", "*?",
    "Data", "data", "DATA", "data~2", "snapshot", "Snapshot", "x" * 255, "é" * 255, "🗂" * 255, "/etc/passwd",
    "~", "$HOME", "%2F", "a.json", "a", "caf\u00e9", "cafe\u0301", "tab~2",
]  # fmt: skip


def test_items_with_strange_names_are_exported_under_harmless_ones(folio, tmp_path):
    with folio.batch():
        for number, name in enumerate(STRANGE):
            folio.add_json(name, number)
    folio.create_snapshot("s", **OFF)
    written = folio.export_snapshot("s", tmp_path / "outer" / "out")
    names = [path.name for path in written]
    assert len(names) == len({name.casefold() for name in names}) == len(STRANGE) + 1
    assert sorted(os.listdir(tmp_path / "outer" / "out")) == sorted(names)
    assert os.listdir(tmp_path / "outer") == ["out"]
    manifest = json.loads((tmp_path / "outer" / "out" / "snapshot.json").read_text(encoding="utf-8"))
    for number, name in enumerate(STRANGE):
        file = tmp_path / "outer" / "out" / manifest["items"][name]["file"]
        assert json.loads(file.read_text()) == number
    for name in names:
        assert len(name.encode()) <= 255
        assert not name.startswith((".", "~/"))
        assert not set(name) & set('/\\:*?"<>|\0')
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)


def test_metadata_that_json_can_not_hold_are_exported_all_the_same(folio, tmp_path):
    folio.metadata.update({"nan": math.nan, "when": dt.date(2025, 1, 20), "path": pathlib.Path("a"), "big": 2**70})
    folio.create_snapshot("s", **OFF)
    folio.export_snapshot("s", tmp_path / "out")
    json.loads((tmp_path / "out" / "snapshot.json").read_text())
