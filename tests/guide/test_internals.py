"""The guide's "Snapshot Internals": the files for people and for git, in the schema that it documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from datafolio import DataFolio


def read(name: str) -> dict:
    return json.loads((Path("experiments/exp") / name).read_text(encoding="utf-8"))


@pytest.fixture
def _folio(here, df, baseline_model, experimental_model):
    """The folio of which the guide shows the files."""
    folio = DataFolio("experiments/exp")
    folio.add_model("model", baseline_model)
    folio.add_table("data", df)
    folio.metadata["accuracy"] = 0.89
    folio.create_snapshot("v1.0", description="Baseline model", tags=["baseline"])
    folio.create_snapshot("v1.1")
    folio.add_model("model", experimental_model, overwrite=True)
    for view in folio.path.glob("*s.json"):
        view.unlink()
    folio.create_snapshot("v2.0")


@pytest.mark.usefixtures("repository", "_folio")
def test_snapshots_are_stored_in_snapshots_json(repository):
    snapshots = read("snapshots.json")["snapshots"]
    assert list(snapshots) == ["v1.0", "v1.1", "v2.0"]
    shown = snapshots["v1.0"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown.pop("timestamp"))
    git, environment = shown.pop("git"), shown.pop("environment")
    assert {key: shown[key] for key in ("description", "tags", "item_versions", "metadata_snapshot")} == {
        "description": "Baseline model",
        "tags": ["baseline"],
        "item_versions": {"model": 1, "data": 1},
        "metadata_snapshot": {"accuracy": 0.89},
    }
    assert git["commit"] == repository("rev-parse", "HEAD")
    assert environment["python"].startswith("3.")
    assert snapshots["v2.0"]["item_versions"] == {"model": 2, "data": 1}


@pytest.mark.usefixtures("_folio")
def test_item_versions_are_tracked_in_items_json():
    items = read("items.json")["items"]
    fields = ("name", "filename", "version", "in_snapshots")
    assert [{field: item[field] for field in fields} for item in items if item["name"] == "model"] == [
        {"name": "model", "filename": "model.joblib", "version": 1, "in_snapshots": ["v1.0", "v1.1"]},
        {"name": "model", "filename": "model_v2.joblib", "version": 2, "in_snapshots": ["v2.0"]},
    ]
    assert [item["in_snapshots"] for item in items if item["name"] == "data"] == [["v1.0", "v1.1", "v2.0"]]


@pytest.mark.usefixtures("_folio")
def test_the_files_say_where_each_payload_is(df):
    (data,) = (item for item in read("items.json")["items"] if item["name"] == "data")
    pd.testing.assert_frame_equal(pd.read_parquet(Path("experiments/exp") / data["object"]), df)


@pytest.mark.usefixtures("_folio")
def test_the_files_are_readable_and_change_little_from_one_snapshot_to_the_next():
    before = (Path("experiments/exp") / "snapshots.json").read_text().splitlines()
    folio = DataFolio("experiments/exp")
    (folio.path / "items.json").unlink()
    folio.create_snapshot("v2.1")
    after = (Path("experiments/exp") / "snapshots.json").read_text().splitlines()
    assert len(before) > 30
    # Besides the new snapshot, the closing lines: the record that the file was made from, and its check.
    assert after[: len(before) - 5] == before[:-5]
