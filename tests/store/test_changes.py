"""What a change makes of a state: version numbers, refusals, and what is no change at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datafolio.backend import MemoryBackend
from datafolio.errors import (
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
    NotKeptError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)
from datafolio.store import changes
from datafolio.store.history import undo
from datafolio.store.repository import Repository
from tests.store.plumbing import (
    contents,
    delete,
    delete_snapshot,
    entry,
    put,
    put_many,
    restore,
    set_metadata,
    snapshot,
)


def version(repository, name="a"):
    return entry(repository, name).version


def test_a_new_item_has_version_1(repository):
    put(repository, "a", b"1")
    assert version(repository) == 1


def test_overwriting_what_no_snapshot_holds_keeps_the_version(repository):
    for number in range(5):
        put(repository, "a", str(number).encode())
    assert version(repository) == 1


def test_overwriting_what_a_snapshot_holds_raises_the_version_once(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    assert version(repository) == 2
    put(repository, "a", b"3")
    assert version(repository) == 2
    snapshot(repository, "s2")
    snapshot(repository, "s3")
    put(repository, "a", b"4")
    assert version(repository) == 3


def test_the_same_bytes_again_are_no_change_even_after_a_snapshot(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    seq = repository.tip().seq
    put(repository, "a", b"1", created_at="2030-01-01T00:00:00.000000Z")
    assert repository.tip().seq == seq
    assert version(repository) == 1


def test_another_description_is_a_change_that_keeps_version_and_time(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    before = entry(repository, "a")
    put(repository, "a", b"1", description="the first", created_at="2030-01-01T00:00:00.000000Z")
    after = entry(repository, "a")
    assert (after.description, after.version, after.created_at) == ("the first", 1, before.created_at)


def test_content_of_its_own_has_a_time_of_its_own(repository):
    put(repository, "a", b"1")
    put(repository, "a", b"2", created_at="2030-01-01T00:00:00.000000Z")
    assert entry(repository, "a").created_at == "2030-01-01T00:00:00.000000Z"


def test_an_item_of_another_type_with_the_same_bytes_is_a_new_version(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"1", type_="artifact")
    assert (version(repository), entry(repository, "a").type) == (2, "artifact")


def test_only_items_that_the_snapshot_held_count_up(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "b", b"1")
    put(repository, "b", b"2")
    assert version(repository, "b") == 1


def test_an_existing_item_is_overwritten_only_if_told(repository):
    put(repository, "a", b"1")
    with pytest.raises(ItemExistsError, match=r"'a' exists \(a json\); pass overwrite=True"):
        put(repository, "a", b"2", overwrite=False)
    assert contents(repository) == {"a": b"1"}


def test_inputs_must_be_items_and_the_message_names_those_there_are(repository):
    put(repository, "a", b"1")
    with pytest.raises(ItemNotFoundError, match=r"no item 'x' \(an input of 'b'\); the folio's items: 'a'"):
        put(repository, "b", b"2", inputs=("a", "x"))
    put(repository, "b", b"2", inputs=("a",))
    assert entry(repository, "b").inputs == ("a",)


def test_delete_removes_an_item_that_no_snapshot_holds(repository):
    put(repository, "a", b"1")
    delete(repository, "a")
    assert contents(repository) == {}


def test_delete_of_what_is_not_there_says_so(repository):
    with pytest.raises(ItemNotFoundError, match="no item 'a'"):
        delete(repository, "a")


def test_delete_names_the_snapshots_that_hold_the_item_oldest_first(repository):
    put(repository, "a", b"1")
    snapshot(repository, "zebra")
    put(repository, "b", b"1")
    put(repository, "a", b"2")
    snapshot(repository, "ant")
    with pytest.raises(ItemInUseError, match=r"'a' is held by snapshots 'zebra', 'ant'; delete those snapshots first"):
        delete(repository, "a")
    with pytest.raises(ItemInUseError, match="'b' is held by snapshot 'ant'; delete that snapshot first"):
        delete(repository, "b")
    assert set(contents(repository)) == {"a", "b"}


def test_delete_names_five_of_many_snapshots_and_counts_the_rest(repository):
    put(repository, "a", b"1")
    for number in range(8):
        snapshot(repository, f"s{number}")
    with pytest.raises(ItemInUseError, match=r"'s0', 's1', 's2', 's3', 's4' and 3 more"):
        delete(repository, "a")


def test_an_older_version_that_a_snapshot_holds_keeps_the_item_from_being_deleted(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    with pytest.raises(ItemInUseError, match="'s1'"):
        delete(repository, "a")


def test_snapshots_of_more_items_than_they_list_hold_their_items_all_the_same(repository):
    put_many(repository, {f"item {number}": b"x" for number in range(100)})
    snapshot(repository, "large")
    put(repository, "late", b"x")
    with pytest.raises(ItemInUseError, match="'large'"):
        delete(repository, "item 42")
    delete(repository, "late")
    delete_snapshot(repository, "large")
    delete(repository, "item 42")


def test_an_item_can_be_deleted_once_its_snapshots_are(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    delete_snapshot(repository, "s1")
    delete(repository, "a")
    assert contents(repository) == {}


def test_a_snapshot_never_changes(repository):
    put(repository, "a", b"1")
    set_metadata(repository, k=1)
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    put(repository, "b", b"2")
    set_metadata(repository, k=2)
    assert contents(repository, "s1") == {"a": b"1"}
    assert changes.at_snapshot(repository.tip().state, "s1").metadata == {"k": 1}
    with pytest.raises(SnapshotExistsError, match="'s1' exists, and snapshots never change"):
        snapshot(repository, "s1")


def test_a_missing_snapshot_is_named_with_the_newest_ones(repository):
    snapshot(repository, "old")
    snapshot(repository, "new")
    for act in (delete_snapshot, restore):
        with pytest.raises(SnapshotNotFoundError, match=r"no snapshot 'x'.*newest first: 'new', 'old'"):
            act(repository, "x")


def test_a_snapshot_says_what_it_went_on_from(repository):
    def head():
        return repository.tip().state.head

    snapshot(repository, "one")
    first = head()
    snapshot(repository, "two")
    second = head()
    restore(repository, "one")
    assert head() == first
    snapshot(repository, "three")
    state = repository.tip().state
    parents = {name: state.snapshot(state.snapshots.get(name)).parent for name in ("one", "two", "three")}
    assert parents == {"one": None, "two": first, "three": first}
    assert first != second


def test_snapshot_numbers_are_never_used_again(repository):
    snapshot(repository, "one")
    delete_snapshot(repository, "one")
    snapshot(repository, "one")
    assert repository.tip().state.snapshots.get("one").number == 2


def test_restore_brings_items_and_metadata_back_and_no_snapshot_changes(repository):
    put(repository, "a", b"1")
    put(repository, "gone", b"2")
    set_metadata(repository, k=1)
    snapshot(repository, "s1")
    put(repository, "a", b"3")
    put(repository, "new", b"4")
    set_metadata(repository, k=2)
    snapshot(repository, "s2")
    restore(repository, "s1")
    assert contents(repository) == contents(repository, "s1") == {"a": b"1", "gone": b"2"}
    assert repository.tip().state.metadata == {"k": 1}
    assert contents(repository, "s2") == {"a": b"3", "gone": b"2", "new": b"4"}


def test_versions_go_on_above_those_put_aside_by_a_restore(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    snapshot(repository, "s2")
    restore(repository, "s1")
    assert version(repository) == 1
    put(repository, "a", b"3")
    assert version(repository) == 3


def test_an_item_that_a_restore_put_aside_comes_back_under_a_new_number(repository):
    snapshot(repository, "empty")
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    restore(repository, "empty")
    assert contents(repository) == {}
    put(repository, "a", b"2")
    assert version(repository) == 2


def test_versions_stay_unique_when_old_content_came_back_under_a_new_number(repository):
    put(repository, "a", b"A")
    snapshot(repository, "s1")
    put(repository, "a", b"B")
    snapshot(repository, "s2")
    put(repository, "a", b"A")
    assert version(repository) == 3
    restore(repository, "s1")
    assert version(repository) == 1
    put(repository, "a", b"C")
    assert version(repository) == 4


def test_an_item_added_again_after_it_was_deleted_begins_anew(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    restore(repository, "s1")
    delete_snapshot(repository, "s1")
    delete(repository, "a")
    put(repository, "a", b"3")
    assert version(repository) == 1


def test_metadata_that_did_not_change_is_no_change(repository):
    set_metadata(repository, k=[1, 2])
    seq = repository.tip().seq
    set_metadata(repository, k=[1, 2])
    assert repository.tip().seq == seq


NAMES = st.sampled_from(["a", "b"])
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("snapshot"), st.just(""), st.just(0)),
    st.tuples(st.just("restore"), st.just(""), st.integers(0, 5)),
    st.tuples(st.just("drop"), st.just(""), st.integers(0, 5)),
    st.tuples(st.just("undo"), st.just(""), st.just(0)),
    st.tuples(st.just("delete"), NAMES, st.just(0)),
)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=25))
def test_one_version_number_of_an_item_means_one_content_in_all_snapshots(steps):
    repository = Repository.create(MemoryBackend())
    for kind, name, number in steps:
        snapshots = repository.tip().state.snapshots.names()
        if kind == "put":
            put(repository, name, str(number).encode())
        elif kind == "snapshot":
            snapshot(repository, f"s{repository.tip().state.generation:02}")
        elif kind == "restore" and snapshots:
            restore(repository, snapshots[number % len(snapshots)])
        elif kind == "drop" and snapshots:
            delete_snapshot(repository, snapshots[number % len(snapshots)])
        elif kind == "undo":
            with contextlib.suppress(NotKeptError):  # there may be nothing to undo
                undo(repository, None, repository.commit)
        elif kind == "delete":
            _delete_if_nothing_holds_it(repository, name)
    state = repository.tip().state
    meant = {}
    for shown in (state, *(changes.at_snapshot(state, name) for name in state.snapshots.names())):
        for name, item in shown.items.items():
            assert meant.setdefault((name, item.version), item.digest) == item.digest


def _delete_if_nothing_holds_it(repository, name):
    state = repository.tip().state
    holders = [held for held in state.snapshots.names() if name in changes.at_snapshot(state, held).items]
    assert changes.holders(state, name) == holders
    if name in state.items and not holders:
        delete(repository, name)


def test_a_large_snapshot_is_read_from_its_object_and_a_small_one_from_the_list(repository):
    set_metadata(repository, text="x" * 5000)
    snapshot(repository, "large")
    set_metadata(repository, text="x")
    snapshot(repository, "small")
    state = repository.tip().state
    assert state.snapshots.get("large").snapshot is None
    assert state.snapshots.get("small").snapshot is not None
    assert state.snapshot(state.snapshots.get("large")).metadata == {"text": "x" * 5000}


def test_a_snapshot_keeps_what_is_said_of_it(repository):
    new = changes.NewSnapshot(
        description="the baseline",
        tags=("paper", "draft"),
        timestamp="2025-01-20T15:00:00.000000Z",
        git={"commit": "abc"},
        environment=None,
        execution={"working_directory": "/work"},
    )
    repository.commit("create", lambda state: changes.create_snapshot(state, "s", new))
    state = repository.tip().state
    made = state.snapshot(state.snapshots.get("s"))
    assert (made.name, made.description, made.tags, made.timestamp) == (
        "s",
        "the baseline",
        ("paper", "draft"),
        "2025-01-20T15:00:00.000000Z",
    )
    assert (made.git, made.execution) == ({"commit": "abc"}, {"working_directory": "/work"})
    assert state.environment(made.environment) is None
