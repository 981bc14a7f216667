"""The guide's credential protection, and its instructions for getting back to a snapshot."""

from __future__ import annotations

import re

import pytest

from datafolio import (
    DataFolio,
)


def stored(folio: DataFolio) -> dict[str, int]:
    """The files that hold the folio's objects, with their sizes."""
    objects = folio.path / "objects"
    return {path.relative_to(objects).as_posix(): path.stat().st_size for path in objects.rglob("*") if path.is_file()}


# Security: Credential Protection


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("https://ghp_token123@github.com/user/repo.git", "https://github.com/user/repo.git"),
        ("https://token@github.com/repo.git", "https://github.com/repo.git"),
        ("https://user:pass@gitlab.com/repo.git", "https://gitlab.com/repo.git"),
        ("git@github.com:user/repo.git", "git@github.com:user/repo.git"),
    ],
)
def test_git_remote_urls_are_sanitized(repository, classifier, remote, kept):
    repository("remote", "add", "origin", remote)
    classifier.create_snapshot("v1.1")
    git = classifier.get_snapshot_info("v1.1")["git"]
    assert git["remote"] == kept
    # What is preserved
    assert git["commit"] == repository("rev-parse", "HEAD")
    assert git["branch"] == "main"
    assert git["dirty"] is False
    for path in classifier.path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not re.search(rb"ghp_token123|token@|user:pass", data), path


def test_the_list_of_uncommitted_files_is_not_captured(repository, classifier, here):
    (here / "secrets.yaml").touch()
    (here / ".env").touch()
    (here / "train.py").write_text("changed")
    classifier.create_snapshot("v1.1")
    assert classifier.get_snapshot_info("v1.1")["git"]["dirty"] is True
    for path in classifier.path.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not re.search(rb"secrets\.yaml|\.env\b|train\.py", data), path


def test_neither_environment_variables_nor_arguments_are_captured(classifier, monkeypatch):
    monkeypatch.setenv("API_KEY", "hunter2-from-the-environment")
    monkeypatch.setattr("sys.argv", ["train.py", "--password", "hunter2-from-the-arguments"])
    classifier.create_snapshot("v1.1")
    for path in classifier.path.rglob("*"):
        assert b"hunter2" not in (path.read_bytes() if path.is_file() else b""), path


# Reproduction Instructions


def test_reproduction_instructions(repository, here, capsys):
    (here / "uv.lock").write_text("version = 1\n")
    repository("add", ".")
    repository("commit", "-q", "-m", "Lock")
    folio = DataFolio("experiments/exp")
    folio.metadata.update({"accuracy": 0.89, "f1_score": 0.87})
    folio.create_snapshot("v1.0")

    instructions = folio.reproduce_instructions("v1.0")
    print(instructions)

    python = folio.get_snapshot_info("v1.0")["environment"]["python"]
    assert [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()] == [
        "To reproduce snapshot 'v1.0':",
        "1. Restore code:",
        f"git checkout {repository('rev-parse', 'HEAD')}",
        "2. Restore environment:",
        f"Python version: {python}",
        "uv sync",
        "3. Load bundle:",
        "folio = DataFolio.load_snapshot('experiments/exp', 'v1.0')",
        "4. Expected results:",
        "accuracy: 0.89",
        "f1_score: 0.87",
    ]
