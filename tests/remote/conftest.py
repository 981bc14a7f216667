"""One server for all the tests of a run, whatever number of workers they have."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest

from tests.remote.emulators import azurite, fake_gcs
from tests.remote.servers import NoServerError, seaweed


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running S3 server with a bucket.  Without one, tests are skipped; in CI they fail."""
    for needed, extra in (("s3fs", "s3"), ("aiobotocore", "s3")):
        if importlib.util.find_spec(needed) is None:
            _do_without(f"there is no {needed}; it comes with: pip install 'datafolio[{extra}]'")
    try:
        with seaweed(_shared(tmp_path_factory) / "seaweed") as running:
            yield running
    except NoServerError as error:
        _do_without(str(error))


@pytest.fixture(scope="session")
def azure(tmp_path_factory):
    """Azure's blob service, emulated.  Without it tests are skipped; in CI they fail if there is npm to install it."""
    if importlib.util.find_spec("adlfs") is None:
        _do_without("there is no adlfs; it comes with: pip install 'datafolio[azure]'")
    try:
        with azurite(_shared(tmp_path_factory) / "azurite") as running:
            yield running
    except NoServerError as error:
        if shutil.which("npm") is None:
            pytest.skip(f"{error} (and there is no npm)")
        _do_without(str(error))


@pytest.fixture(scope="session")
def gcs(tmp_path_factory):
    """Google Cloud Storage, emulated.  Without it tests are skipped; in CI they fail."""
    with pytest.MonkeyPatch.context() as patch:
        # gcsfs would ask by gRPC what kind of bucket it is, for a minute, which the emulator does not speak.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        if importlib.util.find_spec("gcsfs") is None:
            _do_without("there is no gcsfs; it comes with: pip install 'datafolio[gcs]'")
        try:
            with fake_gcs(_shared(tmp_path_factory) / "gcs") as running:
                yield running
        except NoServerError as error:
            if (sys.platform, platform.machine()) != ("linux", "x86_64"):
                pytest.skip(f"{error} (for Linux on x86-64 alone)")
            _do_without(str(error))


def _shared(factory) -> Path:
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def _do_without(reason):
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)
