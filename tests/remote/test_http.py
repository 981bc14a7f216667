"""A folio that some web server publishes can be read, and only read."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from datafolio import DataFolio
from datafolio.backend import Key, LocalBackend
from datafolio.backend.web import HttpBackend
from datafolio.errors import (
    FolioNotFoundError,
    KeyMissingError,
    ReadOnlyError,
    StorageError,
    UsageError,
)
from datafolio.store.fsck import fsck
from datafolio.store.repository import Repository
from tests.remote import web
from tests.remote.web import HABITS, Static, serving
from tests.store import plumbing

KEY = Key("objects/ab/cdef~1")
LARGE = bytes(range(256)) * 40_000  # more than is kept in memory


@pytest.fixture
def disk(tmp_path):
    return LocalBackend(tmp_path / "folio")


@pytest.fixture
def folio(disk):
    repository = Repository.create(disk)
    plumbing.put_many(repository, {f"item {number}": b"contents %d" % number for number in range(5)})
    plumbing.snapshot(repository, "v1")
    return repository


@pytest.fixture(params=HABITS.values(), ids=HABITS)
def served(request, tmp_path):
    (tmp_path / "folio").mkdir()
    with serving(tmp_path / "folio", request.param) as server:
        yield server


@pytest.fixture
def static(tmp_path):
    (tmp_path / "folio").mkdir()
    with serving(tmp_path / "folio", Static) as server:
        yield server


# Folios.


def test_a_folio_is_read_from_any_web_server(served, folio):
    published = Repository.open(HttpBackend(served.url))
    assert plumbing.contents(published) == plumbing.contents(folio)
    assert plumbing.contents(published, "v1") == plumbing.contents(folio)
    assert plumbing.read(published, "item 3") == b"contents 3"


def test_a_reader_sees_what_is_published_after_it_opened(served, folio):
    published = Repository.open(HttpBackend(served.url))
    for turn in range(3):
        plumbing.put(folio, "late", b"turn %d" % turn)
        assert plumbing.read(published, "late") == b"turn %d" % turn


def test_the_newest_record_is_found_where_the_marker_lags_behind(served, folio, disk):
    marker = disk.read(Key("log/newest"))
    for turn in range(4):
        plumbing.put(folio, "late", b"turn %d" % turn)
    disk.replace(Key("log/newest"), marker)
    assert plumbing.read(Repository.open(HttpBackend(served.url)), "late") == b"turn 3"


def test_a_folio_that_goes_on_while_it_is_read_is_read_all_the_same(static, folio):
    done = threading.Event()

    def write():
        turn = 0
        while not done.is_set():
            turn += 1
            plumbing.put(folio, "busy", b"%d" % turn)

    published = Repository.open(HttpBackend(static.url))
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            plumbing.put(folio, "busy", b"0")
            seen = [int(plumbing.read(Repository.open(published.backend), "busy")) for _ in range(20)]
        finally:
            done.set()
        writing.result()
    assert seen == sorted(seen)


def test_where_nothing_is_published_there_is_no_folio(served):
    with pytest.raises((FolioNotFoundError, StorageError)) as caught:
        Repository.open(HttpBackend(served.url))
    assert served.url in str(caught.value)


def test_a_folio_without_its_marker_says_what_is_missing(static, folio, disk):
    disk.delete(Key("log/newest"))
    with pytest.raises(StorageError, match=r"has no log/newest, .* publish the whole directory"):
        Repository.open(HttpBackend(static.url))


@pytest.mark.parametrize("data", [b"", b"half a rec", b"[1]", b'{"seq": null}', b"\xff", b"[" * 100_000])
def test_a_folio_with_a_damaged_marker_says_so(static, folio, disk, data):
    disk.replace(Key("log/newest"), data)
    with pytest.raises(StorageError, match="log/newest holds no record"):
        Repository.open(HttpBackend(static.url))


def test_a_change_is_refused_with_the_way_to_a_copy(static, folio):
    published = Repository.open(HttpBackend(static.url))
    with pytest.raises(ReadOnlyError, match=f"datafolio clone {static.url} DIRECTORY"):
        plumbing.put(published, "mine", b"x")
    with pytest.raises(ReadOnlyError):
        plumbing.delete_snapshot(published, "v1")
    assert plumbing.contents(folio) == plumbing.contents(published)


def test_datafolio_takes_its_url(served):
    folio = DataFolio(served.folder)
    folio.add_table("numbers", pd.DataFrame({"a": range(1000)}))
    folio.create_snapshot("v1")
    published = DataFolio(served.url)
    folio.add_data("late", {"x": 1})
    assert published.get_snapshot("v1").get_table("numbers")["a"].sum() == 499_500
    assert published.get_data("late") == {"x": 1}
    with pytest.raises(ReadOnlyError, match=f"datafolio clone {served.url} DIRECTORY"):
        published.add_data("mine", 1)


def test_a_handle_is_pickled_unless_its_url_holds_a_secret(static, folio):
    again = pickle.loads(pickle.dumps(DataFolio(static.url)))
    assert again.items == folio.tip().state.items.names()
    for url in (static.url.replace("://", "://user:password@"), f"{static.url}?signature=abc"):
        with pytest.raises(UsageError, match="secrets"):
            pickle.dumps(DataFolio(url))


def test_a_server_that_has_everything_is_found_out(tmp_path, folio):
    class Generous(Static):
        def found(self):
            return super().found() or b"Not found, sorry"

    with serving(tmp_path / "folio", Generous) as server, pytest.raises(StorageError, match="answer 404"):
        Repository.open(HttpBackend(server.url))


def test_every_way_to_write_is_refused(static):
    backend = HttpBackend(static.url)
    for write in (
        backend.stage,
        lambda: backend.create(KEY, b"x"),
        lambda: backend.replace(KEY, b"x"),
        lambda: backend.alias(KEY, Key("other"), b"x"),
        lambda: backend.move(KEY, Key("other")),
        lambda: backend.copy_from(backend, KEY, Key("other")),
        lambda: backend.delete(KEY),
        lambda: backend.delete_all([KEY]),
    ):
        with pytest.raises(ReadOnlyError, match="can only be read"):
            write()
    assert static.answered == []


def test_what_needs_a_listing_is_refused_with_the_way_to_a_copy(static, folio):
    for prefix in ("", "objects/", "log"):
        with pytest.raises(StorageError, match=f"no listings; .*datafolio clone {static.url} DIRECTORY"):
            HttpBackend(static.url).list(prefix)


def test_verification_is_for_a_copy(static, folio):
    with pytest.raises(StorageError, match=f"no listings; .*datafolio clone {static.url} DIRECTORY"):
        fsck(HttpBackend(static.url))


# Files.


@pytest.mark.parametrize("data", [b"", b"\0", b"\r\n" * 3, bytes(range(256)), LARGE], ids=len)
def test_a_file_comes_whole(served, disk, data):
    disk.create(KEY, data)
    backend = HttpBackend(served.url)
    backend.list("log/")
    assert backend.read(KEY) == data
    assert backend.size(KEY) == len(data)
    assert backend.exists(KEY)
    with backend.open(KEY) as file:
        assert file.read() == data
        assert file.seek(-len(data) // 2, io.SEEK_END) == len(data) + -len(data) // 2
        assert file.read() == data[-len(data) // 2 :] if data else not file.read()
        file.seek(len(data) // 3)
        assert file.read(10) == data[len(data) // 3 :][:10]
    fetched = io.BytesIO()
    assert backend.fetch(KEY, fetched) == len(data)
    assert fetched.getvalue() == data


@pytest.mark.parametrize("key", ["with space/ünï~cödé 数", "a%20b/50%", "a+b&c=d;e", "a?b#c", "objects/ab/cd~3"])
def test_any_key_is_asked_for_as_itself(static, disk, key):
    disk.create(Key(key), b"found")
    assert HttpBackend(static.url).read(Key(key)) == b"found"
    assert HttpBackend(static.url).size(Key(key)) == len(b"found")


def test_what_could_lead_out_is_no_key(static):
    for key in ("../up", "/etc/passwd", "a//b", "", "a/"):
        for ask in (HttpBackend(static.url).read, HttpBackend(static.url).open, HttpBackend(static.url).size):
            with pytest.raises(StorageError, match="can't be a key"):
                ask(Key(key))
    assert static.answered == []


def test_what_is_not_there_is_missing(served, disk):
    disk.create(Key("folio.json"), b"x")
    disk.create(Key("log/1"), b"x")
    backend = HttpBackend(served.url)
    backend.read(Key("folio.json"))
    for absent in (Key("log/2"), Key("log/1/x")):
        assert backend.size(absent) is None
        assert backend.stamp(absent) is None
        assert not backend.exists(absent)
        for ask in (backend.read, backend.open, lambda key: backend.fetch(key, io.BytesIO())):
            with pytest.raises(KeyMissingError, match=f"has no {absent}"):
                ask(absent)


def test_a_folder_is_no_file(tmp_path, disk):
    disk.create(KEY, b"x")
    with serving(tmp_path / "folio", HABITS["python -m http.server"]) as server:
        backend = HttpBackend(server.url)
        assert backend.size(Key("objects")) is None
        with pytest.raises(KeyMissingError):
            backend.read(Key("objects/ab"))


def test_a_stamp_changes_with_the_file_and_not_without(served, disk):
    backend = HttpBackend(served.url)
    disk.replace(KEY, b"one")
    first = backend.stamp(KEY)
    assert first is not None
    assert backend.stamp(KEY) == HttpBackend(served.url).stamp(KEY) == first
    disk.replace(KEY, b"three")
    assert backend.stamp(KEY) != first


def test_a_few_columns_of_a_large_file_are_not_the_whole_file(static, disk):
    disk.create(KEY, LARGE)
    sent = len(static.answered)
    with HttpBackend(static.url).open(KEY) as file:
        file.seek(5_000_000)
        assert file.read(100) == LARGE[5_000_000:][:100]
    asked = [headers.get("Range") for headers in static.asked[sent:]]
    first, last = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.pop()).groups()
    assert int(first) == 5_000_000
    assert int(last) - int(first) < 100_000
    assert asked == [None]  # whose answer is left after its beginning


def test_more_than_can_be_held_is_refused_by_read(static, disk, monkeypatch):
    monkeypatch.setattr("datafolio.backend.web.backend.LARGEST_READ", 1000)
    disk.create(KEY, b"x" * 1001)
    with pytest.raises(StorageError, match="more than 1000 bytes"):
        HttpBackend(static.url).read(KEY)


# Connections.


def test_one_connection_serves_many_requests(static, folio):
    plumbing.contents(Repository.open(HttpBackend(static.url)))
    assert len(static.answered) > 10
    assert static.connections <= 3


def test_threads_share_a_backend(static, disk):
    keys = [Key(f"objects/{number}") for number in range(200)]
    for key in keys:
        disk.replace(key, key.encode())
    backend = HttpBackend(static.url)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(backend.read, keys)) == [key.encode() for key in keys]
    assert static.connections <= 16


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_has_connections_of_its_own(static, disk):
    disk.create(KEY, b"x")
    backend = HttpBackend(static.url)
    backend.read(KEY)
    process = multiprocessing.get_context("fork").Process(target=backend.read, args=(KEY,))
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert static.connections == 2
    backend.read(KEY)
    assert static.connections == 2


@pytest.mark.parametrize("habit", [web.Cutting, web.CuttingWithoutRanges])
def test_a_download_goes_on_after_a_break(tmp_path, disk, habit):
    disk.create(KEY, LARGE)
    with serving(tmp_path / "folio", habit) as server:
        backend = HttpBackend(server.url)
        file = io.BytesIO()
        assert backend.fetch(KEY, file) == len(LARGE)
        assert file.getvalue() == LARGE
        assert backend.read(KEY) == LARGE
        with backend.open(KEY) as opened:
            assert opened.read() == LARGE


def test_a_file_that_changes_during_a_break_is_no_mixture(tmp_path, disk):
    disk.create(KEY, LARGE)
    with serving(tmp_path / "folio", web.Cutting) as server:
        file = _Changing(lambda: disk.replace(KEY, b"x" * len(LARGE)))
        with pytest.raises(StorageError, match="was changed while it was read"):
            HttpBackend(server.url).fetch(KEY, file)


class _Changing(io.BytesIO):
    def __init__(self, change):
        super().__init__()
        self._change = change

    def write(self, data):
        self._change()
        return super().write(data)


def test_a_break_for_good_is_an_error_and_no_part(tmp_path, disk):
    disk.create(KEY, LARGE)
    with serving(tmp_path / "folio", web.CutForGood) as server, pytest.raises(StorageError, match="broke off"):
        HttpBackend(server.url).read(KEY)


def test_a_server_out_of_order_is_an_error_that_says_so(tmp_path):
    with serving(tmp_path, web.Failing) as server:
        for ask in (HttpBackend(server.url).read, HttpBackend(server.url).size):
            with pytest.raises(StorageError, match=f"{server.url}/{KEY}: the server says 500"):
                ask(KEY)


def test_no_server_is_an_error_that_says_so(tmp_path):
    with serving(tmp_path, Static) as server:
        pass
    with pytest.raises(StorageError, match=f"{server.url}/{KEY}: Connection refused"):
        HttpBackend(server.url).read(KEY)


def test_a_server_that_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        backend = HttpBackend(f"http://127.0.0.1:{silent.getsockname()[1]}", {"timeout": 0.05})
        with pytest.raises(StorageError, match="timed out"):
            backend.read(KEY)


def test_a_server_that_compresses_is_told_of(tmp_path, disk):
    disk.create(KEY, b"x" * 1000)
    with serving(tmp_path / "folio", web.Zipping) as server:
        for ask in (HttpBackend(server.url).read, HttpBackend(server.url).size):
            with pytest.raises(StorageError, match="compresses it"):
                ask(KEY)


# URLs, credentials and settings.


def test_a_url_may_end_with_a_slash_and_have_a_path(tmp_path, folio):
    with serving(tmp_path / "folio", Static, at="/of/mine%20") as server:
        for url in (server.url, server.url + "/"):
            backend = HttpBackend(url)
            assert backend.location == server.url
            Repository.open(backend)


def test_a_user_and_password_are_sent_and_never_shown(tmp_path, folio):
    with serving(tmp_path / "folio", web.Guarded) as server:
        with pytest.raises(StorageError, match="credentials go before the host"):
            Repository.open(HttpBackend(server.url))
        backend = HttpBackend(server.url.replace("//", "//ada:pass%20word@"))
        Repository.open(backend)
        _assert_hidden(backend, "pass", "ada")


def test_headers_are_sent_and_never_shown(tmp_path, folio):
    with serving(tmp_path / "folio", web.Guarded) as server:
        backend = HttpBackend(server.url, {"headers": {"Authorization": "Basic YWRhOnBhc3Mgd29yZA=="}})
        Repository.open(backend)
        _assert_hidden(backend, "YWRhOnBhc3Mgd29yZA")


def test_a_signature_goes_with_each_request_and_is_never_shown(tmp_path, folio):
    with serving(tmp_path / "folio", web.Signed) as server:
        with pytest.raises(StorageError, match="403"):
            Repository.open(HttpBackend(server.url))
        backend = HttpBackend(server.url + "?sig=hush%2Bhush")
        Repository.open(backend)
        _assert_hidden(backend, "hush")


def _assert_hidden(backend, *secrets):
    shown = [backend.location, repr(backend), str(vars(backend))]
    for fail in (lambda: backend.read(Key("none")), lambda: backend.list(""), lambda: backend.delete(KEY)):
        with pytest.raises(OSError) as caught:
            fail()
        shown += [str(caught.value), repr(caught.value)]
    assert not [(secret, text) for secret in secrets for text in shown if secret in text]


def test_another_server_is_not_sent_the_headers(tmp_path, folio):
    class Away(Static):
        def do_GET(self):
            self.say(302, headers={"Location": target.url + self.path})

        do_HEAD = do_GET

    with serving(tmp_path / "folio", Static) as target, serving(tmp_path, Away) as server:
        Repository.open(HttpBackend(server.url, {"headers": {"X-Token": "hush"}}))
        assert all(headers["X-Token"] == "hush" for headers in server.asked)
        assert target.asked
        assert not [headers for headers in target.asked if "X-Token" in headers]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//", "http://"])
def test_a_redirect_leads_to_no_other_protocol(tmp_path, target):
    class Away(Static):
        def do_GET(self):
            self.say(302, headers={"Location": target})

    with serving(tmp_path, Away) as server, pytest.raises(StorageError, match="redirects"):
        HttpBackend(server.url).read(KEY)


def test_redirects_in_a_circle_end(tmp_path):
    class Round(Static):
        def do_GET(self):
            self.say(302, headers={"Location": self.path})

    with serving(tmp_path, Round) as server, pytest.raises(StorageError, match="redirects more than"):
        HttpBackend(server.url).read(KEY)


@pytest.mark.parametrize(
    "url", ["http://", "https:///x", "ftp://host/x", "folio", "http:host", "http://[::1/x", "http://host:99999/x"]
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(UsageError, match=r"https://example\.org/folio"):
        HttpBackend(url)


def test_unknown_settings_are_named_and_their_values_are_not():
    with pytest.raises(UsageError, match="not anon, key") as caught:
        HttpBackend("https://example.org/folio", {"key": "hush", "anon": True, "timeout": 1})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"timeout": "long"}, {"headers": "Authorization: hush"}])
def test_settings_of_the_wrong_kind_are_refused(settings):
    with pytest.raises(UsageError, match="headers is a mapping, and timeout a number") as caught:
        HttpBackend("https://example.org/folio", settings)
    assert "hush" not in str(caught.value)


def test_the_systems_proxy_is_asked(tmp_path, folio, monkeypatch):
    class Proxy(Static):
        def do_GET(self):
            assert self.path.startswith("http://folio.invalid/x/")
            self.path = self.path.removeprefix("http://folio.invalid/x")
            super().do_GET()

        do_HEAD = do_GET

    with serving(tmp_path / "folio", Proxy) as server:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", server.url.replace("//", "//user:word@"))
        plumbing.contents(Repository.open(HttpBackend("http://folio.invalid/x")))
        assert {headers["Proxy-Authorization"] for headers in server.asked} == {"Basic dXNlcjp3b3Jk"}
        assert {headers["Host"] for headers in server.asked} == {"folio.invalid"}


def test_reading_over_http_needs_no_other_library(static, folio):
    program = (
        "import sys; from datafolio.backend.web import HttpBackend; from datafolio.store.repository import Repository;"
        f"Repository.open(HttpBackend({static.url!r})); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"fsspec", "aiohttp", "requests", "pandas", "pyarrow"} & set(done.stdout.split())


def test_https_is_trusted_as_far_as_the_certificate_is(tmp_path, folio, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    made = ["-keyout", tmp_path / "key", "-out", tmp_path / "cert", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, *made], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with serving(tmp_path / "folio", Static, tls=context) as server:
        with pytest.raises(StorageError, match="certificate"):
            Repository.open(HttpBackend(server.url))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        assert plumbing.contents(Repository.open(HttpBackend(server.url))) == plumbing.contents(folio)
