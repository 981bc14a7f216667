"""The protocol of a full disk: what frees takes the reserve, in parts if it must; what adds never does.

Here the disk is in memory, and as large as a test says; `tests/reliability/full_disk.py` fills real ones.
"""

from __future__ import annotations

import errno
import functools

import pytest

from datafolio.backend import MemoryBackend
from datafolio.digest import digest_of
from datafolio.errors import StorageError
from datafolio.store import changes
from datafolio.store.gc import collect
from datafolio.store.objects import CONDEMNED, OBJECTS, condemned_key, object_key
from datafolio.store.repository import COLLECTING, DELETING, Repository
from datafolio.store.walk import Walk
from tests.store.plumbing import (
    WatchedBackend,
    assert_sound,
    contents,
    delete,
    keys,
    put,
    put_many,
    small_nodes,
    snapshot,
)

HELD = 16_000
MANY = 250


class SmallBackend(MemoryBackend):
    """A disk of `capacity` bytes, `held` of which are the reserve's."""

    def __init__(self):
        super().__init__()
        self.capacity = 1 << 40
        self.held = 0
        self.wanted = HELD

    def used(self):
        return self.held + sum(listed.size for listed in self.list(""))

    def fill(self):
        self.capacity = self.used()

    def _require_room(self, data):
        if self.used() + len(data) > self.capacity:
            raise StorageError("writing to memory: No space left on device", errno.ENOSPC)

    def put_new(self, key, data):
        if self.size(key) is None:
            self._require_room(data)
        super().put_new(key, data)

    def replace(self, key, data):
        # A second name for the newest record takes no bytes.
        if not key.startswith("log/"):
            self._require_room(data)
        super().replace(key, data)

    def keep_reserve(self, size):
        self.held = max(self.held, min(self.wanted, self.held + self.capacity - self.used()))

    def release_reserve(self, share=1):
        left = min(self.held, round(self.wanted * (1 - share)))
        released, self.held = self.held - left, left
        return released > 0


class Watched(WatchedBackend):
    """The same disk, watched."""

    def __init__(self, inner):
        super().__init__(inner)
        self.released = 0

    def keep_reserve(self, size):
        self.inner.keep_reserve(size)

    def release_reserve(self, share=1):
        self.released += 1
        return self.inner.release_reserve(share)


@pytest.fixture
def small():
    return SmallBackend()


@pytest.fixture
def folio(small):
    repository = Repository.create(small)
    put(repository, "kept", b"k" * 1000)
    put(repository, "large", b"l" * 50_000)
    snapshot(repository, "s")
    return repository


def crowded(small):
    """A folio with many small dead objects, on a disk that is full."""
    repository = Repository.create(small)
    put(repository, "kept", b"k" * 1000)
    put_many(repository, {f"item {index}": f"of little size {index}".encode() for index in range(MANY)})
    repository.commit("delete many", _without_them)
    small.fill()
    return repository


def _without_them(state):
    for index in range(MANY):
        state = changes.delete_item(state, f"item {index}")
    return state


def full():
    return pytest.raises(StorageError, match="No space left")


def test_a_new_folio_has_a_reserve_and_a_reader_makes_none(small):
    Repository.create(small)
    assert small.held == HELD
    small.held = 0
    Repository.open(small).tip()
    assert small.held == 0


def test_what_frees_takes_the_reserve_and_gives_it_back(folio, small):
    put(folio, "large", b"smaller")
    repository = Repository.open(small)
    small.fill()
    repository.commit("delete snapshot", lambda state: changes.delete_snapshot(state, "s"), reserve=DELETING)
    assert small.held < HELD
    freed = collect(repository)
    assert freed.size >= 50_000
    assert small.held == HELD
    assert contents(repository) == {"kept": b"k" * 1000, "large": b"smaller"}
    assert_sound(small)


def test_what_adds_leaves_the_reserve_alone_and_the_folio_as_it_was(folio, small):
    small.fill()
    before = keys(small)
    for write in (lambda: put(folio, "new", b"x"), lambda: snapshot(folio, "t"), lambda: delete(folio, "nothing")):
        with pytest.raises((StorageError, LookupError)):
            write()
    assert keys(small) == before
    assert small.held == HELD


