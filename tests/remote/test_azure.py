"""Azure Blob Storage keeps the contract, as far as Azurite is like it."""

from __future__ import annotations

import multiprocessing
import os
import sys

import pandas as pd
import pytest

from datafolio import DataFolio
from datafolio.backend import Key
from datafolio.backend.remote import RemoteBackend
from datafolio.errors import KeyExistsError, StorageError
from tests.remote.clouds import CloudContract

# aiohttp would have its large bodies as streams; Azure's library gives it bytes.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


@pytest.fixture
def backend(azure):
    return RemoteBackend(azure.url(), azure.options)


class TestRemoteBackendOnAzure(CloudContract):
    pass


def test_a_large_object_is_created_once_too(backend, tmp_path):
    data = os.urandom(1 << 20) * 70  # more than goes to Azure in one request
    with backend.stage() as stage:
        stage.write(data)
        stage.publish(Key("large"))
        with pytest.raises(KeyExistsError):
            stage.publish(Key("large"))
    with (tmp_path / "copy").open("w+b") as file:
        assert backend.fetch(Key("large"), file) == len(data)
        file.seek(0)
        assert file.read() == data


def test_datafolio_takes_its_url(azure):
    url = azure.url()
    folio = DataFolio(url, storage_options=azure.options)
    folio.add_table("numbers", pd.DataFrame({"a": range(1000)}))
    folio.create_snapshot("v1")
    again = DataFolio(url, storage_options=azure.options)
    assert again.get_snapshot("v1").get_table("numbers")["a"].sum() == 499_500
    assert "AccountKey" not in repr(again)


def test_no_such_container_is_said(azure):
    backend = RemoteBackend(azure.url().replace("//bucket", "//no-such-container"), azure.options)
    with pytest.raises(StorageError, match="there is no such bucket"):
        backend.create(Key("a"), b"x")


def test_a_wrong_key_is_refused_and_not_shown(azure):
    options = {"connection_string": azure.options["connection_string"].replace("Eby8vdM02xNO", "d3Jvbmcga2V5")}
    with pytest.raises(StorageError) as caught:
        RemoteBackend(azure.url(), options).create(Key("a"), b"x")
    assert "d3Jvbmcga2V5" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_goes_on_by_itself(backend):
    backend.create(Key("before"), b"x")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=backend.create, args=(Key("child"), b"y"))
    process.start()
    backend.create(Key("parent"), b"z")
    process.join(30)
    assert process.exitcode == 0
    assert {listed.key for listed in backend.list("")} == {"before", "child", "parent"}
