"""One folio is made to hold what another does, and nothing that only the target holds is ever given up."""

from __future__ import annotations

import errno
import shutil
import threading
from contextlib import contextmanager

import pytest

from datafolio.backend import LocalBackend, MemoryBackend
from datafolio.digest import digest_of
from datafolio.errors import (
    CorruptObjectError,
    DivergedError,
    MissingObjectError,
    SnapshotExistsError,
    SnapshotNotFoundError,
    StorageError,
)
from datafolio.store.changes import holds_the_same
from datafolio.store.gc import collect
from datafolio.store.history import undo
from datafolio.store.log import RETAINED
from datafolio.store.objects import OBJECTS
from datafolio.store.repository import Repository
from datafolio.store.synced import SYNCED_FILE
from datafolio.store.transfer import Amount, transfer
from datafolio.store.walk import Walk
from tests.store.plumbing import (
    WatchedBackend,
    WatchedStage,
    assert_sound,
    contents,
    delete,
    delete_snapshot,
    entry,
    overwrite,
    put,
    put_many,
    read,
    restore,
    set_metadata,
    small_nodes,
    snapshot,
)

BIG = bytes(range(256)) * 20_000


class Killed(BaseException):
    """The end of a process."""


class Guarded(WatchedBackend):
    """A backend that asks before each publication, and counts those that took place."""

    def __init__(self, inner, ask=lambda key: None):
        super().__init__(inner)
        self.ask = ask
        self.published = []

    def stage(self):
        return GuardedStage(self, self.inner.stage())


class GuardedStage(WatchedStage):
    def publish(self, key, *, replace=False):
        self.backend.note("publish", key)
        self.backend.ask(key)
        self.inner.publish(key, replace=replace)
        self.backend.published.append(key)


def at_record(action):
    """To be asked: does `action` once, before the first record is published."""
    waiting = [action]

    def ask(key):
        if key.startswith("log/") and waiting:
            waiting.pop()()

    return ask


@contextmanager
def unchanged(backend):
    """Nothing that a user sees of the folio changes in the block: no record is made."""
    before = {listed.key: backend.read(listed.key) for listed in backend.list("log/")}
    yield
    assert {listed.key: backend.read(listed.key) for listed in backend.list("log/")} == before


def are_same(one, other):
    return holds_the_same(one.tip().state, other.tip().state)


def new(backend=None):
    return Repository.create(MemoryBackend() if backend is None else backend)


@pytest.fixture
def source(repository):
    """A folio with two snapshots, and work since."""
    put_many(repository, {f"item {number}": b"%d" % number for number in range(200)})
    put(repository, "big", BIG)
    set_metadata(repository, accuracy=0.5)
    snapshot(repository, "v1", environment={"python": "3.11"})
    put(repository, "item 3", b"three")
    snapshot(repository, "v2", description="x" * 2000)
    put(repository, "Größe / 大きさ\u202e", b"odd")
    delete(repository, "Größe / 大きさ\u202e")
    put(repository, "名前 .. /", b"odd")
    set_metadata(repository, accuracy=0.6)
    return repository


@pytest.fixture
def target():
    return new()


def push(source, target, **more):
    return transfer(source, target, "push", own=source, **more)


# What arrives.


@pytest.mark.parametrize("to_disk", [False, True], ids=["in memory", "on disk"])
def test_a_clone_holds_all_of_it_and_has_a_log_of_its_own(source, to_disk, tmp_path):
    target = new(LocalBackend(tmp_path / "clone") if to_disk else None)
    done = transfer(source, target, "clone of here")
    assert (done.is_changed, done.is_ahead) == (True, False)
    assert are_same(source, target)
    assert contents(target) == contents(source)
    for name in ("v1", "v2"):
        assert contents(target, name) == contents(source, name)
    words = [logged.record.operation for logged in target.log.retained()]
    assert words == ["clone of here", "create the folio"]
    assert_sound(target.backend)


def test_a_clone_does_not_need_its_source_any_more(source, target):
    transfer(source, target, "clone")
    expected = contents(source, "v1")
    for listed in list(source.backend.list("")):
        source.backend.delete(listed.key)
    put(target, "item 7", b"more")
    assert contents(target, "v1") == expected
    assert contents(Repository.open(target.backend))["item 7"] == b"more"


