"""A folio in memory, and one on a disk."""

from __future__ import annotations

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.store.repository import Repository


@pytest.fixture
def backend():
    return MemoryBackend()


@pytest.fixture
def repository(backend):
    return Repository.create(backend)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "folio"


@pytest.fixture
def disk(root):
    return LocalBackend(root)


@pytest.fixture
def on_disk(disk):
    return Repository.create(disk)
