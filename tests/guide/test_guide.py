"""Every Python block of the users' guide, as it stands there, and what the guide says comes of it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from datafolio import (
    DataFolio,
    ReadOnlyError,
)


def stored(folio: DataFolio) -> dict[str, int]:
    """The files that hold the folio's objects, with their sizes."""
    objects = folio.path / "objects"
    return {path.relative_to(objects).as_posix(): path.stat().st_size for path in objects.rglob("*") if path.is_file()}


# Why Use Snapshots?


def test_the_solution(baseline_model, experimental_model, features):
    # Create your experiment
    folio = DataFolio("experiments/classifier")
    folio.add_model("model", baseline_model)
    folio.metadata["accuracy"] = 0.89

    # Snapshot before experimenting
    folio.create_snapshot(
        "v1.0-baseline", description="Baseline random forest - 89% accuracy", tags=["baseline", "production"]
    )

    # Experiment freely!
    folio.add_model("model", experimental_model, overwrite=True)
    folio.metadata["accuracy"] = 0.85  # Worse, but that's OK

    # Return to the good version anytime
    baseline = DataFolio.load_snapshot("experiments/classifier", "v1.0-baseline")
    good_model = baseline.get_model("model")  # Original 89% model

    assert type(good_model) is type(baseline_model)
    np.testing.assert_array_equal(good_model.predict_proba(features), baseline_model.predict_proba(features))
    assert baseline.metadata["accuracy"] == 0.89
    now = DataFolio("experiments/classifier")
    np.testing.assert_array_equal(now.get_model("model").predict(features), experimental_model.predict(features))
    assert now.metadata["accuracy"] == 0.85


# Key Benefits


def test_immutable_once_created_snapshots_never_change(classifier, df):
    before = classifier.get_snapshot_info("v1.0-baseline")
    classifier.add_table("train_data", df.head(3), overwrite=True)
    classifier.metadata.clear()
    classifier.create_snapshot("v2.0")
    classifier.restore_snapshot("v2.0")
    classifier.cleanup_orphaned_versions()
    assert classifier.get_snapshot_info("v1.0-baseline") == before
    pd.testing.assert_frame_equal(classifier.get_snapshot("v1.0-baseline").get_table("train_data"), df)


def test_space_efficient_only_changed_items_create_new_files(classifier, df):
    before = stored(classifier)
    classifier.add_table("train_data", df.assign(a=0.0), overwrite=True)
    classifier.create_snapshot("v2.0", capture_git=False, capture_environment=False, capture_execution=False)
    new = {name: size for name, size in stored(classifier).items() if name not in before}
    assert set(before) <= set(stored(classifier))
    assert len(new) == 2  # the table, the map of items
    payload = classifier.get_item_info("train_data")["size"]
    assert sum(size == payload for size in new.values()) == 1


def test_metadata_preservation_complete_experiment_state_at_that_moment(classifier):
    classifier.metadata["deep"] = {"scores": [0.1, {"fold": 3}]}
    classifier.create_snapshot("v1.1")
    classifier.metadata["deep"]["scores"][1]["fold"] = 4
    assert classifier.get_snapshot("v1.1").metadata == {"accuracy": 0.85, "deep": {"scores": [0.1, {"fold": 3}]}}


# Creating Snapshots


def test_basic_snapshot(df, baseline_model):
    trained_model = baseline_model

    folio = DataFolio("experiments/my_experiment")

    # Add your data
    folio.add_table("train_data", df)
    folio.add_model("model", trained_model)
    folio.metadata["accuracy"] = 0.92

    # Create snapshot
    folio.create_snapshot("v1.0")

    assert folio.get_snapshot("v1.0").items == ["model", "train_data"]


def test_snapshot_with_metadata(classifier):
    folio = classifier
    folio.delete_snapshot("v1.0-baseline")

    folio.create_snapshot(
        "v1.0-baseline",
        description="Baseline random forest model",
        tags=["baseline", "production", "paper"],
        capture_git=True,  # Capture git info (default: True)
        capture_environment=True,  # Capture Python env (default: True)
        capture_execution=True,  # Capture execution info (default: True)
    )

    info = folio.get_snapshot_info("v1.0-baseline")
    assert info["description"] == "Baseline random forest model"
    assert info["tags"] == ["baseline", "production", "paper"]
    folio.create_snapshot("by-default")
    default = folio.get_snapshot_info("by-default")
    for part in ("git", "environment", "execution"):
        assert default[part] == info[part]
    assert info["environment"] is not None
    assert info["execution"] is not None


