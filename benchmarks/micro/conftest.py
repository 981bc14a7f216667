"""Folios and maps of several sizes, on a file system in memory where there is one: the disk is not what is measured."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.store.model import NUMBER
from datafolio.store.repository import Repository
from datafolio.store.tree import Tree

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=place) as path:
        yield Path(path)


@pytest.fixture(scope="session")
def fresh(folder: Path) -> Callable[[], Path]:
    """A path that was not there before, at each call."""
    numbers = itertools.count()
    return lambda: folder / str(next(numbers))


@pytest.fixture
def repository(fresh: Callable[[], Path]) -> Repository:
    return Repository.create(LocalBackend(fresh()))


@pytest.fixture
def folio(fresh: Callable[[], Path]) -> DataFolio:
    return DataFolio(fresh(), auto_gc=None)


@pytest.fixture(scope="session")
def trees() -> dict[int, Tree[int]]:
    """Maps of so many names, with their nodes in memory."""
    return {size: Tree(NUMBER, _nowhere).edit({f"name {place}": place for place in range(size)}) for size in SIZES}


SIZES = (10, 1_000, 100_000)


def _nowhere(digest: str) -> bytes:
    raise KeyError(digest)
