"""A backend on a real server keeps the contract."""

from __future__ import annotations

import pytest

from datafolio.backend.remote import RemoteBackend
from datafolio.testing.backend import BackendContract


class TestRemoteBackendOnS3(BackendContract):
    @pytest.fixture
    def backend(self, server):
        return RemoteBackend(server.url(), server.options)


class TestRemoteBackendWithASingleWriter(BackendContract):
    # Two at once are what a single writer has promised there are not.
    test_of_many_threads_that_create_one_key_exactly_one_wins = None

    @pytest.fixture
    def backend(self, server):
        return RemoteBackend(server.url(), server.options, single_writer=True)
