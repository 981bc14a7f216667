"""A folder on a disk, and programs that work in it."""

from __future__ import annotations

import pytest

from datafolio.backend import LocalBackend


@pytest.fixture
def root(tmp_path):
    return tmp_path / "folio"


@pytest.fixture
def backend(root):
    return LocalBackend(root)
