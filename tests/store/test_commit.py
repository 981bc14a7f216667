"""A commit: durable and whole, or not at all, whoever else commits at the same time."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.digest import digest_of
from datafolio.errors import (
    CorruptObjectError,
    FolioNotFoundError,
    FormatError,
    ItemNotFoundError,
    MissingObjectError,
    SnapshotExistsError,
    StorageError,
)
from datafolio.store import changes
from datafolio.store.foliofile import FOLIO_FILE
from datafolio.store.log import LOG, record_key
from datafolio.store.objects import OBJECTS, object_key
from datafolio.store.parallel import in_parallel
from datafolio.store.repository import README_FILE, Repository
from tests.store.plumbing import (
    WatchedBackend,
    assert_sound,
    contents,
    delete,
    entry,
    keys,
    new_item,
    put,
    put_many,
    read,
    set_metadata,
    small_nodes,
    snapshot,
)


def test_what_was_put_is_read_back_by_another_handle(backend):
    put(Repository.create(backend), "a", b"one")
    assert read(Repository.open(backend), "a") == b"one"


def test_a_new_folio_has_its_own_file_a_readme_and_a_record(backend):
    Repository.create(backend)
    assert keys(backend) == {FOLIO_FILE, README_FILE, record_key(0)}
    document = json.loads(backend.read(FOLIO_FILE))
    assert set(document) == {"format", "folio_id", "created_at", "check"}
    assert document["format"] == 1


def test_creating_where_a_folio_is_opens_it(backend):
    put(Repository.create(backend), "a", b"one")
    before = backend.read(FOLIO_FILE)
    assert contents(Repository.create(backend)) == {"a": b"one"}
    assert backend.read(FOLIO_FILE) == before


def test_opening_where_no_folio_is_says_so_and_makes_nothing(backend):
    with pytest.raises(FolioNotFoundError, match=r"no folio at memory: \(it has no folio\.json\)"):
        Repository.open(backend)
    assert keys(backend) == set()


def test_a_creation_that_was_killed_halfway_is_ended_by_the_next(backend):
    watched = WatchedBackend(backend)

    def die(key):
        raise KeyboardInterrupt

    watched.before("publish", lambda _key: watched.before("publish", die))
    with pytest.raises(KeyboardInterrupt):
        Repository.create(watched)
    assert keys(backend) == {record_key(0)}
    with pytest.raises(FolioNotFoundError):
        Repository.open(backend)
    put(Repository.create(backend), "a", b"1")
    assert_sound(backend)


def test_a_folio_that_lost_its_log_is_not_begun_again(repository, backend):
    put(repository, "a", b"1")
    for key in keys(backend, LOG):
        backend.delete(key)
    with pytest.raises(FormatError, match="no records"):
        put(Repository.create(backend), "b", b"2")
    assert keys(backend, LOG) == set()


def test_many_threads_that_create_one_folio_make_one(backend):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: put(Repository.create(backend), "a", b"1"), range(8)))
    assert contents(Repository.open(backend)) == {"a": b"1"}
    assert_sound(backend)


def test_commits_of_many_threads_all_arrive(backend):
    Repository.create(backend)
    shared = Repository.open(backend)
    start = threading.Barrier(8)

    def work(worker):
        # Half of them share a handle.
        repository = shared if worker % 2 else Repository.open(backend)
        start.wait()
        for step in range(6):
            put(repository, f"item {worker}-{step}", f"{worker} {step}".encode())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert contents(shared) == {f"item {w}-{s}": f"{w} {s}".encode() for w in range(8) for s in range(6)}
    assert shared.tip().seq == 48
    assert_sound(backend)


_WRITER = """
import pathlib, sys
from datafolio.backend import LocalBackend
from datafolio.store.repository import Repository
from tests.store.plumbing import put, snapshot
repository = Repository.create(LocalBackend(pathlib.Path(sys.argv[1])))
worker = sys.argv[2]
for step in range(8):
    put(repository, f"item {worker}-{step}", f"{worker} {step}".encode())
