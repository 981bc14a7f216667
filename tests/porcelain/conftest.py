"""A folio to try things on, and another process to try them from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from datafolio import DataFolio

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folio(tmp_path: Path) -> DataFolio:
    return DataFolio(tmp_path / "folio")


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start another Python that runs `code`, with ``sys.argv[1:]`` as given."""

    def start(code: str, *args: object) -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        command = [sys.executable, "-c", code, *map(str, args)]
        return subprocess.Popen(
            command, env=environment, text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


@pytest.fixture
def run(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., str]:
    """Run `code` in another Python to its end, which must be a good one and quiet; what it printed."""

    def run(code: str, *args: object) -> str:
        with start(code, *args) as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        return out.rstrip("\n")

    return run


@pytest.fixture
def story(folio: DataFolio) -> DataFolio:
    """A folio with two snapshots, and work since."""
    off: dict[str, bool] = dict.fromkeys(("capture_git", "capture_environment", "capture_execution"), False)
    folio.add_table("data", pd.DataFrame({"n": [1, 2]}))
    folio.add_json("settings", {"lr": 0.1})
    folio.add_json("dropped", 1)
    folio.metadata.update({"accuracy": 0.89, "same": [1], "gone": 1})
    folio.create_snapshot("v1", description="the first", tags=["a", "b"], **off)
    folio.add_json("settings", {"lr": 0.2}, overwrite=True)
    folio.add_json("new", 1)
    folio.metadata.update({"accuracy": 0.91, "extra": True})
    del folio.metadata["gone"]
    folio.create_snapshot("v2", tags=["b", "c"], **off)
    folio.add_json("settings", {"lr": 0.3}, overwrite=True)
    folio.metadata["accuracy"] = 0.5
    return folio