def test_it_goes_from_disk_to_disk(on_disk, tmp_path):
    put(on_disk, "big", BIG)
    put(on_disk, "empty", b"")
    target = new(LocalBackend(tmp_path / "copy"))
    done = transfer(on_disk, target, "clone")
    assert contents(target) == {"big": BIG, "empty": b""}
    assert done.copied == Amount(2, len(BIG))


def test_a_transfer_is_one_operation_and_undone_as_one(source, target):
    put(target, "own", b"own")
    transfer(target, source_of := new(), "clone")
    put(source_of, "other", b"other")
    snapshot(source_of, "s")
    transfer(source_of, target, "pull")
    undo(target, None, target.commit)
    assert contents(target) == {"own": b"own"}
    assert not target.tip().state.snapshots.names()


def test_only_what_is_missing_is_copied(source, target):
    push(source, target)
    put(source, "item 5", b"five")
    watched = Guarded(target.backend)
    done = push(source, Repository.open(watched))
    assert are_same(source, target)
    objects = [key for key in watched.published if key.startswith(OBJECTS)]
    assert done.copied.objects <= len(objects) <= 3  # the payload, a node, and one of the version numbers
    assert len(objects) == len(set(objects))


@pytest.mark.parametrize("is_distant", [False, True])
def test_an_update_of_one_item_of_many_looks_at_little(target, repository, is_distant):
    put_many(repository, {f"item {number}": b"%d" % number for number in range(10_000)})
    snapshot(repository, "v1")
    push(repository, target)
    put(repository, "item 77", b"new")
    snapshot(repository, "v2")
    far, near = WatchedBackend(target.backend), WatchedBackend(repository.backend)
    far.is_distant = near.is_distant = is_distant
    push(Repository.open(near), Repository.open(far))
    assert len(far.calls) < 40
    assert len(near.calls) < 40
    assert are_same(repository, target)
    assert_sound(target.backend)


def test_where_both_are_the_same_nothing_is_written(source, target):
    push(source, target)
    watched = Guarded(target.backend)
    done = push(source, Repository.open(watched))
    assert (done.is_changed, done.is_ahead, done.copied) == (False, False, Amount(0, 0))
    assert watched.published == []
    assert "replace" not in watched.counts()


def test_a_folio_is_up_to_date_with_itself(source):
    with unchanged(source.backend):
        assert not push(source, Repository.open(source.backend)).is_changed


def test_from_one_empty_folio_to_another_nothing_is_to_do(target):
    with unchanged(target.backend):
        assert not push(new(), target).is_changed


def test_a_deletion_is_carried_over_too(source, target):
    push(source, target)
    delete_snapshot(source, "v1")
    put(source, "short-lived", b"x")
    push(source, target)
    delete(source, "short-lived")
    push(source, target)
    assert are_same(source, target)
    assert target.tip().state.snapshots.names() == ["v2"]


def test_what_the_target_condemned_before_is_stored_under_a_new_key(source, target):
    push(source, target)
    delete(target, "名前 .. /")
    put(target, "other", b"other")
    transfer(target, source, "pull")
    collect(target)
    put(source, "again", b"odd")  # the content that was collected
    push(source, target)
    assert read(target, "again") == b"odd"
    assert_sound(target.backend)


def test_progress_ends_with_all_of_it(source, target):
    told = []
    done = transfer(source, target, "clone", progress=lambda done, total: told.append((done, total)))
    assert told[0][0] == Amount(0, 0)
    assert told[-1] == (done.copied, done.copied)
    assert {total for _, total in told} == {done.copied}
    assert [done.size for done, _ in told] == sorted(done.size for done, _ in told)


def test_deep_maps_arrive_whole(target):
    with small_nodes():
        source = new()
        for round_ in range(6):
            put_many(source, {f"{round_} {number}": b"%d" % (number * round_) for number in range(40)})
            snapshot(source, f"s{round_}")
            delete_snapshot(source, f"s{round_ - 2}") if round_ > 2 else None
            push(source, target)
            assert are_same(source, target)
            assert_sound(target.backend)


# Version numbers.


