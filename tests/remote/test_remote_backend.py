"""What a backend on a server asks of it, and what it makes of the answers."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest

from datafolio.backend.base import LARGEST_READ, Key
from datafolio.backend.ranges import HEAD, WHOLE
from datafolio.backend.remote import RemoteBackend
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError
from tests.remote.proxy import CONFLICT, SLOW_DOWN, Answer, Cut, Pass, Proxy, Stall

KEY = Key("objects/ab/cdef")
LARGE = 40 << 20
DENIED = Answer(403, "Forbidden", "AccessDenied")


@pytest.fixture
def backend(server):
    return RemoteBackend(server.url(), server.options)


@pytest.fixture
def proxy(server):
    with Proxy(server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def watched(backend, server, proxy):
    """The same place as `backend`, through the proxy."""
    made = RemoteBackend(backend.location, {**server.options, "endpoint_url": proxy.endpoint})
    made.exists(KEY)  # connects
    proxy.restart()
    return made


@pytest.fixture
def uploads(server):
    """The keys below a backend of which parts are on the server, and not the whole."""
    import s3fs

    fs = s3fs.S3FileSystem(**server.options)

    def uploads(backend):
        prefix = backend.location.removeprefix(f"s3://{server.bucket}/")
        found = fs.call_s3("list_multipart_uploads", Bucket=server.bucket).get("Uploads", [])
        return [upload["Key"] for upload in found if upload["Key"].startswith(prefix)]

    return uploads


def staged(backend, size=LARGE):
    stage = backend.stage()
    for _ in range(size >> 20):
        stage.write(bytes(1 << 20))
    return stage


# How many requests.


def test_what_is_small_takes_one_request(backend, watched, proxy):
    backend.create(KEY, b"contents")
    other = Key("other")
    calls = {
        "read": lambda: watched.read(KEY),
        "open": lambda: watched.open(KEY).read(),
        "fetch": lambda: watched.fetch(KEY, io.BytesIO()),
        "size": lambda: watched.size(KEY),
        "stamp": lambda: watched.stamp(KEY),
        "exists": lambda: watched.exists(KEY),
        "create": lambda: watched.create(Key("new"), b"x"),
        "replace": lambda: watched.replace(KEY, b"contents"),
        "alias": lambda: watched.alias(KEY, other, b"contents"),
        "list": lambda: list(watched.list("")),
        "delete": lambda: watched.delete(other),
        "stamp of nothing": lambda: watched.stamp(other),
        "listing of nothing": lambda: list(watched.list("none/")),
        "deletion of many": lambda: watched.delete_all(Key(f"many/{index}") for index in range(1000)),
    }
    counts = {}
    for name, call in calls.items():
        proxy.restart()
        call()
        counts[name] = len(proxy.recording())
    assert counts == dict.fromkeys(calls, 1)


def test_reading_what_is_not_there_takes_one_request(watched, proxy):
    for read in (watched.read, watched.open, lambda key: watched.fetch(key, io.BytesIO())):
        proxy.restart()
        with pytest.raises(KeyMissingError):
            read(KEY)
        assert len(proxy.recording()) == 1


def test_a_part_of_a_large_object_takes_a_few_requests_and_not_the_rest(backend, watched, proxy):
    with staged(backend) as stage:
        stage.publish(KEY)
    proxy.restart()
    with watched.open(KEY) as file:
        assert file.seek(-8, os.SEEK_END) == LARGE - 8
        assert file.read() == bytes(8)
        file.seek(LARGE // 2)
        assert file.read(100_000) == bytes(100_000)
    assert len(proxy.recording()) == 4


@pytest.mark.parametrize("size", [HEAD, HEAD + 1, WHOLE, WHOLE + 1])
def test_nothing_is_read_past_the_end(backend, size):
    backend.create(KEY, bytes(size))
    with backend.open(KEY) as file:
        assert (len(file.read()), file.read(), file.read(1)) == (size, b"", b"")
        assert file.seek(size + 5) == size + 5
        assert file.read() == b""
    whole = io.BytesIO()
    assert backend.fetch(KEY, whole) == size
    assert whole.getvalue() == bytes(size)


def test_a_listing_of_more_than_a_page_is_complete(backend):
    from concurrent.futures import ThreadPoolExecutor

    keys = {Key(f"objects/{index:04}") for index in range(1100)}
    with ThreadPoolExecutor(backend.concurrency) as pool:
        list(pool.map(lambda key: backend.replace(key, b""), keys))
    assert {listed.key for listed in backend.list("objects/")} == keys
    backend.delete_all(keys)
    assert list(backend.list("")) == []


def test_where_many_can_t_be_deleted_at_once_they_are_one_by_one(backend, watched, proxy):
    keys = [Key(f"objects/{index}") for index in range(5)]
    for key in keys:
        backend.replace(key, b"x")
    unknown = Answer(501, "Not Implemented", "NotImplemented")
    proxy.rule = lambda request: unknown if request.method == "POST" else Pass()
    watched.delete_all(keys)
    assert list(backend.list("")) == []


def test_a_deletion_that_is_refused_is_not_taken_for_one(backend, watched, proxy):
    backend.create(KEY, b"x")
    proxy.rule = lambda _: DENIED
    with pytest.raises(StorageError) as caught:
        watched.delete_all([KEY])
    assert caught.value.errno == errno.EACCES
    assert backend.exists(KEY)


# Exclusive creation.


@pytest.mark.parametrize("first", [b"", b"first"], ids=["an empty one", "one with contents"])
@pytest.mark.parametrize("second", [b"", b"second"], ids=["by an empty one", "by one with contents"])
def test_no_object_is_created_over(backend, first, second):
    backend.create(KEY, first)
    with pytest.raises(KeyExistsError):
        backend.create(KEY, second)
    assert backend.read(KEY) == first


def test_a_large_payload_is_not_sent_to_a_key_that_is_taken(backend, watched, proxy):
    backend.create(KEY, b"first")
    with staged(watched) as stage, pytest.raises(KeyExistsError):
        stage.publish(KEY)
    assert [request.method for request in proxy.recording()] == ["HEAD"]


def test_a_large_payload_loses_to_who_was_there_before_its_last_part(backend, watched, proxy, uploads):
    def first_come(request):
        if "partNumber=3" in request.query:
            backend.create(KEY, b"first")
        return Pass()

    proxy.rule = first_come
    with staged(watched) as stage, pytest.raises(KeyExistsError):
        stage.publish(KEY)
    assert backend.read(KEY) == b"first"
    assert uploads(backend) == []


def test_a_creation_whose_reply_was_lost_has_happened(backend, watched, proxy):
    proxy.rule = lambda request: Cut(after=True) if request.number == 0 and request.method == "PUT" else Pass()
    with pytest.raises(KeyExistsError):
        watched.create(KEY, b"mine")
    assert backend.read(KEY) == b"mine"


# Trouble on the way.


@pytest.mark.parametrize(("answer", "times"), [(CONFLICT, 3), (SLOW_DOWN, 1)], ids=["conflict", "slow down"])
def test_a_busy_server_is_asked_again(watched, proxy, answer, times):
    calls = {
        "PUT": lambda: watched.create(KEY, b"x"),
        "GET": lambda: watched.read(KEY),
        "HEAD": lambda: watched.size(KEY),
        "DELETE": lambda: watched.delete(KEY),
    }
    for method, call in calls.items():
        proxy.restart()
        proxy.rule = lambda request: answer if request.number < times else Pass()
        call()
        assert [request.method for request in proxy.recording()] == [method] * (times + 1)


def test_a_listing_goes_on_where_a_busy_server_stopped_it(backend, watched, proxy):
    keys = {Key(f"objects/{index}") for index in range(20)}
    for key in keys:
        backend.replace(key, b"")
    proxy.rule = lambda request: CONFLICT if request.number < 2 else Pass()
    assert {listed.key for listed in watched.list("")} == keys


def test_a_connection_that_is_cut_costs_a_reader_nothing(backend, watched, proxy):
    backend.create(KEY, bytes(3 << 20))
    for after in (False, True):
        proxy.restart()
        proxy.rule = lambda request, after=after: Cut(after=after) if request.number == 0 else Pass()
        assert watched.read(KEY) == bytes(3 << 20)


def test_an_upload_that_fails_leaves_no_part(backend, watched, proxy, uploads):
    proxy.rule = lambda request: DENIED if "partNumber=2" in request.query else Pass()
    with staged(watched) as stage:
        with pytest.raises(StorageError) as caught:
            stage.publish(KEY)
        assert caught.value.errno == errno.EACCES
        assert uploads(backend) == []
        proxy.rule = lambda _: Pass()
        stage.publish(KEY)
    assert backend.size(KEY) == LARGE


def test_an_upload_that_is_interrupted_leaves_no_part(backend, watched, proxy, uploads):
    def interrupt(request):
        if "partNumber=2" in request.query:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            return Stall(0.5)
        return Pass()

    proxy.rule = interrupt
    with staged(watched) as stage, pytest.raises(KeyboardInterrupt):
        stage.publish(KEY)
    assert uploads(backend) == []
    assert not backend.exists(KEY)


def test_more_than_may_be_read_at_once_is_refused(backend):
    with staged(backend, LARGEST_READ + (1 << 20)) as stage:
        stage.publish(KEY)
    with pytest.raises(StorageError, match="no more can be read at once"):
        backend.read(KEY)


def test_a_bucket_that_is_not_there_is_named(server):
    backend = RemoteBackend("s3://nowhere-at-all/folio", server.options)
    for call in (
        lambda: backend.read(KEY),
        lambda: list(backend.list("")),
        lambda: backend.create(KEY, b"x"),
        lambda: staged(backend).publish(KEY),
    ):
        with pytest.raises(StorageError, match=r"s3://nowhere-at-all/folio.*no such bucket") as caught:
            call()
        assert not isinstance(caught.value, KeyMissingError)


# Files on the way.


def test_what_waits_in_files_waits_in_the_folder_for_it_and_is_gone_after(server, tmp_path):
    backend = RemoteBackend(server.url(), server.options, staging=tmp_path)
    with staged(backend, 9 << 20) as stage:
        assert len(list(tmp_path.iterdir())) == 1
        stage.publish(KEY)
    assert list(tmp_path.iterdir()) == []
    assert backend.size(KEY) == 9 << 20


def test_many_sealed_stages_hold_neither_memory_nor_open_files(server, tmp_path):
    backend = RemoteBackend(server.url(), server.options, staging=tmp_path)
    descriptors = len(os.listdir("/proc/self/fd"))
    stages = [staged(backend, 1 << 20) for _ in range(20)]
    for stage in stages:
        stage.seal()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert len(list(tmp_path.iterdir())) == 20
    for index, stage in enumerate(stages):
        stage.publish(Key(f"objects/{index}"))
        stage.discard()
    assert list(tmp_path.iterdir()) == []


# Processes.

FORKING = """
import os, sys
from datafolio.backend.remote import RemoteBackend
backend = RemoteBackend(sys.argv[1], {"key": sys.argv[2], "secret": sys.argv[3], "endpoint_url": sys.argv[4]})
backend.create("from/parent", b"x")
child = os.fork()
if child == 0:
    backend.create("from/child", backend.read("from/parent"))
    os._exit(0)
