"""Google Cloud Storage keeps the contract, as far as fake-gcs-server is like it.

That server takes no heed of a condition on an upload in parts, so what is created in one request is
what is tested here; records of the log always are.
"""

from __future__ import annotations

import pytest

from datafolio.backend.remote import RemoteBackend
from tests.remote.clouds import CloudContract

# aiohttp would have its large bodies as streams; gcsfs gives it bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


@pytest.fixture
def backend(gcs):
    return RemoteBackend(gcs.url(), gcs.options)


class TestRemoteBackendOnGoogleCloudStorage(CloudContract):
    pass