def test_no_version_number_comes_to_mean_two_contents(source, target):
    push(source, target)
    put(target, "item 1", b"a")  # version 2, since a snapshot holds version 1
    assert entry(target, "item 1").version == 2
    snapshot(target, "w")
    restore(target, "v2")
    delete_snapshot(target, "w")
    transfer(target, source, "pull")
    put(source, "item 1", b"b")
    assert entry(source, "item 1").version == 3


def test_what_a_snapshot_from_elsewhere_holds_is_not_overwritten_in_place(source, target):
    put(target, "own", b"own")
    transfer(source, target, "pull", snapshot="v2")
    restore(target, "v2")
    before = entry(target, "item 3").version
    put(target, "item 3", b"changed")
    assert entry(target, "item 3").version == before + 1
    assert read(target, "item 3", "v2") == b"three"
    collect(target)
    assert read(target, "item 3", "v2") == b"three"
    assert_sound(target.backend)


def test_the_number_of_a_snapshot_is_not_given_twice(source, target):
    push(source, target)
    for name in ("w", "x"):
        snapshot(target, name)
        delete_snapshot(target, name)
    restore(target, "v2")
    restore(source, "v2")
    put(source, "more", b"more")
    before = target.tip().state.generation
    assert before > source.tip().state.generation
    push(source, target)
    assert target.tip().state.generation == before


def test_numbers_that_a_snapshot_from_elsewhere_holds_are_taken(source, target):
    put(target, "own", b"own")
    transfer(source, target, "pull", snapshot="v2")
    put(target, "item 3", b"anew")
    assert entry(target, "item 3").version == 3


# One snapshot.


def test_one_snapshot_of_a_folio_becomes_a_folio_that_stands_at_it(source, target):
    transfer(source, target, "clone", snapshot="v1")
    assert contents(target) == contents(source, "v1") == contents(target, "v1")
    assert target.tip().state.metadata == {"accuracy": 0.5}
    assert target.tip().state.snapshots.names() == ["v1"]
    put(target, "item 3", b"mine")
    assert (entry(target, "item 3").version, read(target, "item 3", "v1")) == (2, b"3")
    assert_sound(target.backend)


def test_one_snapshot_is_added_and_all_else_stays(source, target):
    put(target, "item 3", b"own")
    set_metadata(target, mine=1)
    done = transfer(source, target, "pull", snapshot="v1")
    assert done.is_changed
    assert contents(target) == {"item 3": b"own"}
    assert target.tip().state.metadata == {"mine": 1}
    assert contents(target, "v1") == contents(source, "v1")
    with unchanged(target.backend):
        assert not transfer(source, target, "pull", snapshot="v1").is_changed
    assert_sound(target.backend)


def test_another_snapshot_of_that_name_is_refused(source, target):
    put(target, "own", b"own")
    snapshot(target, "v1")
    with unchanged(target.backend), pytest.raises(SnapshotExistsError, match="'v1' of memory: is another one"):
        transfer(source, target, "pull", snapshot="v1")
    with unchanged(target.backend), pytest.raises(SnapshotNotFoundError, match="no snapshot 'v7'"):
        transfer(source, target, "pull", snapshot="v7")


def test_a_folio_made_of_one_snapshot_can_get_the_rest_later(source, target):
    transfer(source, target, "clone", snapshot="v1")
    push(source, target)
    assert are_same(source, target)
    assert_sound(target.backend)


def test_work_on_one_snapshot_can_go_back_as_a_snapshot(source, target):
    transfer(source, target, "clone", snapshot="v1")
    put(target, "result", b"42")
    snapshot(target, "done")
    with pytest.raises(DivergedError):
        push(target, source)
    transfer(target, source, "push", snapshot="done")
    assert read(source, "result", "done") == b"42"
    assert "result" not in contents(source)
    assert_sound(source.backend)


# Divergence.


def test_two_that_went_different_ways_are_refused_in_both_directions(source, target):
    push(source, target)
    put(source, "mine", b"1")
    snapshot(source, "here")
    put(target, "theirs", b"2")
    put(target, "item 9", b"other")
    set_metadata(target, accuracy=0.7, extra=1)
    snapshot(target, "there")
    with unchanged(target.backend), pytest.raises(DivergedError) as error:
        push(source, target)
    for words in (
        "snapshot 'there'",
        "item 'theirs'",
        "item 'item 9' (with other content)",
        "metadata keys 'accuracy', 'extra'",
        "nothing was changed",
    ):
        assert words in str(error.value)
    assert "'mine'" not in str(error.value)
    with unchanged(source.backend), pytest.raises(DivergedError, match="snapshot 'here'; item 'mine'"):
        push(target, source)