backend.create("from/both", b"x")
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(sorted(listed.key for listed in backend.list("")))
"""


# What the child inherited is garbage there once it has connections of its own, and the thread that makes the
# requests finds it as well as any other; or it goes when the child ends.
LETTING_GO = """
import asyncio, gc, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from datafolio.backend.remote import RemoteBackend
backend = RemoteBackend(sys.argv[1], {"key": sys.argv[2], "secret": sys.argv[3], "endpoint_url": sys.argv[4]})
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda number: backend.create(f"key/{number}", b"x"), range(8)))
for ends in (os._exit, sys.exit):
    child = os.fork()
    if child == 0:
        from fsspec.asyn import get_loop
        async def collect():
            gc.collect()
            await asyncio.sleep(0.1)
        backend.read("key/0")
        asyncio.run_coroutine_threadsafe(collect(), get_loop()).result()
        ends(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    began = time.monotonic()
    backend.read("key/0")
    print("at once" if time.monotonic() - began < 5 else "late")
"""


def forking(program, server):
    options = server.options
    return subprocess.run(
        [sys.executable, "-c", program, server.url(), options["key"], options["secret"], options["endpoint_url"]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_a_forked_process_goes_on_by_itself(server):
    done = forking(FORKING, server)
    assert done.stdout == "['from/both', 'from/child', 'from/parent']\n", done.stderr


def test_a_forked_process_leaves_the_connections_of_its_parent_alone(server):
    done = forking(LETTING_GO, server)
    assert (done.stdout, done.stderr) == ("at once\nat once\n", "")


# Secrets.


def test_no_message_tells_a_secret(server):
    secret = "it-is-a-secret-that-is-not-the-server-s"
    backend = RemoteBackend(server.url(), {**server.options, "secret": secret})
    for call in (lambda: backend.read(KEY), lambda: backend.create(KEY, b"x"), lambda: list(backend.list(""))):
        with pytest.raises(StorageError) as caught:
            call()
        assert caught.value.errno == errno.EACCES
        shown = "".join(traceback.format_exception(caught.value)) + repr(backend) + backend.location
        assert secret not in shown
        assert server.key not in shown


def test_no_secret_that_a_server_repeats_is_in_a_message(watched, server, proxy):
    proxy.rule = lambda _: Answer(400, "Bad Request", f"NoSuchSecret-{server.secret}")
    with pytest.raises(StorageError, match="NoSuchSecret") as caught:
        watched.read(KEY)
    assert server.secret not in "".join(traceback.format_exception(caught.value))


def test_a_place_is_shown_without_the_password_in_its_url():
    from datafolio.backend.remote import public_url

    assert public_url("sftp://me:password@host/folio/") == "sftp://host/folio"
    assert public_url("abfs://container@account.dfs.core.windows.net/folio") == (
        "abfs://container@account.dfs.core.windows.net/folio"
    )