snapshot(repository, f"of-{worker}")
print(repository.tip().seq)
"""


def test_commits_of_many_processes_all_arrive(start, disk):
    writers = [start(_WRITER, str(worker)) for worker in range(4)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    repository = Repository.open(disk)
    assert contents(repository) == {f"item {w}-{s}": f"{w} {s}".encode() for w in range(4) for s in range(8)}
    assert repository.tip().state.snapshots.names() == [f"of-{worker}" for worker in range(4)]
    assert repository.tip().seq == 4 * 9
    assert_sound(disk)


def test_a_handle_sees_at_once_what_another_committed(backend):
    first, second = Repository.create(backend), Repository.open(backend)
    for number in range(5):
        put(first, "a", str(number).encode())
        assert read(second, "a") == str(number).encode()
        delete(second, "a")
        assert entry(first, "a") is None


def test_a_change_is_applied_again_to_what_another_writer_left(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    seen = []

    def change(state):
        seen.append(state.items.names())
        if len(seen) <= 3:
            put(other, f"other {len(seen)}", b"x")
        return changes.set_metadata(state, {"seen": len(state.items)})

    repository.commit("count", change)
    assert [len(names) for names in seen] == [0, 1, 2, 3]
    assert repository.tip().state.metadata == {"seen": 3}


def test_a_change_that_raises_leaves_everything_as_it_was(repository, backend):
    put(repository, "a", b"1")
    before = {key: backend.read(key) for key in keys(backend)}
    with pytest.raises(ItemNotFoundError):
        delete(repository, "b")
    with pytest.raises(ZeroDivisionError):
        repository.commit("fail", lambda _state: 1 / 0)
    assert {key: backend.read(key) for key in keys(backend)} == before
    assert contents(repository) == {"a": b"1"}


def test_a_refused_item_leaves_no_payload(on_disk, disk, root, staged):
    before = keys(disk)
    with pytest.raises(ItemNotFoundError, match="an input of 'a'"):
        put(on_disk, "a", b"1", inputs=("nothing",))
    assert keys(disk) == before
    assert staged(root) == []


def test_a_conflict_that_cannot_be_merged_is_raised(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    interleaved = []

    def change(state):
        if not interleaved:
            interleaved.append(snapshot(other, "v1"))
        return changes.create_snapshot(state, "v1", _PLAIN)

    with pytest.raises(SnapshotExistsError, match="v1"):
        repository.commit("create", change)
    assert repository.tip().state.generation == 1


_PLAIN = changes.NewSnapshot(
    description=None, tags=(), timestamp="2025-01-20T15:00:00.000000Z", git=None, environment=None, execution=None
)


def test_a_change_of_nothing_writes_nothing(repository, backend):
    put(repository, "a", b"1")
    set_metadata(repository, k=1)
    before = keys(backend)
    put(repository, "a", b"1")
    set_metadata(repository, k=1)
    repository.commit("nothing", lambda state: state)
    assert keys(backend) == before


def test_the_same_content_from_two_writers_is_stored_once(backend):
    first, second = Repository.create(backend), Repository.open(backend)
    put(first, "a", b"the same")
    put(second, "b", b"the same")
    put(second, "c", b"the same")
    assert keys(backend, OBJECTS) == {object_key(digest_of(b"the same"), 0)}
    assert contents(first) == dict.fromkeys("abc", b"the same")


def test_content_that_two_writers_store_at_the_same_moment_is_stored_once(backend):
    other = Repository.create(backend)
    watched = WatchedBackend(backend)
    # Between this writer's look and its creation, the other one stores the same.
    watched.before("publish", lambda _key: put(other, "b", b"the same"))
    put(Repository.open(watched), "a", b"the same")
    assert keys(backend, OBJECTS) == {object_key(digest_of(b"the same"), 0)}
    assert contents(other) == {"a": b"the same", "b": b"the same"}


def test_what_appears_under_the_key_at_the_last_moment_is_not_relied_on_unread(backend):
    Repository.create(backend)
    watched = WatchedBackend(backend)
    watched.before("publish", lambda key: backend.create(key, b"the sane"))
    put(Repository.open(watched), "a", b"the same")
    assert contents(Repository.open(backend)) == {"a": b"the same"}


@pytest.mark.parametrize("damage", [b"", b"the", b"the sane", b"the same!"], ids=["empty", "cut", "flipped", "longer"])
def test_storing_content_over_its_damaged_object_heals_it(on_disk, disk, damage):
    put(on_disk, "a", b"the same")
    path = disk.path(object_key(digest_of(b"the same"), 0))
    path.chmod(0o644)
    path.write_bytes(damage)
    with pytest.raises(CorruptObjectError):
        read(on_disk, "a")
    put(on_disk, "b", b"the same")
    assert read(on_disk, "a") == b"the same"
    assert_sound(disk)


def test_a_missing_payload_is_named_when_it_is_read(on_disk, disk):
    put(on_disk, "a", b"gone")
    disk.delete(object_key(digest_of(b"gone"), 0))
    with pytest.raises(MissingObjectError, match="objects/"):
        read(on_disk, "a")


def test_a_commit_that_needs_a_missing_node_ends_with_that_error(repository, backend):
    with small_nodes():
        put_many(repository, {f"item {number}": b"x" for number in range(30)})
        for ref in repository.tip().state.items.root.refs:
            backend.delete(object_key(ref.digest, 0))
        fresh = Repository.open(backend)
        with pytest.raises(MissingObjectError):
            put(fresh, "item 3", b"y")
        assert fresh.tip().seq == 1


def test_a_snapshot_of_many_items_takes_three_files_and_reads_no_payload(backend):
    repository = Repository.create(backend)
    put_many(repository, {f"item {number}": str(number).encode() for number in range(300)})
    splits = 0
    for number in range(150):
        put(repository, "item 7", f"round {number}".encode())
        watched = WatchedBackend(backend)
        snapshot(Repository.open(watched), f"s{number}")
        # One more where the list of snapshots no longer fits into the nodes that it had.
        made = len(watched.made("publish"))
        splits += made > 3
        assert made <= 4
        payloads = {object_key(digest_of(data), 0) for data in contents(repository).values()}
        touched = {key for operation, key in watched.calls if operation in {"read", "open", "publish", "size"}}
        assert not touched & payloads
        assert not watched.made("replace")
    assert splits <= 4


def test_an_unchanged_folio_snapshots_again_into_one_file(repository, backend):
    put(repository, "a", b"1")
    snapshot(repository, "one")
    watched = WatchedBackend(backend)
    snapshot(Repository.open(watched), "two")
    assert watched.made("publish") == [record_key(3)]


def test_snapshots_made_in_one_environment_share_its_object(repository, backend):
    environment = {"python": "3.11.7", "packages": {"numpy": "2.0"}}
    put(repository, "a", b"1")
    snapshot(repository, "one", environment=environment)
    put(repository, "a", b"2")
    snapshot(repository, "two", environment=environment)
    state = repository.tip().state
    found = {state.snapshot(state.snapshots.get(name)).environment for name in ("one", "two")}
    assert len(found) == 1
    assert state.environment(found.pop()) == environment


def test_a_record_comes_only_after_everything_it_needs(backend):
    with small_nodes():
        watched = WatchedBackend(backend)
        repository = Repository.create(watched)
        for number in range(40):
            put(repository, f"item {number}", str(number).encode())
            if number % 10 == 0:
                snapshot(repository, f"s{number}")
        _assert_every_prefix_of_the_writes_is_a_folio(watched.made("publish"), backend)


def _assert_every_prefix_of_the_writes_is_a_folio(published, backend):
    """What a power loss at any moment leaves is a sound folio."""
    left = MemoryBackend()
    for key in published:
        left.create(key, backend.read(key))
        if key.startswith(LOG) and left.size(FOLIO_FILE) is not None:
            assert_sound(left)


def test_a_full_disk_fails_the_commit_and_leaves_the_folio(backend):
    repository = Repository.create(backend)
    put(repository, "a", b"1")
    watched = WatchedBackend(backend)

    def full(_key):
        raise StorageError("no space left on the device", 28)

    for writes in range(2):
        watched.before("publish", (lambda _key: watched.before("publish", full)) if writes else full)
        with pytest.raises(StorageError, match="no space"):
            put(Repository.open(watched), "a", b"2")
        assert contents(repository) == {"a": b"1"}
        assert_sound(backend)
    put(Repository.open(watched), "a", b"2")
    assert contents(repository) == {"a": b"2"}


def test_a_reader_that_a_collection_overtakes_reads_again(backend):
    repository, other = Repository.create(backend), Repository.open(backend)
    put(repository, "a", b"old")
    seen = []

    def look(state):
        digest = state.items.get("a").digest
        if not seen:
            put(other, "a", b"new")
            backend.delete(object_key(digest, 0))  # as a collection does
        seen.append(digest)
        return repository.objects.read(digest)

    assert repository.view(look) == b"new"
    assert len(seen) == 2


INTERRUPTED = """
import signal, threading, time
from datafolio.store.parallel import in_parallel