def test_what_gets_captured(repository, classifier, here):
    (here / "uncommitted.txt").touch()
    classifier.create_snapshot("v1.1")
    info = classifier.get_snapshot_info("v1.1")
    assert info["item_versions"] == {"model": 2, "train_data": 1}
    assert info["metadata_snapshot"] == {"accuracy": 0.85}
    assert info["git"]["commit"] == repository("rev-parse", "HEAD")
    assert info["git"]["branch"] == "main"
    assert info["git"]["dirty"] is True
    assert re.fullmatch(r"3\.\d+\.\d+.*", info["environment"]["python"])
    assert info["environment"]["packages"]["pandas"] == pd.__version__
    assert info["execution"]["working_directory"] == str(here)
    assert info["execution"]["entry_point"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", info["timestamp"])


def test_git_is_captured_if_in_a_git_repo(classifier):
    assert classifier.get_snapshot_info("v1.0-baseline")["git"] is None


# Loading Snapshots


def test_method_1_load_snapshot_as_datafolio(classifier, df, baseline_model, features, capsys):
    # Using classmethod (when you don't have a folio instance yet)
    snapshot = DataFolio.load_snapshot("experiments/classifier", "v1.0-baseline")
    by_class = snapshot

    # Using instance method (when you already have a folio)
    folio = DataFolio("experiments/classifier")
    snapshot = folio.get_snapshot("v1.0-baseline")  # Equivalent to above

    # Access data exactly as it was
    model = snapshot.get_model("model")
    data = snapshot.get_table("train_data")
    accuracy = snapshot.metadata["accuracy"]

    # Snapshot is read-only by default
    print(snapshot.read_only)  # True

    assert capsys.readouterr().out == "True\n"
    assert isinstance(snapshot, DataFolio)
    np.testing.assert_array_equal(model.predict(features), baseline_model.predict(features))
    pd.testing.assert_frame_equal(data, df)
    assert accuracy == 0.89
    assert by_class.items == snapshot.items
    assert by_class.metadata == snapshot.metadata
    with pytest.raises(ReadOnlyError, match="never change"):
        snapshot.metadata["accuracy"] = 1.0
    with pytest.raises(ReadOnlyError):
        snapshot.add_table("train_data", df, overwrite=True)


def test_method_2_quick_view(classifier, df, capsys):
    folio = DataFolio("experiments/classifier")

    # Access snapshot via accessor (returns SnapshotView)
    view = folio.snapshots["v1.0-baseline"]

    # Quick metadata access
    print(view.metadata)
    print(view.name)
    print(view.timestamp)

    # Can also get data, but more limited than full DataFolio
    data = view.get_table("train_data")

    info = folio.get_snapshot_info("v1.0-baseline")
    assert capsys.readouterr().out == f"{{'accuracy': 0.89}}\nv1.0-baseline\n{info['timestamp']}\n"
    assert type(view).__name__ == "SnapshotView"
    pd.testing.assert_frame_equal(data, df)
    assert not isinstance(view, DataFolio)
    assert not hasattr(view, "add_table")


def test_method_3_load_multiple_snapshots(capsys, features, baseline_model, experimental_model):
    folio = DataFolio("experiments/exp")
    for name, accuracy, model in (
        ("v1.0", 0.89, experimental_model),
        ("v2.0", 0.91, baseline_model),
        ("v3.0", 0.87, experimental_model),
    ):
        folio.add_model("classifier", model, overwrite=True)
        folio.metadata["accuracy"] = accuracy
        folio.create_snapshot(name)

    # Using classmethod
    v1 = DataFolio.load_snapshot("experiments/exp", "v1.0")
    v2 = DataFolio.load_snapshot("experiments/exp", "v2.0")
    v3 = DataFolio.load_snapshot("experiments/exp", "v3.0")
    assert [v.metadata["accuracy"] for v in (v1, v2, v3)] == [0.89, 0.91, 0.87]

    # Or using instance method
    folio = DataFolio("experiments/exp")
    v1 = folio.get_snapshot("v1.0")
    v2 = folio.get_snapshot("v2.0")
    v3 = folio.get_snapshot("v3.0")

    # Compare results
    print(f"v1: {v1.metadata['accuracy']}")  # 0.89
    print(f"v2: {v2.metadata['accuracy']}")  # 0.91
    print(f"v3: {v3.metadata['accuracy']}")  # 0.87

    # Deploy the best one
    best_model = v2.get_model("classifier")

    assert capsys.readouterr().out == "v1: 0.89\nv2: 0.91\nv3: 0.87\n"
    np.testing.assert_array_equal(best_model.predict(features), baseline_model.predict(features))


# Managing Snapshots


def test_list_snapshots(classifier, capsys):
    folio = classifier
    folio.create_snapshot("v1.1", description="Worse")

    # List all snapshots
    snapshots = folio.list_snapshots()
    for snap in snapshots:
        print(f"{snap['name']}: {snap['description']}")

    # Filter by tags
    production_snaps = folio.list_snapshots(tags=["production"])

    assert capsys.readouterr().out == "v1.0-baseline: Baseline random forest - 89% accuracy\nv1.1: Worse\n"
    assert [snap["name"] for snap in production_snaps] == ["v1.0-baseline"]


def test_get_snapshot_info(repository, classifier, capsys):
    folio = classifier
    folio.create_snapshot("v1.0", description="Baseline")

    # Get detailed information
    info = folio.get_snapshot_info("v1.0")
    print(info["description"])
    print(info["timestamp"])
    print(info["item_versions"])  # Which versions of items
    print(info["metadata_snapshot"])  # Metadata state
    print(info["git"])  # Git information

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Baseline"
    assert lines[2:4] == ["{'model': 2, 'train_data': 1}", "{'accuracy': 0.85}"]
    assert repository("rev-parse", "HEAD") in lines[4]


def test_compare_snapshots(classifier, df, capsys):
    folio = classifier
    folio.create_snapshot("v1.0")
    folio.add_table("test_data", df.head(5))
    folio.add_table("train_data", df.tail(5), overwrite=True)
    folio.metadata["accuracy"] = 0.91
    folio.create_snapshot("v2.0")

    # Compare two snapshots
    diff = folio.compare_snapshots("v1.0", "v2.0")
    print("Added items:", diff["added_items"])
    print("Removed items:", diff["removed_items"])
    print("Modified items:", diff["modified_items"])
    print("Metadata changes:", diff["metadata_changes"])

    assert capsys.readouterr().out == (
        "Added items: ['test_data']\nRemoved items: []\nModified items: ['train_data']\n"
        "Metadata changes: {'accuracy': (0.85, 0.91)}\n"
    )


def test_delete_snapshots(classifier):
    folio = classifier
    folio.create_snapshot("experimental-v5")
    folio.add_model("model", {"another": "model"}, overwrite=True)
    before = stored(folio)

    # Delete a snapshot (keeps files unless orphaned)
    folio.delete_snapshot("experimental-v5")

    assert set(before) <= set(stored(folio))
    assert list(folio.snapshots) == ["v1.0-baseline"]
    folio.create_snapshot("experimental-v5")
    folio.add_model("model", {"a third": "model"}, overwrite=True)

    # Delete and cleanup orphaned versions
    freed = folio.delete_snapshot("experimental-v5", cleanup_orphans=True)

    assert {(orphan["item"], orphan["version"]) for orphan in freed} == {("model", 2), ("model", 3)}
    assert all(orphan["bytes"] > 0 for orphan in freed)
    assert not set(before) <= set(stored(folio))
    assert list(folio.snapshots) == ["v1.0-baseline"]
    assert folio.get_snapshot("v1.0-baseline").get_model("model")
    assert folio.validate()


def test_cleanup_orphaned_versions(classifier, capsys):
    folio = classifier
    folio.delete_snapshot("v1.0-baseline")
    before = stored(folio)

    # See what would be deleted
    orphans = folio.cleanup_orphaned_versions(dry_run=True)
    print(f"Would delete: {orphans}")
    assert stored(folio) == before

    # Actually delete them
    deleted = folio.cleanup_orphaned_versions()
    print(f"Deleted {len(deleted)} orphaned versions")

    size = f"{deleted[0]['bytes'] / 1000:.1f} kB"
    assert capsys.readouterr().out == (f"Would delete: [model version 1 ({size})]\nDeleted 1 orphaned versions\n")
    assert sum(stored(folio).values()) < sum(before.values())
    assert folio.cleanup_orphaned_versions(dry_run=True) == []
    assert folio.validate()


# Copy-on-Write Versioning


def test_copy_on_write_versioning():
    huge_df = pd.DataFrame({"x": np.random.default_rng(0).normal(size=50_000)})
    modified_df = huge_df.assign(x=huge_df["x"] + 1)
    folio = DataFolio("experiments/exp")

    # Initial data (5GB file)
    folio.add_table("big_data", huge_df)
    folio.create_snapshot("v1.0")

    size = folio.get_item_info("big_data")["size"]
    assert size > 400_000

    def payloads() -> int:
        return sum(found > 300_000 for found in stored(folio).values())

    # Create 10 more snapshots - still only 5GB!
    folio.create_snapshot("v1.1")
    folio.create_snapshot("v1.2")
    # ... no new files created for 'big_data'
    for number in range(3, 11):
        folio.create_snapshot(f"v1.{number}")
    assert payloads() == 1
    assert sum(stored(folio).values()) < size * 1.1

    # Only when you overwrite an item in a snapshot do we create a new version
    folio.add_table("big_data", modified_df, overwrite=True)
    # Now we have: big_data.parquet (5GB) and big_data_v2.parquet (5GB)
    assert payloads() == 2
    assert folio.get_item_info("big_data")["filename"] == "big_data_v2.parquet"
    assert folio.get_snapshot("v1.0").get_item_info("big_data")["filename"] == "big_data.parquet"
    folio.create_snapshot("v2.0")

    # v1.x snapshots still reference original file
    # v2.0 references the new file
    for name in folio.snapshots:
        got = folio.get_snapshot(name).get_table("big_data")
        pd.testing.assert_frame_equal(got, modified_df if name == "v2.0" else huge_df)
        assert folio.get_snapshot_info(name)["item_versions"] == {"big_data": 2 if name == "v2.0" else 1}
