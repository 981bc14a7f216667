"""What users call, with small values: the fixed cost of each call."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pandas as pd
import pytest

_VALUES = {
    "table": pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}),
    "numpy": np.arange(10.0),
    "json": {"depth": 3},
    "timestamp": dt.datetime(2025, 1, 20, 15, tzinfo=dt.timezone.utc),
    "model": ["a model", 1, 2.0],
}
_NOTHING = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def _add(folio, kind: str, name: str) -> None:
    getattr(folio, f"add_{kind}")(name, _VALUES[kind], overwrite=True)


@pytest.fixture
def filled(folio):
    """A folio of 1,000 items and two snapshots that differ in ten of them."""
    with folio.batch():
        for number in range(1000):
            folio.add_json(f"item {number}", number)
    folio.create_snapshot("old", **_NOTHING)
    with folio.batch():
        for number in range(10):
            folio.add_json(f"item {number}", -number, overwrite=True)
    folio.create_snapshot("new", **_NOTHING)
    return folio


@pytest.mark.parametrize("kind", _VALUES)
def test_add(benchmark, folio, kind) -> None:
    names = itertools.count()
    benchmark(lambda: _add(folio, kind, f"item {next(names)}"))


@pytest.mark.parametrize("kind", _VALUES)
def test_get(benchmark, folio, kind) -> None:
    _add(folio, kind, "item")
    benchmark(folio.get_data, "item")


def test_add_and_get_an_artifact(benchmark, folio, tmp_path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    benchmark(lambda: (folio.add_artifact("notes", file, overwrite=True), folio.get_artifact_path("notes")))


def test_create_and_delete_a_snapshot(benchmark, folio) -> None:
    folio.add_json("item", 1)
    benchmark(lambda: (folio.create_snapshot("s", **_NOTHING), folio.delete_snapshot("s")))


def test_change_metadata(benchmark, folio) -> None:
    numbers = itertools.count()
    benchmark(lambda: folio.metadata.update(step=next(numbers)))


def test_list_1000_items(benchmark, filled) -> None:
    assert len(benchmark(filled.list_items)) == 1000


def test_compare_1000_items_with_10_differences(benchmark, filled) -> None:
    assert len(benchmark(filled.compare_snapshots, "old", "new")["modified_items"]) == 9


def test_load_a_snapshot_and_get(benchmark, filled) -> None:
    assert benchmark(lambda: filled.get_snapshot("old").get_json("item 5")) == 5


def test_open(benchmark, filled) -> None:
    assert len(benchmark(lambda: type(filled).open(filled.path))) == 1000