signal.signal(signal.SIGINT, signal.default_int_handler)  # even where it runs in the background
main = threading.current_thread()
is_begun = threading.Event()
begun, ended = [], []

def work(item):
    if threading.current_thread() is main:
        assert is_begun.wait(60)
        return
    begun.append(item)
    is_begun.set()
    for _ in range(3):
        time.sleep(0.1)
        signal.pthread_kill(main.ident, signal.SIGINT)
    time.sleep(0.1)
    ended.append(item)

try:
    in_parallel(work, range(4))
except KeyboardInterrupt:
    print(len(begun) > 0, sorted(ended) == sorted(begun), flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there, nothing interrupts a thread that waits for another")
def test_an_interrupt_comes_when_what_other_threads_began_has_ended(start):
    assert start(INTERRUPTED).stdout.readline() == "True True\n"


def test_an_interrupt_comes_before_the_errors_of_other_threads():
    main = threading.current_thread()
    is_begun, has_failed = threading.Event(), threading.Event()

    def work(_item):
        if threading.current_thread() is main:
            is_begun.set()
            assert has_failed.wait(60)
            time.sleep(0.1)  # for the other to have raised it
            raise KeyboardInterrupt
        assert is_begun.wait(60)
        has_failed.set()
        raise ValueError("on purpose")

    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, range(4))


def test_a_copied_folio_goes_its_own_way(on_disk, disk, tmp_path):
    put(on_disk, "a", b"1")
    shutil.copytree(disk.root, tmp_path / "copy")
    copy = Repository.open(LocalBackend(tmp_path / "copy"))
    put(copy, "a", b"2")
    assert contents(on_disk) == {"a": b"1"}
    assert contents(copy) == {"a": b"2"}
    assert_sound(copy.backend)


def test_put_item_is_pure(repository):
    put(repository, "a", b"1")
    state = repository.tip().state
    once = changes.put_item(state, "b", new_item(b"2"), overwrite=False)
    twice = changes.put_item(state, "b", new_item(b"2"), overwrite=False)
    assert once.items.digest() == twice.items.digest()
    assert state.items.names() == ["a"]
