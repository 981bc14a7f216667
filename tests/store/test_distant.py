"""Storage that is far away: what is done on the assumption that nobody else wrote, and what when somebody did."""

from __future__ import annotations

import threading
import time

import pytest

from datafolio.backend import Key, MemoryBackend
from datafolio.backend.base import Listed
from datafolio.digest import digest_of
from datafolio.errors import FormatError, ItemExistsError, ItemNotFoundError, StorageError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.reader import ItemReader
from datafolio.porcelain.writer import ItemWriter
from datafolio.store import changes
from datafolio.store.fsck import fsck
from datafolio.store.gc import collect
from datafolio.store.log import MARKER, RETAINED, Log, record_key
from datafolio.store.objects import object_key
from datafolio.store.record import written
from datafolio.store.repository import Repository
from datafolio.store.state import Stamp
from tests.store.plumbing import MOMENT


class Far(MemoryBackend):
    """Memory that says that it is far away, and whose listings tell stamps, as those of object stores do."""

    is_distant = True

    def __init__(self):
        super().__init__("far:")
        self.asked: list[str] = []
        self.offered: list[str] = []

    def read(self, key):
        self.asked.append(key)
        return super().read(key)

    def list(self, prefix):
        self.asked.append(prefix)
        for key, size, _ in super().list(prefix):
            yield Listed(key, size, self.stamp(key))

    def put_new(self, key, data):
        self.offered.append(key)
        super().put_new(key, data)

    def wipe(self):
        for key, _, _ in list(super().list("")):
            self.delete(key)


class Handle(ItemReader, ItemWriter):
    """What a DataFolio is, of a backend."""

    def __init__(self, repository):
        super().__init__(Binding(repository, read_only=False, trust=False))
        self.binding = self._binding


@pytest.fixture
def far():
    backend = Far()
    Repository.create(backend)
    return backend


@pytest.fixture
def ours(far):
    return Handle(Repository.open(far))


@pytest.fixture
def theirs(far):
    return Handle(Repository.open(far))


def test_what_others_wrote_is_seen_at_the_next_read(ours, theirs):
    ours.add_json("a", 1)
    assert theirs.get_json("a") == 1
    for number in range(12):  # more than are read one after the other
        ours.add_json("a", number, overwrite=True)
    assert theirs.get_json("a") == 11


def test_a_failure_of_what_was_tried_on_an_older_state_is_forgotten(ours, theirs):
    assert ours.items == []
    theirs.add_json("a", 1)
    assert ours.get_json("a") == 1  # which the state known here had not
    theirs.delete("a")
    with pytest.raises(ItemNotFoundError):
        ours.get_json("a")
    ours.add_json("a", 2)  # though it is there in the state known when it was checked last
    assert theirs.get_json("a") == 2


def test_what_is_not_free_any_more_is_refused_and_what_is_free_again_is_not(ours, theirs):
    theirs.add_json("a", 1)
    with pytest.raises(ItemExistsError):
        ours.add_json("a", 2)
    theirs.delete("a")
    ours.add_json("a", 3)
    assert theirs.get_json("a") == 3


@pytest.mark.parametrize("is_read", [False, True])
def test_a_batch_lands_on_what_others_wrote_before_it_and_in_its_midst(ours, theirs, is_read):
    theirs.add_json("before", 1)
    with ours.binding.batch():
        ours.add_json("a", 1)
        if is_read:
            assert sorted(ours.items) == ["a", "before"]
        theirs.add_json("midst", 1)
        ours.add_json("b", 2)
    assert sorted(theirs.items) == ["a", "b", "before", "midst"]


def test_a_batch_begun_on_an_older_state_refuses_what_the_newest_refuses_and_only_that(ours, theirs):
    ours.add_json("gone", 1)
    theirs.delete("gone")
    theirs.add_json("there", 1)
    with ours.binding.batch():
        ours.add_json("gone", 2)
        with pytest.raises(ItemExistsError):
            ours.add_json("there", 2)
    assert {name: theirs.get_json(name) for name in theirs.items} == {"gone": 2, "there": 1}


def test_a_read_in_a_batch_that_failed_is_tried_again_and_shows_nothing_older(monkeypatch, far, ours, theirs):
    ours.add_json("old", 1)
    theirs.add_json("new", 1)

    def fail(key):
        raise StorageError(f"{key}: nobody answers")

    with ours.binding.batch():
        with monkeypatch.context() as cut:
            cut.setattr(far, "size", fail)
            cut.setattr(far, "list", fail)
            with pytest.raises(StorageError):
                ours.items  # noqa: B018 - it asks
        assert sorted(ours.items) == ["new", "old"]


def test_what_this_process_stored_is_not_sent_again_unless_a_collection_took_it(far, ours, theirs):
    ours.add_json("a", [1])
    ours.delete("a")
    collect(theirs.binding.repository)
    ours.add_json("b", [1])
    assert theirs.get_json("b") == [1]
    assert fsck(far)


