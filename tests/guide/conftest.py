"""What the guide's examples take for granted: frames, models, a directory to work in, a repository."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from datafolio import DataFolio
from tests.remote.conftest import server

__all__ = ["server"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing of this machine's configuration."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "DATAFOLIO_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "gitconfig").write_text("[user]\nname = A\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture(scope="session")
def df() -> pd.DataFrame:
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 3))
    return pd.DataFrame(features, columns=["a", "b", "c"]).assign(label=(features.sum(axis=1) > 0).astype(int))


@pytest.fixture(scope="session")
def features(df: pd.DataFrame) -> pd.DataFrame:
    return df[["a", "b", "c"]]


@pytest.fixture(scope="session")
def baseline_model(df: pd.DataFrame, features: pd.DataFrame) -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=5, random_state=0).fit(features, df["label"])


@pytest.fixture(scope="session")
def experimental_model(df: pd.DataFrame, features: pd.DataFrame) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(features, df["label"])


@pytest.fixture
def classifier(here, df, baseline_model, experimental_model) -> DataFolio:
    """The guide's ``experiments/classifier``: a baseline that is a snapshot, and a worse experiment since."""
    folio = DataFolio("experiments/classifier")
    folio.add_table("train_data", df)
    folio.add_model("model", baseline_model)
    folio.metadata["accuracy"] = 0.89
    folio.create_snapshot(
        "v1.0-baseline", description="Baseline random forest - 89% accuracy", tags=["baseline", "production"]
    )
    folio.add_model("model", experimental_model, overwrite=True)
    folio.metadata["accuracy"] = 0.85
    return folio


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(here: Path) -> Callable[..., str]:
    """The working directory is a repository with one commit.  The fixture runs git in it."""
    git("init", "-q")
    (here / "train.py").write_text("print('training')\n")
    git("add", ".")
    git("commit", "-q", "-m", "Begin")
    return git


@pytest.fixture
def sh(tmp_path: Path) -> Callable[[str], str]:
    """Run a block of the guide in the shell, as it stands; what it printed."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "datafolio").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m datafolio "$@"\n')
    (bin_ / "datafolio").chmod(0o755)

    def sh(block: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", block],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return sh
