"""A place that does not create exclusively is for one writer, and for one only who says so."""

from __future__ import annotations

import fsspec
import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.backend.base import Key
from datafolio.backend.remote import RemoteBackend
from datafolio.backend.remote.probe import require_exclusive
from datafolio.errors import KeyExistsError, NotExclusiveError
from datafolio.testing.backend import BackendContract
from tests.remote.proxy import Answer, Pass, Proxy

KEY = Key("README.md")
DATA = b"how to read this"


@pytest.fixture
def forgetful(server):
    """Options for an s3fs that drops the condition on the way, as one does that is above an old botocore."""
    import s3fs

    class Forgetful(s3fs.S3FileSystem):
        def _get_s3_method_kwargs(self, method, *more, **arguments):
            arguments.pop("IfNoneMatch", None)
            return super()._get_s3_method_kwargs(method, *more, **arguments)

    fsspec.register_implementation("s3", Forgetful, clobber=True)
    yield server.options
    fsspec.register_implementation("s3", s3fs.S3FileSystem, clobber=True)


def written(url, options, **more):
    backend = RemoteBackend(url, options, **more)
    backend.replace(KEY, DATA)
    return backend


def test_a_server_that_keeps_the_condition_is_asked_once_in_a_process(server):
    with Proxy(server.endpoint) as proxy:
        options = {**server.options, "endpoint_url": proxy.endpoint}
        first, second = (written(server.url(), options) for _ in range(2))
        proxy.restart()
        for backend in (first, first, second):
            require_exclusive(backend, KEY, DATA)
        assert [request.condition for request in proxy.recording()] == ["If-None-Match: *"]


def test_where_the_condition_is_dropped_on_the_way_two_writers_are_refused(server, forgetful):
    backend = written(server.url(), forgetful)
    with pytest.raises(NotExclusiveError, match=r"created again.*lose.*single_writer=True") as caught:
        require_exclusive(backend, KEY, DATA)
    assert backend.location in str(caught.value)
    assert backend.read(KEY) == DATA


def test_who_says_that_nobody_else_writes_may_write_there(server, forgetful):
    backend = written(server.url(), forgetful, single_writer=True)
    require_exclusive(backend, KEY, DATA)
    with pytest.raises(KeyExistsError):
        backend.create(KEY, b"other")
    assert backend.read(KEY) == DATA


def test_a_server_that_does_not_know_the_condition_is_for_one_writer(server):
    unknown = Answer(501, "Not Implemented", "NotImplemented")
    with Proxy(server.endpoint) as proxy:
        backend = written(server.url(), {**server.options, "endpoint_url": proxy.endpoint})
        proxy.rule = lambda request: unknown if request.condition else Pass()
        with pytest.raises(NotExclusiveError, match="single_writer=True"):
            require_exclusive(backend, KEY, DATA)


def test_whoever_may_not_write_is_not_refused_for_it(server):
    with Proxy(server.endpoint) as proxy:
        backend = written(server.url(), {**server.options, "endpoint_url": proxy.endpoint})
        proxy.rule = lambda request: Answer(403, "Forbidden", "AccessDenied")
        require_exclusive(backend, KEY, DATA)
        proxy.rule = lambda request: Pass()
        proxy.restart()
        require_exclusive(backend, KEY, DATA)
        assert len(proxy.recording()) == 1  # the first one proved nothing


def test_file_systems_that_only_look_first_are_for_one_writer(tmp_path):
    backend = written(f"local://{tmp_path}", None)
    with pytest.raises(NotExclusiveError, match=r"local is not known to.*single_writer=True"):
        require_exclusive(backend, KEY, DATA)
    require_exclusive(written(f"local://{tmp_path}", None, single_writer=True), KEY, DATA)


def test_what_is_exclusive_by_itself_is_not_asked(tmp_path):
    for backend in (LocalBackend(tmp_path), MemoryBackend()):
        require_exclusive(backend, KEY, DATA)
        assert list(backend.list("")) == []


class TestAnyFileSystemWithASingleWriter(BackendContract):
    """What fsspec promises of every file system is enough."""

    # Two at once are what a single writer has promised there are not.
    test_of_many_threads_that_create_one_key_exactly_one_wins = None
    # This file system replaces in place.
    test_a_reader_sees_the_old_or_the_new_and_no_part_of_either = None

    @pytest.fixture
    def backend(self, tmp_path):
        return RemoteBackend(f"local://{tmp_path}/folio", {"auto_mkdir": True}, single_writer=True)
