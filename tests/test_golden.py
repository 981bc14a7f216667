"""Folios that earlier versions wrote are read by this one, in every part.

`tests/golden/make.py` wrote them; a folio of a released format is never written again.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck
from datafolio.store.model import FORMAT
from datafolio.store.objects import OBJECTS
from tests.golden.make import NAME, make, summary

GOLDEN = Path(__file__).parent / "golden"
FORMATS = sorted(path.stem for path in GOLDEN.glob("format*.zip"))


@pytest.fixture(params=FORMATS)
def golden(request, tmp_path):
    """A golden folio, unpacked, and what is in it."""
    root = tmp_path / "folio"
    with zipfile.ZipFile(GOLDEN / f"{request.param}.zip") as archive:
        archive.extractall(root)
    return root, json.loads((GOLDEN / f"{request.param}.json").read_text("utf-8"))


def as_json(value):
    return json.loads(json.dumps(value))


def files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_there_is_one_for_every_format_and_each_is_small():
    assert {int(re.match(r"format(\d+)", name)[1]) for name in FORMATS} == set(range(1, FORMAT + 1))
    assert FORMATS[-1] == NAME
    for path in GOLDEN.iterdir():
        if path.is_file():
            assert path.stat().st_size < 250_000


def test_every_item_of_every_snapshot_reads_as_it_did(golden):
    root, expected = golden
    before = files(root)
    assert as_json(summary(DataFolio(root, read_only=True))) == expected
    assert files(root) == before


def test_tables_come_back_as_pandas_frames_of_their_shape(golden):
    root, expected = golden
    folio = DataFolio(root, read_only=True)
    tables = {name: item for name, item in expected["now"]["items"].items() if item["info"]["type"] == "table"}
    assert tables
    for name, item in tables.items():
        frame = folio.get_table(name)
        assert list(frame.shape) == item["info"]["shape"]
        assert [str(label) for label in frame.columns] == item["info"]["columns"]


def test_it_verifies(golden):
    root, _ = golden
    report = fsck(LocalBackend(root))
    assert report.findings == ()
    assert report.checked_bytes > 0


def test_it_holds_what_makes_formats_hard(golden):
    root, expected = golden
    kinds = {item["info"]["type"] for item in expected["now"]["items"].values()}
    assert kinds == {"table", "numpy", "json", "model", "timestamp", "artifact", "figure"}
    assert list(expected["snapshots"]) == ["baseline", "large", "last"]
    assert len(expected["snapshots"]["large"]["items"]) > 64
    assert any("~" in listed.key for listed in LocalBackend(root).list(OBJECTS))


def test_collecting_a_copy_keeps_everything(golden):
    root, expected = golden
    folio = DataFolio(root)
    folio.cleanup_orphaned_versions()
    assert as_json(summary(folio)) == expected
    assert fsck(LocalBackend(root)).findings == ()
    assert folio.cleanup_orphaned_versions() == []


def test_work_goes_on_in_a_copy(golden):
    root, expected = golden
    folio = DataFolio(root)
    folio.restore_snapshot("large")
    folio.add_json("reborn", "new", overwrite=True)
    folio.create_snapshot("now", capture_environment=False)
    folio.delete_snapshot("large", cleanup_orphans=True)
    found = as_json(summary(folio))
    assert found["snapshots"]["baseline"] == expected["snapshots"]["baseline"]
    assert found["snapshots"]["last"] == expected["snapshots"]["last"]
    assert folio.get_json("reborn") == "new"
    assert fsck(LocalBackend(root)).findings == ()


def test_this_version_still_writes_what_the_newest_one_holds(tmp_path):
    """If this fails, the script no longer makes what it made; a new format needs a golden folio of its own."""
    pytest.importorskip("matplotlib")
    make(tmp_path / "folio")
    expected = json.loads((GOLDEN / f"{NAME}.json").read_text("utf-8"))
    found = as_json(summary(DataFolio(tmp_path / "folio", read_only=True)))
    assert set(found["now"]["items"]) == set(expected["now"]["items"])
    assert found["now"]["metadata"] == expected["now"]["metadata"]
    assert list(found["snapshots"]) == list(expected["snapshots"])
