"""The guide's troubleshooting and its questions and answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    ItemInUseError,
    ReadOnlyError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)


def stored(folio: DataFolio) -> dict[str, int]:
    """The files that hold the folio's objects, with their sizes."""
    objects = folio.path / "objects"
    return {path.relative_to(objects).as_posix(): path.stat().st_size for path in objects.rglob("*") if path.is_file()}


# Troubleshooting


def test_snapshot_already_exists(classifier):
    folio = classifier
    folio.create_snapshot("v1.0")

    # Error
    with pytest.raises(SnapshotExistsError, match="exists"):
        folio.create_snapshot("v1.0")  # Already exists!

    # Fix
    folio.create_snapshot("v1.1")  # New name

    assert list(folio.snapshots) == ["v1.0-baseline", "v1.0", "v1.1"]


def test_large_number_of_versions(classifier):
    folio = classifier
    for number in range(5):
        folio.add_json("settings", {"number": number}, overwrite=True)
        folio.create_snapshot(f"s{number}", capture_environment=False)
    for number in range(4):
        folio.delete_snapshot(f"s{number}")

    # See what would be deleted
    orphans = folio.cleanup_orphaned_versions(dry_run=True)
    # Delete them
    deleted = folio.cleanup_orphaned_versions()

    assert deleted == orphans
    assert [(orphan["item"], orphan["version"]) for orphan in orphans] == [("settings", n) for n in range(1, 5)]
    assert folio.get_snapshot("s4").get_json("settings") == {"number": 4}


def test_can_not_delete_item(baseline_model):
    folio = DataFolio("experiments/exp")
    folio.add_model("model", baseline_model)
    folio.create_snapshot("v1.0")

    # Error
    with pytest.raises(ItemInUseError, match=r"'model' is held by snapshot 'v1\.0'.*delete_snapshot"):
        folio.delete("model")  # Used by snapshot v1.0!

    # Fix
    folio.delete_snapshot("v1.0", cleanup_orphans=True)
    folio.delete("model")  # Now works

    assert folio.items == []


# FAQ


def test_how_much_disk_space_very_little(classifier):
    before = sum(stored(classifier).values())
    for number in range(20):
        classifier.create_snapshot(f"s{number}")
    assert sum(stored(classifier).values()) - before < 20 * 3_000 + 20_000


def test_can_i_modify_a_snapshot_no(classifier, df):
    snapshot = classifier.get_snapshot("v1.0-baseline")
    for change in (
        lambda: snapshot.add_table("more", df),
        lambda: snapshot.delete("model"),
        lambda: snapshot.metadata.update(accuracy=1),
        lambda: snapshot.create_snapshot("v1.0-baseline"),
        lambda: snapshot.delete_snapshot("v1.0-baseline"),
    ):
        with pytest.raises(ReadOnlyError):
            change()


def test_can_i_share_a_snapshot_others_can_load_it_from_the_bundle_directory(classifier, tmp_path, df):
    import shutil

    shutil.copytree("experiments/classifier", tmp_path / "a colleague's" / "classifier")
    shutil.rmtree("experiments")
    theirs = DataFolio.load_snapshot(tmp_path / "a colleague's" / "classifier", "v1.0-baseline")
    pd.testing.assert_frame_equal(theirs.get_table("train_data"), df)
    assert theirs.metadata["accuracy"] == 0.89
    assert theirs.validate()


def test_do_snapshots_work_with_cloud_storage(server, df, monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFOLIO_CACHE_DIR", str(tmp_path / "cache"))
    url, options = server.url("experiment"), server.options
    folio = DataFolio(url, storage_options=options)
    folio.add_table("train_data", df)
    folio.metadata["accuracy"] = 0.89
    folio.create_snapshot("v1.0")
    folio.add_table("train_data", df.head(1), overwrite=True)
    folio.create_snapshot("v2.0")
    assert folio.compare_snapshots("v1.0", "v2.0")["modified_items"] == ["train_data"]
    theirs = DataFolio.load_snapshot(url, "v1.0", storage_options=options)
    pd.testing.assert_frame_equal(theirs.get_table("train_data"), df)
    assert theirs.metadata["accuracy"] == 0.89
    folio.restore_snapshot("v1.0")
    folio.delete_snapshot("v2.0", cleanup_orphans=True)
    assert folio.validate()


def test_snapshots_capture_the_complete_state(classifier):
    assert classifier.get_snapshot("v1.0-baseline").items == classifier.items
    with pytest.raises(SnapshotNotFoundError):
        classifier.get_snapshot("v9.9")
    assert Path("experiments/classifier/snapshots.json").is_file()
