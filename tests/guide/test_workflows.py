"""The guide's common workflows, best practices and analysis, from end to end."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from datafolio import DataFolio


def test_paper_submission(df, baseline_model, experimental_model, features):
    processed_data, final_model = df, baseline_model

    # September: Finalize results for paper
    folio = DataFolio("research/protein-analysis")
    folio.add_table("data", processed_data)
    folio.add_model("classifier", final_model)
    folio.metadata["accuracy"] = 0.92

    # Snapshot for paper
    folio.create_snapshot(
        "neurips-2025-submission",
        description="Exact version submitted to NeurIPS 2025",
        tags=["paper", "neurips", "submitted"],
    )

    folio.add_table("data", df.head(7), overwrite=True)
    folio.add_model("classifier", experimental_model, overwrite=True)

    # February: Reviewers ask for changes
    # Load original version
    paper_folio = DataFolio.load_snapshot("research/protein-analysis", "neurips-2025-submission")

    # Run additional experiments with original data/model
    original_model = paper_folio.get_model("classifier")
    original_data = paper_folio.get_table("data")

    pd.testing.assert_frame_equal(original_data, processed_data)
    np.testing.assert_array_equal(original_model.predict(features), final_model.predict(features))


def test_a_b_testing(baseline_model, experimental_model, features, capsys):
    deployed = {}

    def deploy_model(model, endpoint):
        deployed[endpoint] = model.predict(features)

    made = DataFolio("models/recommender")
    for name, model, latency in (
        ("v2.0-baseline", baseline_model, 120),
        ("v3.0-experimental", experimental_model, 80),
    ):
        made.add_model("model", model, overwrite=True)
        made.metadata["p95_latency"] = latency
        made.create_snapshot(name)

    # Deploy two versions for A/B test
    baseline = DataFolio.load_snapshot("models/recommender", "v2.0-baseline")
    experimental = DataFolio.load_snapshot("models/recommender", "v3.0-experimental")

    # Deploy to different endpoints
    deploy_model(baseline.get_model("model"), endpoint="prod-a")
    deploy_model(experimental.get_model("model"), endpoint="prod-b")

    # Compare results after test
    print(f"Baseline p95: {baseline.metadata['p95_latency']}")
    print(f"Experimental p95: {experimental.metadata['p95_latency']}")

    # Winner! Create new baseline
    folio = DataFolio("models/recommender")
    folio.create_snapshot("v3.0-baseline", description="New production baseline", tags=["production", "baseline"])

    np.testing.assert_array_equal(deployed["prod-a"], baseline_model.predict(features))
    np.testing.assert_array_equal(deployed["prod-b"], experimental_model.predict(features))
    assert capsys.readouterr().out == "Baseline p95: 120\nExperimental p95: 80\n"
    assert folio.compare_snapshots("v3.0-experimental", "v3.0-baseline")["modified_items"] == []


def test_hyperparameter_tuning(df, features):
    def train_model(lr, max_depth):
        model = GradientBoostingClassifier(learning_rate=lr, max_depth=max_depth, n_estimators=3, random_state=0)
        return model.fit(features, df["label"])

    def evaluate(model):
        return float((model.predict(features) == df["label"]).mean())

    folio = DataFolio("experiments/tuning")

    # Try different hyperparameters
    for lr in [0.001, 0.01, 0.1]:
        for depth in [5, 10, 20]:
            model = train_model(lr=lr, max_depth=depth)
            accuracy = evaluate(model)
            folio.add_model("model", model, overwrite=True)
            folio.metadata["lr"] = lr
            folio.metadata["max_depth"] = depth
            folio.metadata["accuracy"] = accuracy
            # Snapshot each config
            folio.create_snapshot(f"lr{lr}_depth{depth}")

    # Find best config
    snapshots = folio.list_snapshots()
    best = max(snapshots, key=lambda s: s["metadata_snapshot"]["accuracy"])

    # Load best model
    best_folio = DataFolio.load_snapshot("experiments/tuning", best["name"])
    production_model = best_folio.get_model("model")

    assert [snapshot["name"] for snapshot in snapshots] == [
        f"lr{lr}_depth{depth}" for lr in ("0.001", "0.01", "0.1") for depth in (5, 10, 20)
    ]
    assert evaluate(production_model) == best["metadata_snapshot"]["accuracy"]
    assert production_model.get_params()["learning_rate"] == best["metadata_snapshot"]["lr"]
    for snapshot in snapshots:
        model = folio.get_snapshot(snapshot["name"]).get_model("model")
        assert evaluate(model) == snapshot["metadata_snapshot"]["accuracy"]


# Best Practices


@pytest.mark.parametrize(
    "name",
    [
        "v1.0.0",
        "v1.1.0",
        "v2.0.0",
        "2025-01-20-baseline",
        "2025-02-15-production",
        "paper-submission",
        "production-v1",
        "baseline",
        "random-forest-baseline",
        "neural-net-experiment",
    ],
)
def test_naming_conventions(name):
    folio = DataFolio("experiments/exp")
    folio.create_snapshot(name)
    assert DataFolio.load_snapshot("experiments/exp", name).snapshot_name == name


def test_tags_organize_snapshots():
    folio = DataFolio("experiments/exp")
    tags = ["baseline", "production", "paper", "experimental", "archived"]
    for tag in tags:
        folio.create_snapshot(f"one-{tag}", tags=[tag])
        folio.create_snapshot(f"two-{tag}", tags=[tag, "all"])
    for tag in tags:
        assert [snap["name"] for snap in folio.list_snapshots(tags=[tag])] == [f"one-{tag}", f"two-{tag}"]
        assert [snap["name"] for snap in folio.list_snapshots(tags=[tag, "all"])] == [f"two-{tag}"]
    assert len(folio.list_snapshots(tags=["all"])) == 5


def test_cleanup_strategy(df):
    folio = DataFolio("experiments/exp")
    folio.add_table("data", df)
    folio.create_snapshot("keep")
    folio.add_table("data", df.head(10), overwrite=True)
    folio.create_snapshot("experimental")
    folio.add_table("data", df.head(20), overwrite=True)

    # Delete experimental snapshots that didn't work
    folio.delete_snapshot("experimental")
    # Periodically run cleanup_orphaned_versions()
    deleted = folio.cleanup_orphaned_versions()

    assert [(orphan["item"], orphan["version"]) for orphan in deleted] == [("data", 2)]
    # Keep all snapshots for active experiments
    pd.testing.assert_frame_equal(folio.get_snapshot("keep").get_table("data"), df)
    assert len(folio.get_table("data")) == 20


# Programmatic Snapshot Analysis


def test_programmatic_snapshot_analysis(tmp_path):
    import matplotlib as mpl

    mpl.use("Agg")
    folio = DataFolio("experiments/exp")
    for name, accuracy, tags in (("v1", 0.8, []), ("v2", 0.9, ["production"]), ("v3", 0.7, ["production", "paper"])):
        folio.metadata["accuracy"] = accuracy
        folio.create_snapshot(name, tags=tags)
    del folio.metadata["accuracy"]
    folio.create_snapshot("v4")

    # Get all snapshots
    snapshots = folio.list_snapshots()

    # Find snapshots with specific criteria
    production_snaps = [s for s in snapshots if "production" in s.get("tags", [])]

    # Find best-performing snapshot
    best = max(snapshots, key=lambda s: s["metadata_snapshot"].get("accuracy", 0))

    # Track accuracy over time
    import matplotlib.pyplot as plt

    times = [s["timestamp"] for s in snapshots]
    accuracies = [s["metadata_snapshot"].get("accuracy", 0) for s in snapshots]
    plt.plot(times, accuracies)
    plt.xlabel("Time")
    plt.ylabel("Accuracy")
    plt.title("Model Performance Over Time")

    plt.savefig(tmp_path / "plot.png")
    plt.close("all")
    assert (tmp_path / "plot.png").stat().st_size > 1_000
    assert [s["name"] for s in production_snaps] == ["v2", "v3"]
    assert best["name"] == "v2"
    assert times == sorted(times)
    assert all(dt.datetime.fromisoformat(time.replace("Z", "+00:00")).tzinfo for time in times)
    assert accuracies == [0.8, 0.9, 0.7, 0]
