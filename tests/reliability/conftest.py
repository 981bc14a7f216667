"""What several of these tests share."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from datafolio import DataFolio
from tests.reliability import hostile
from tests.reliability.snippets import run_snippet


@pytest.fixture
def folio(tmp_path: Path) -> DataFolio:
    return DataFolio(tmp_path / "folio")


@pytest.fixture
def run(tmp_path: Path):
    return functools.partial(run_snippet, tmp_path)


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A folio to make hostile copies of."""
    return hostile.make(tmp_path_factory.mktemp("original") / "folio")