def test_a_target_that_is_ahead_is_to_be_pulled_from(source, target):
    push(source, target)
    put(target, "new", b"new")
    with unchanged(target.backend), pytest.raises(DivergedError, match=r"ahead of .* item 'new'; pull from it first"):
        push(source, target)
    with unchanged(target.backend):
        done = transfer(source, target, "pull", own=target, accept_ahead=True)
    assert (done.is_changed, done.is_ahead) == (False, True)
    assert push(target, source).is_changed
    assert not push(source, target).is_changed


def test_a_target_that_let_go_of_something_is_ahead_too(source, target):
    push(source, target)
    delete(target, "名前 .. /")
    with unchanged(target.backend), pytest.raises(DivergedError, match="ahead"):
        push(source, target)
    push(target, source)
    assert "名前 .. /" not in contents(source)


def test_unrelated_folios_are_refused(source, target):
    put(target, "own", b"own")
    with unchanged(target.backend), pytest.raises(DivergedError, match="item 'own'"):
        push(source, target)
    with unchanged(target.backend), pytest.raises(DivergedError, match="ahead"):
        push(new(), target)


def test_many_differences_are_counted(source, target):
    put_many(target, {f"n{number}": b"n" for number in range(9)})
    with pytest.raises(DivergedError, match="items 'n0', 'n1', 'n2', 'n3', 'n4' and 4 more"):
        push(source, target)


def long_work(repository, name="counter"):
    """More operations than a log keeps, of which nothing is left but the last."""
    for number in range(RETAINED + 20):
        put(repository, name, b"%d" % number)


def test_a_push_after_more_work_than_the_log_keeps_is_no_divergence(source, target):
    put(source, "counter", b"begin")
    push(source, target)
    long_work(source)
    push(source, target)
    assert read(target, "counter") == b"%d" % (RETAINED + 19)


def test_a_pull_after_more_work_than_the_log_keeps_is_no_divergence(source, target):
    put(source, "counter", b"begin")
    transfer(source, target, "clone", own=target)
    long_work(source)
    transfer(source, target, "pull", own=target)
    assert are_same(source, target)


def test_after_much_work_the_target_is_known_to_be_ahead(source, target):
    push(source, target)
    long_work(target, "item 3")
    with unchanged(target.backend), pytest.raises(DivergedError, match="ahead"):
        push(source, target)


def test_a_copy_of_a_folio_that_went_its_own_way_is_not_taken_for_it(on_disk, root, tmp_path, target):
    put(on_disk, "counter", b"begin")
    push(on_disk, target)
    shutil.copytree(root, tmp_path / "copy")
    copy = Repository.open(LocalBackend(tmp_path / "copy"))
    put(on_disk, "counter", b"only in the original")
    push(on_disk, target)
    long_work(copy)
    with unchanged(target.backend), pytest.raises(DivergedError, match=r"'counter' \(with other content\)"):
        push(copy, target)


def test_a_source_that_was_put_back_and_went_another_way_is_not_pulled(on_disk, root, tmp_path, target):
    put(on_disk, "counter", b"begin")
    shutil.copytree(root, tmp_path / "backup")
    put(on_disk, "counter", b"lost in the fire")
    transfer(on_disk, target, "clone", own=target)
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "backup", root)
    back = Repository.open(LocalBackend(root))
    for number in range(5):
        put(back, "counter", b"%d" % number)
    with unchanged(target.backend), pytest.raises(DivergedError, match="counter"):
        transfer(back, target, "pull", own=target)


def test_a_copy_in_another_place_is_not_pulled_as_if_it_were_the_original(on_disk, root, tmp_path, target):
    put(on_disk, "counter", b"begin")
    shutil.copytree(root, tmp_path / "copy")
    put(on_disk, "counter", b"only in the original")
    transfer(on_disk, target, "clone", own=target)
    copy = Repository.open(LocalBackend(tmp_path / "copy"))
    long_work(copy)
    with unchanged(target.backend), pytest.raises(DivergedError, match="counter"):
        transfer(copy, target, "pull", own=target)


