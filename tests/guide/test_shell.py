"""Every shell block of the users' guide, as it stands there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from datafolio import DataFolio

pytestmark = [
    pytest.mark.skipif(not Path("/bin/sh").exists(), reason="the guide's commands are for a POSIX shell"),
]


@pytest.fixture
def folio(here, monkeypatch) -> DataFolio:
    """A folio that is the working directory, with something in it."""
    folio = DataFolio("experiments/my-experiment")
    folio.add_json("settings", {"lr": 0.1})
    folio.metadata["accuracy"] = 0.89
    monkeypatch.chdir(folio.path)
    return folio


@pytest.fixture
def story(folio) -> DataFolio:
    folio.create_snapshot("v1.0", description="Baseline model", tags=["baseline"])
    folio.add_json("settings", {"lr": 0.2}, overwrite=True)
    folio.metadata["accuracy"] = 0.91
    folio.create_snapshot("experimental-v5")
    folio.add_json("settings", {"lr": 0.3}, overwrite=True)
    folio.create_snapshot("v2.0", description="Better", tags=["production"])
    return folio


# Create Snapshots


def test_basic_creation(folio, sh):
    sh(
        """
# Basic creation
datafolio snapshot create v1.0 -d "Baseline model"
"""
    )
    info = folio.get_snapshot_info("v1.0")
    assert (info["description"], info["tags"], info["item_versions"]) == ("Baseline model", [], {"settings": 1})
    assert info["environment"]["python"]
    assert info["metadata_snapshot"] == {"accuracy": 0.89}


def test_creation_with_tags(folio, sh):
    sh(
        r"""
# With tags
datafolio snapshot create v1.0 \
  -d "Production model" \
  -t baseline -t production
"""
    )
    info = folio.get_snapshot_info("v1.0")
    assert (info["description"], info["tags"]) == ("Production model", ["baseline", "production"])


def test_creation_without_git_and_environment(repository, folio, sh):
    sh(
        """
# Skip git/env capture
datafolio snapshot create v1.0 --no-git --no-env
"""
    )
    info = folio.get_snapshot_info("v1.0")
    assert (info["git"], info["environment"]) == (None, None)
    sh("datafolio snapshot create v1.1")
    assert folio.get_snapshot_info("v1.1")["git"]["commit"] == repository("rev-parse", "HEAD")


# List and Show


def test_list_and_show(story, sh):
    out = sh(
        """
# List all snapshots
datafolio snapshot list
"""
    )
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["v1.0", "experimental-v5", "v2.0"]
    assert "Baseline model" in out
    out = sh(
        """
# Filter by tag
datafolio snapshot list --tag production
"""
    )
    assert "v2.0" in out
    assert "v1.0" not in out
    out = sh(
        """
# Show details
datafolio snapshot show v1.0
"""
    )
    for part in ("v1.0", "Baseline model", "baseline", "settings", "accuracy", "0.89"):
        assert part in out
    out = sh(
        """
# Show reproduction instructions
datafolio snapshot reproduce v1.0
"""
    )
    assert out.startswith("To reproduce snapshot 'v1.0':\n")
    for part in ("Restore environment:", "Python version: 3.", "Load bundle:", "Expected results:", "accuracy: 0.89"):
        assert part in out


# Compare and Manage


def test_compare_and_manage(story, sh):
    out = sh(
        """
# Compare two snapshots
datafolio snapshot compare v1.0 v2.0
"""
    )
    for part in ("settings", "accuracy", "0.89", "0.91"):
        assert part in out
    sh(
        """
# Delete a snapshot
datafolio snapshot delete experimental-v5
"""
    )
    assert list(story.snapshots) == ["v1.0", "v2.0"]
    out = sh("datafolio snapshot gc --dry-run # See what would be deleted")
    assert "settings" in out
    assert len(story.cleanup_orphaned_versions(dry_run=True)) == 1
    out = sh(
        """
# Cleanup orphaned versions
datafolio snapshot gc --dry-run  # See what would be deleted
datafolio snapshot gc            # Actually delete
"""
    )
    assert "settings" in out
    assert story.cleanup_orphaned_versions(dry_run=True) == []
    assert story.get_snapshot("v1.0").get_json("settings") == {"lr": 0.1}


# Bundle Path Options


def test_bundle_path_options(story, here, sh, monkeypatch):
    monkeypatch.chdir(here)
    inside = sh(
        """
# Work in current directory
cd experiments/my-experiment
datafolio snapshot list
"""
    )
    given = sh(
        """
# Specify bundle path
datafolio --folio experiments/my-experiment snapshot list
"""
    )
    exported = sh(
        """
# Use environment variable
export DATAFOLIO_PATH=experiments/my-experiment
datafolio snapshot list
"""
    )
    assert inside == given == exported
    assert "v2.0" in inside


# Git Integration


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_integration_where_the_project_is_the_folio(repository, here, sh):
    sh("datafolio init")
    DataFolio(".").add_json("settings", {"lr": 0.1})
    (here / ".gitignore").write_text("objects/\nlog/\ntmp/\n")
    (here / "model.py").write_text("baseline = 1\n")
    sh(
        """
# Good workflow
git add .
git commit -q -m "Implement baseline model"
datafolio snapshot create v1.0 -d "Baseline"

# Commit snapshot metadata
git add snapshots.json items.json
git commit -q -m "Snapshot v1.0"
"""
    )
    assert repository("log", "--format=%s").splitlines() == ["Snapshot v1.0", "Implement baseline model", "Begin"]
    git = DataFolio(".").get_snapshot_info("v1.0")["git"]
    assert git["commit"] == repository("rev-parse", "HEAD~1")
    assert git["dirty"] is False
    committed = json.loads(repository("show", "HEAD:snapshots.json"))
    assert committed["snapshots"]["v1.0"]["description"] == "Baseline"
    (item,) = json.loads(repository("show", "HEAD:items.json"))["items"]
    assert (item["name"], item["in_snapshots"]) == ("settings", ["v1.0"])


# Best Practices: review snapshots before sharing


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_snapshot_can_be_reviewed_before_it_is_shared(repository, folio, sh):
    repository("remote", "add", "origin", "https://ghp_token123@github.com/user/repo.git")
    out = sh("datafolio snapshot create v1.0; datafolio snapshot show v1.0")
    assert "https://github.com/user/repo.git" in out
    assert repository("rev-parse", "HEAD") in out
    assert "ghp_token123" not in out
