"""Every backend keeps the contract."""

from __future__ import annotations

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.testing.backend import BackendContract


class TestMemoryBackend(BackendContract):
    @pytest.fixture
    def backend(self):
        return MemoryBackend()


class TestLocalBackend(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return LocalBackend(tmp_path)


class TestLocalBackendInAFolderThatIsNotThereYet(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path):
        return LocalBackend(tmp_path / "not" / "there" / "yet")