def test_what_would_be_lost_decides_where_nothing_else_tells(source, target):
    transfer(source, target, "clone", snapshot="v2")  # which is in no log
    long_work(source, "counter")
    target.backend.delete(SYNCED_FILE)
    push(source, target)
    assert are_same(source, target)


def test_a_target_with_less_of_the_same_is_brought_forward_without_a_log(source, target):
    push(source, target)
    source.backend.delete(SYNCED_FILE)
    long_work(source, "counter")
    assert push(source, target).is_changed


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"peers":{}}'])
def test_without_what_was_known_a_folio_falls_back_on_what_it_sees(source, target, damage):
    put(source, "counter", b"begin")
    push(source, target)
    source.backend.replace(SYNCED_FILE, damage)
    push(source, target)
    put(source, "counter", b"more")
    push(source, target)
    assert read(target, "counter") == b"more"
    source.backend.replace(SYNCED_FILE, damage)
    long_work(source)
    with unchanged(target.backend), pytest.raises(DivergedError, match="counter"):
        push(source, target)


# Others at work.


def test_a_writer_at_the_target_between_the_check_and_the_commit_loses_nothing(source, target):
    push(source, target)
    put(source, "mine", b"mine")
    guarded = Guarded(target.backend, at_record(lambda: put(target, "theirs", b"theirs")))
    with pytest.raises(DivergedError, match="'theirs'"):
        push(source, Repository.open(guarded))
    assert read(target, "theirs") == b"theirs"
    assert "mine" not in contents(target)


def test_a_collection_at_the_target_in_between_takes_nothing_that_is_needed(source, target):
    push(source, target)
    put_many(source, {f"new {number}": b"n%d" % number for number in range(20)})
    snapshot(source, "v3")
    guarded = Guarded(target.backend, at_record(lambda: collect(target)))
    push(source, Repository.open(guarded))
    assert target.tip().state.epoch == 1
    assert contents(target) == contents(source)
    assert_sound(target.backend)


def test_what_the_target_lets_go_of_in_between_is_copied_after_all(source, target):
    push(source, target)
    put(source, "more", b"more")
    push(source, target)

    def let_go():
        undo(target, None, target.commit)
        delete(target, "名前 .. /")
        collect(target)

    put(source, "last", b"last")
    guarded = Guarded(target.backend, at_record(let_go))
    push(source, Repository.open(guarded))
    assert contents(target) == contents(source)
    assert_sound(target.backend)


def test_a_collection_at_the_source_in_between_gives_its_newer_state(source, target):
    put(source, "doomed", b"doomed" * 100)

    def collect_at_source(key):
        if "doomed" in contents(source):
            delete(source, "doomed")
            collect(source)

    guarded = Guarded(target.backend)
    guarded.before("publish", collect_at_source)
    transfer(source, Repository.open(guarded), "clone")
    assert "doomed" not in contents(target) or read(target, "doomed") == b"doomed" * 100
    assert_sound(target.backend)
    push(source, target)
    assert are_same(source, target)


