"""What is behind a URL, and what is wrong with one that leads nowhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.backend.places import is_url, open_backend
from datafolio.backend.remote import RemoteBackend
from datafolio.errors import UsageError


@pytest.mark.parametrize(
    "text", ["s3://bucket/a", "S3://bucket", "file:///tmp/x", "memory://x", "simplecache::s3://b/x"]
)
def test_what_has_a_scheme_is_a_url(text):
    assert is_url(text)


@pytest.mark.parametrize("text", ["folio", "/data/folio", "./a:b", "C:\\data", "C:/data", "a//b", "://x", ""])
def test_a_path_is_no_url(text):
    assert not is_url(text)


def test_a_file_url_is_a_folder(tmp_path):
    folder = tmp_path / "with space"
    backend = open_backend(folder.as_uri())
    assert isinstance(backend, LocalBackend)
    assert backend.root == folder


def test_what_is_no_part_of_a_name_in_a_url_is_quoted_in_a_file_url(tmp_path):
    folder = tmp_path / "run#2, 100%?"
    assert open_backend(folder.as_uri()).root == folder


def test_a_scheme_may_have_capital_letters():
    backend = open_backend("S3://bucket/Name/", {"key": "k", "secret": "s"})
    assert backend.location == "s3://bucket/Name"


def test_a_memory_url_is_the_same_place_in_all_of_a_process():
    open_backend("memory://places/one").create("key", b"x")
    assert open_backend("memory://places/one/").read("key") == b"x"
    assert isinstance(open_backend("memory://places/two"), MemoryBackend)
    assert list(open_backend("memory://places/two").list("")) == []


def test_a_bucket_is_not_asked_until_something_is_wanted_of_it():
    backend = open_backend("s3://bucket/a/", {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9"})
    assert isinstance(backend, RemoteBackend)
    assert backend.location == "s3://bucket/a"
    assert backend.is_distant


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "names no bucket"),
        ("s3:///folio", "names no bucket"),
        ("az:///", "names no bucket"),
        ("gs://", "names no bucket"),
        ("nosuch://bucket/a", "nosuch:// is no place known here"),
        ("simplecache::s3://bucket/a", "chain"),
        ("file://elsewhere/data", "another machine"),
        ("file://", "names no folder"),
        ("file:///data/run#2", "%23"),
        ("file:///data/what?", "%3F"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://bucket//a", "empty part"),
        ("gs://bucket/a/../b", "one of dots"),
        ("az://container/./b/", "one of dots"),
        ("folio", "no URL"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_with_what_is_wrong(url, message):
    with pytest.raises(UsageError, match=message):
        open_backend(url)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(UsageError, match="storage_options") as caught:
        open_backend("s3://AKIAKEY:verysecret@bucket/a")
    assert "verysecret" not in str(caught.value)


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="storage_options"):
        open_backend("s3://bucket/a", {"key": "k", "username": "k"})


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("s3://bucket/a", "s3fs", "s3"), ("gs://bucket/a", "gcsfs", "gcs"), ("abfs://bucket/a", "adlfs", "azure")],
)
def test_a_missing_package_is_named_with_the_line_that_installs_it(url, package, extra):
    program = f"""
import sys
sys.modules[{package!r}] = None
from datafolio.backend.places import open_backend
from datafolio.errors import MissingDependencyError
try:
    open_backend({url!r})
except MissingDependencyError as error:
    print(error)
"""
    folder = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder)
    assert f"pip install 'datafolio[{extra}]'" in done.stdout