def test_a_folio_made_anew_in_the_place_of_another_gets_all_that_it_needs(far, ours):
    ours.add_json("a", [1, 2, 3])
    far.wipe()
    Repository.create(far)
    ours.add_json("b", [1, 2, 3])
    assert Handle(Repository.open(far)).get_json("b") == [1, 2, 3]
    assert fsck(far)


def test_opening_reads_the_newest_record_from_its_second_name(far, ours):
    ours.add_json("a", 1)
    far.asked.clear()
    assert Handle(Repository.open(far)).items == ["a"]
    assert MARKER in far.asked
    assert record_key(1) not in far.asked


@pytest.mark.parametrize("content", [None, b"", b"{}", "older"])
def test_a_second_name_that_lags_behind_or_is_damaged_misleads_nobody(far, ours, content):
    ours.add_json("a", 1)
    older = far.read(record_key(1))
    ours.add_json("b", 1)
    if content is None:
        far.delete(MARKER)
    else:
        far.replace(MARKER, older if isinstance(content, str) else content)
    assert sorted(Handle(Repository.open(far)).items) == ["a", "b"]
    assert sorted(ours.items) == ["a", "b"]


def test_a_second_name_ahead_of_the_log_says_that_the_newest_record_is_lost(far, ours):
    ours.add_json("a", 1)
    far.delete(record_key(1))
    with pytest.raises(FormatError, match="missing"):
        Repository.open(far)


def test_a_handle_whose_folio_was_put_back_to_an_earlier_moment_goes_on_from_there(far, ours, theirs):
    ours.add_json("a", 1)
    earlier = {key: far.read(key) for key, _, _ in list(far.list(""))}
    ours.add_json("b", 1)
    far.wipe()
    for key, data in earlier.items():
        far.create(Key(key), data)
    assert theirs.items == ["a"]
    assert ours.items == ["a"]
    ours.add_json("c", 1)
    assert sorted(theirs.items) == ["a", "c"]
    assert fsck(far)


def test_a_record_left_where_the_log_had_passed_is_not_taken_for_the_newest(far, ours, theirs):
    """Whoever made it slept since the same record as this handle, and was killed before it looked around."""
    known = ours.binding.repository.tip()
    last = known.seq + RETAINED + 20
    for number in range(known.seq, last):
        theirs.add_json("a", number, overwrite=True)
    Log(far).trim(last)
    stray = known.state.record(Stamp(known.seq + 1, known.logged.digest, "0" * 32, MOMENT, "sleep"))
    far.create(record_key(known.seq + 1), written(stray, {})[0])
    ours.add_json("b", 1)
    assert sorted(theirs.items) == ["a", "b"]
    assert ours.get_json("a") == last - 1


def test_a_payload_is_sent_once_however_many_others_are_first(far, ours, theirs):
    payload = b"x" * 1000
    races = iter(range(3))

    def change(state):
        if next(races, None) is not None:
            for number in range(6):
                theirs.add_json("n", number, overwrite=True)
        return changes.set_metadata(state, {"k": 1})

    ours.binding.repository.commit("add", change, {digest_of(payload): payload})
    assert theirs.items == ["n"]
    assert far.offered.count(object_key(digest_of(payload), 0)) == 1


def test_a_collection_frees_what_was_deleted_elsewhere_before_it_began(far, ours, theirs):
    ours.add_json("a", [1])
    theirs.delete("a")
    assert collect(ours.binding.repository, dry_run=True).objects == 1
    ours.add_json("b", [1])
    theirs.delete("b")
    assert collect(ours.binding.repository).objects == 1


def test_a_handle_whose_record_is_trimmed_while_it_looks_sees_what_came_since(monkeypatch, far, ours, theirs):
    """It sees its own record, and by the time at which it looks for the next one that is gone as well."""
    known = ours.binding.repository.tip().seq
    for number in range(RETAINED + 2):
        theirs.add_json("a", number, overwrite=True)
    trimmed = threading.Event()

    def stamp(key):
        found = MemoryBackend.stamp(far, key)
        if key == record_key(known):
            far.delete(record_key(known))
            far.delete(record_key(known + 1))
            trimmed.set()
        return found

    def size(key):
        trimmed.wait(1)
        return MemoryBackend.size(far, key)

    monkeypatch.setattr(far, "stamp", stamp)
    monkeypatch.setattr(far, "size", size)
    time.sleep(0.6)  # nobody makes so many records of storage that is far away in a shorter time
    assert ours.get_json("a") == RETAINED + 1


def test_where_no_more_threads_can_be_had_all_is_done_in_the_one_that_is_there(monkeypatch, ours, theirs):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for number in range(10):  # the log is trimmed meanwhile
        ours.add_json("a", number, overwrite=True)
    assert theirs.get_json("a") == 9
