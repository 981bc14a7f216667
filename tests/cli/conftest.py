"""Ways to run the command, and a folio with a story to run it on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from datafolio import DataFolio
from datafolio.cli import main

_OURS = (
    "DATAFOLIO_PATH",
    "DATAFOLIO_TRUST",
    "DATAFOLIO_AUTO_GC",
    "DATAFOLIO_DEBUG",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHONUNBUFFERED",
)
ROOT = Path(__file__).parents[2]


class Ran(NamedTuple):
    """What came out of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _OURS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command in this process."""

    def run(*words: object) -> Ran:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment for real processes, which find datafolio wherever they run."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}


@pytest.fixture
def spawn(environment: dict[str, str]) -> Callable[..., Ran]:
    """Run the command as a process of its own, with no terminal."""

    def spawn(*words: object, **variables: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "datafolio", *map(str, words)],
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return spawn


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "folio"
    folio = DataFolio(path)
    folio.add_json("data", list(range(100)), description="the raw data")
    for name, accuracy in (("v1.0", 0.89), ("v2.0", 0.91), ("experimental-v5", 0.5)):
        folio.add_json("model", {"made for": name}, overwrite=True, inputs=["data"])
        if name == "v2.0":
            folio.add_json("extra", 1)
        folio.metadata["accuracy"] = accuracy
        folio.create_snapshot(name, f"about {name}", ["production"] * (name == "v2.0"), capture_environment=False)
    folio.add_json("model", {"made for": "now"}, overwrite=True)
    return path


@pytest.fixture
def story(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a folio with the snapshots v1.0, v2.0 and experimental-v5, and an edit since.

    `model` differs in each snapshot and now, `data` in none; `extra` came with v2.0.
    """
    path = tmp_path / "experiments" / "my-experiment"
    shutil.copytree(original, path)  # a copy of a folio is a folio, and costs less than making one
    monkeypatch.chdir(path)
    return path