def test_deletions_leave_half_of_the_reserve_to_the_collection(folio, small):
    for index in range(12):
        put(folio, f"item {index}", b"%d" % index)
    small.fill()
    deleted = 0
    with full():
        for index in range(12):
            change = functools.partial(changes.delete_item, name=f"item {index}")
            folio.commit("delete", change, reserve=DELETING)
            deleted += 1
    assert deleted > 0
    assert small.held >= HELD // 2
    assert len(collect(folio).orphans) == deleted
    assert_sound(small)


def test_an_error_of_another_kind_does_not_take_the_reserve(folio, small):
    watched = Watched(small)

    def fail(_key):
        raise StorageError("writing: input/output error", errno.EIO)

    repository = Repository.open(watched)
    watched.before("publish", fail)
    with pytest.raises(StorageError, match="input/output"):
        repository.commit("delete", lambda state: changes.delete_snapshot(state, "s"), reserve=COLLECTING)
    assert watched.released == 0
    assert small.held == HELD


def test_more_than_the_reserve_can_condemn_is_condemned_in_parts(small):
    with small_nodes():
        repository = crowded(small)
        planned = collect(repository, dry_run=True)
        assert collect(repository) == planned
        assert len(planned.orphans) == MANY
        assert repository.tip().state.epoch > 2
        assert small.held == HELD
        assert contents(repository) == {"kept": b"k" * 1000}
        assert collect(repository).objects == 0
        assert_sound(small)


def test_the_largest_go_first(small):
    with small_nodes():
        repository = crowded(small)
        small.capacity += 100_000
        put(repository, "large", b"l" * 50_000)
        delete(repository, "large")
        small.fill()
        watched = Watched(small)
        collect(Repository.open(watched))
        deleted = [key for key in watched.made("delete") if key.startswith(OBJECTS)]
        assert object_key(digest_of(b"l" * 50_000), 0) in deleted[:16]


def test_a_collection_that_has_no_room_at_all_leaves_nothing_behind(small):
    with small_nodes():
        repository = crowded(small)
        small.held = 0
        small.wanted = 0
        small.fill()
        before = keys(small)
        with full():
            collect(repository)
        assert keys(small) == before
        assert_sound(small)


def test_a_collection_in_parts_that_is_killed_is_finished_by_the_next(small):
    with small_nodes():
        repository = crowded(small)
        watched = Watched(small)

        def die(key):
            if key.startswith(OBJECTS):
                raise KeyboardInterrupt
            watched.before("delete", die)

        for _ in range(5):
            watched.before("delete", die)
            with pytest.raises(KeyboardInterrupt):
                collect(Repository.open(watched))
            assert_sound(small)
        collect(repository)
        assert collect(Repository.open(small)).objects == 0
        assert contents(Repository.open(small)) == {"kept": b"k" * 1000}
        assert_sound(small)


def test_two_collections_in_parts_at_once_harm_nothing(small):
    with small_nodes():
        crowded(small)
        watched = Watched(small)
        first = Repository.open(watched)
        seen = []

        def meanwhile(key):
            if key.startswith(OBJECTS):
                seen.append(collect(Repository.open(small)))
            else:
                watched.before("delete", meanwhile)

        watched.before("delete", meanwhile)
        collect(first)
        assert seen
        assert collect(Repository.open(small)).objects == 0
        assert contents(Repository.open(small)) == {"kept": b"k" * 1000}
        assert_sound(small)


def test_the_nodes_of_attempts_that_had_no_room_are_gone(small):
    with small_nodes():
        repository = crowded(small)
        collect(repository)
        walk = Walk()
        walk.condemned(repository.tip().state)
        assert keys(small, CONDEMNED) == {condemned_key(digest) for digest in walk.needed}


# Progress.


def test_progress_goes_up_to_the_whole_and_never_back(folio, small):
    put(folio, "large", b"smaller")
    folio.commit("delete snapshot", lambda state: changes.delete_snapshot(state, "s"))
    seen = []
    total = sum(listed.size for listed in small.list(OBJECTS))
    freed = collect(folio, progress=lambda done, total: seen.append((done, total)))
    assert {whole for _, whole in seen} == {total}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[0] == (0, total)
    assert seen[-1] == (total, total)
    assert freed.size > 0


def test_progress_of_a_dry_run_ends_at_what_is_kept(folio, small):
    put(folio, "large", b"smaller")
    folio.commit("delete snapshot", lambda state: changes.delete_snapshot(state, "s"))
    seen = []
    planned = collect(folio, dry_run=True, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] - planned.size