def test_of_two_pushes_at_once_from_folios_that_differ_one_is_refused(source, target):
    push(source, target)
    other = new()
    push(source, other)
    put(source, "one", b"1")
    put(other, "two", b"2")
    outcomes = []

    def attempt(repository):
        try:
            outcomes.append(push(repository, Repository.open(target.backend)).is_changed)
        except DivergedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=attempt, args=(repository,)) for repository in (source, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["True", "refused"]
    assert ("one" in contents(target)) != ("two" in contents(target))
    assert_sound(target.backend)


def test_the_same_push_twice_at_once_is_done_once(source, target):
    outcomes = []
    guarded = Guarded(target.backend, at_record(lambda: outcomes.append(push(source, target).is_changed)))
    outcomes.append(push(source, Repository.open(guarded)).is_changed)
    assert outcomes == [True, False]
    assert target.tip().seq == 1


# Damage and failure.


def stored_at(repository, digest):
    return repository.objects.key(digest)


@pytest.mark.parametrize("data", [b"x" * 10, BIG], ids=["small", "large"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_payload_does_not_get_to_the_target(on_disk, disk, target, data, damage):
    put_many(on_disk, {"a": b"a", "b": b"b"})
    put(on_disk, "damaged", data)
    key = stored_at(on_disk, digest_of(data))
    if damage == "gone":
        disk.delete(key)
    else:
        overwrite(disk, key, data[:-1] + (b"\x00" if damage == "flipped" else b""))
    kind = MissingObjectError if damage == "gone" else CorruptObjectError
    with unchanged(target.backend), pytest.raises(kind, match=key):
        transfer(on_disk, target, "clone")
    assert target.backend.size(key) is None
    assert contents(target) == {}


@pytest.mark.parametrize("role", ["node", "snapshot", "environment"])
def test_damage_of_any_other_object_ends_a_transfer_too(on_disk, disk, target, role):
    put_many(on_disk, {f"item {number}": b"%d" % number for number in range(200)})
    snapshot(on_disk, "v1", description="x" * 2000, environment={"python": "3.11"})
    walk = Walk()
    walk.state(on_disk.tip().state)
    digest = next(digest for digest, needed in walk.needed.items() if needed.role == role)
    key = stored_at(on_disk, digest)
    overwrite(disk, key, b"[]" + disk.read(key)[2:])
    with unchanged(target.backend), pytest.raises(CorruptObjectError, match=key):
        transfer(Repository.open(disk), target, "clone")
    assert target.backend.size(key) is None


def test_an_object_of_another_size_at_the_target_is_put_right(source, target):
    digest = digest_of(BIG)
    key = target.tip().state.key_of(digest)
    target.backend.replace(key, BIG[:1000])
    transfer(source, target, "clone")
    assert read(target, "big") == BIG
    assert_sound(target.backend)


def killed_at(backend, number):
    """A backend whose process ends at the publication of that number."""

    def ask(_key):
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    left, lock = [number], threading.Lock()
    return Guarded(backend, ask)


def test_killed_at_every_write_in_turn_and_begun_again_it_copies_nothing_twice():
    source = new()
    put_many(source, {f"item {number}": b"%d" % number for number in range(90)})
    snapshot(source, "v1", environment={"python": "3.11"})
    whole = Guarded(new().backend)
    transfer(source, Repository.open(whole), "clone")
    assert len(whole.published) > 90
    for number in range(len(whole.published)):
        target = MemoryBackend()
        Repository.create(target)
        guarded = killed_at(target, number)
        with pytest.raises(Killed):
            transfer(source, Repository.open(guarded), "clone")
        resumed = Guarded(target)
        transfer(source, Repository.open(resumed), "clone")
        objects = [key for key in guarded.published + resumed.published if key.startswith(OBJECTS)]
        assert len(objects) == len(set(objects))
        assert contents(Repository.open(target), "v1") == contents(source, "v1")
        assert_sound(target)


def test_killed_on_a_folio_that_has_something_it_is_as_before_and_goes_on(source, target):
    push(source, target)
    put_many(source, {f"new {number}": b"n%d" % number for number in range(10)})
    snapshot(source, "v3")
    before = contents(target)
    published = []
    for number in range(40):
        guarded = killed_at(target.backend, number)
        try:
            push(source, Repository.open(guarded))
        except Killed:
            published += guarded.published
            assert contents(Repository.open(target.backend)) == before
            continue
        published += guarded.published
        break
    assert len(published) == len(set(published))
    assert contents(Repository.open(target.backend)) == contents(source)
    assert_sound(target.backend)


def test_where_the_target_is_full_nothing_is_changed_and_later_it_goes_on(source, target):
    room = [100]

    def ask(_key):
        room[0] -= 1
        if room[0] < 0:
            raise StorageError("no space left on device", errno.ENOSPC)

    guarded = Guarded(target.backend, ask)
    with unchanged(target.backend), pytest.raises(StorageError, match="no space"):
        transfer(source, Repository.open(guarded), "clone")
    first = len(guarded.published)
    room[0] = 10_000
    transfer(source, Repository.open(guarded), "clone")
    assert first > 90
    assert len(guarded.published) == len(set(guarded.published))
    assert contents(target) == contents(source)
