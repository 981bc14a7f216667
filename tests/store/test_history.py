"""The log as history, and undoing: every state that the log holds can be gone back to, or is refused by name."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from datafolio.backend import MemoryBackend
from datafolio.digest import digest_of
from datafolio.errors import (
    CorruptObjectError,
    ItemInUseError,
    MissingObjectError,
    NotKeptError,
    SnapshotExistsError,
    UsageError,
)
from datafolio.store import changes, history
from datafolio.store.fsck import fsck
from datafolio.store.gc import collect
from datafolio.store.log import RETAINED
from datafolio.store.repository import Repository
from tests.store.plumbing import (
    InSmallNodes,
    WatchedBackend,
    assert_sound,
    contents,
    delete,
    delete_snapshot,
    entry,
    keys,
    put,
    put_many,
    read,
    restore,
    set_metadata,
    small_nodes,
    snapshot,
)


def undo(repository, operation=None):
    """The plan that was carried out, or None."""
    return history.undo(repository, operation, repository.commit)


def seen(repository):
    """All that a user sees: items, metadata, head, and each snapshot with its number and items."""
    state = repository.tip().state
    snapshots = {name: (ref.number, ref.digest, contents(repository, name)) for name, ref in state.snapshots.items()}
    versions = {name: entry.version for name, entry in state.items.items()}
    return contents(repository), versions, dict(state.metadata), state.head, snapshots


def newest(repository):
    return repository.tip().logged.record


# What comes back.


def test_each_undo_goes_one_operation_further_back(repository):
    states = [seen(repository)]
    for act in (
        lambda: put(repository, "a", b"1"),
        lambda: put(repository, "a", b"2"),
        lambda: set_metadata(repository, accuracy=0.9),
        lambda: snapshot(repository, "s", environment={"python": "3.11"}),
        lambda: put(repository, "b", b"3", inputs=("a",)),
        lambda: put(repository, "a", b"4"),
        lambda: restore(repository, "s"),
        lambda: delete_snapshot(repository, "s"),
        lambda: delete(repository, "a"),
    ):
        act()
        states.append(seen(repository))
    for number in range(len(states) - 2, -1, -1):
        done = undo(repository)
        assert seen(repository) == states[number]
        assert done.words.startswith(f"undo operation {number + 1} (")
        assert newest(repository).restores == done.restores == number
        assert_sound(repository.backend)
    with pytest.raises(NotKeptError, match="nothing to undo"):
        undo(repository)


def test_an_undo_by_number_takes_back_everything_since(repository):
    put(repository, "a", b"1")
    before = seen(repository)
    put(repository, "a", b"2")
    set_metadata(repository, x=1)
    put(repository, "b", b"3")
    assert undo(repository, 2).words == "undo operations 2 to 4"
    assert seen(repository) == before


def test_an_undo_is_undone_by_its_own_number(repository):
    put(repository, "a", b"1")
    put(repository, "b", b"2")
    both = seen(repository)
    undo(repository)
    undo(repository)
    assert contents(repository) == {}
    assert undo(repository, 3).words == "undo operations 3 to 4"
    assert seen(repository) == both
    # Back in place, it goes on from there, and not from where it was last.
    undo(repository)
    assert contents(repository) == {"a": b"1"}


def test_the_words_of_an_undo_do_not_grow_with_each_undo_of_it(repository):
    put(repository, "a", b"1")
    for _ in range(5):
        undo(repository, newest(repository).seq)
    assert newest(repository).operation == "undo operation 5 (undo operation 4)"


def test_work_after_an_undo_is_what_the_next_one_undoes(repository):
    for number in range(1, 4):
        put(repository, "a", str(number).encode())
    undo(repository)
    put(repository, "b", b"new")
    for expected in ({"a": b"2"}, {"a": b"1"}, {}):
        undo(repository)
        assert contents(repository) == expected


def test_what_changed_nothing_is_passed_over(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s")
    put(repository, "a", b"2")
    restore(repository, "s")
    restore(repository, "s")
    collect_something(repository)
    assert undo(repository).words == "undo operation 4 (restore 's')"
    assert contents(repository) == {"a": b"2"}


def test_a_collection_after_an_undo_does_not_turn_the_next_undo_round(repository):
    put(repository, "a", b"1")
    put(repository, "a", b"2")
    put(repository, "a", b"3")
    undo(repository)
    collect_something(repository)
    undo(repository)
    assert contents(repository) == {"a": b"1"}


def collect_something(repository):
    """A collection that keeps the log and is an operation in it."""
    repository.objects.put_all({digest_of(b"stray"): b"stray"}, set())
    before = newest(repository).seq
    assert collect(repository, keep_log=True).objects == 1
    assert newest(repository).seq == before + 1


def test_an_undo_to_what_is_there_already_writes_nothing(repository):
    put(repository, "a", b"1")
    put(repository, "b", b"1")
    undo(repository)
    records = keys(repository.backend, "log/")
    assert undo(repository, 2) is None
    assert keys(repository.backend, "log/") == records


def test_only_an_undo_has_the_field_in_its_record(repository, backend):
    put(repository, "a", b"1")
    undo(repository)
    put(repository, "b", b"1")
    assert [b'"restores"' in backend.read(f"log/{seq:012d}") for seq in range(4)] == [False, False, True, False]
    assert b',"restores":0,"check":' in backend.read("log/000000000002")


# Version numbers.


def test_a_version_number_never_means_two_contents(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    snapshot(repository, "s2")
    put(repository, "a", b"3")
    undo(repository, 3)
    assert entry(repository, "a").version == 1
    put(repository, "a", b"4")
    assert entry(repository, "a").version == 4


def test_the_numbers_of_a_snapshot_that_comes_back_are_taken_again(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s1")
    put(repository, "a", b"2")
    snapshot(repository, "s2")
    restore(repository, "s1")
    with_both = newest(repository).seq
    delete_snapshot(repository, "s1")
    delete_snapshot(repository, "s2")
    delete(repository, "a")
    assert "a" not in repository.tip().state.retired
    undo(repository, with_both + 1)
    put(repository, "a", b"3")
    assert entry(repository, "a").version == 3
    assert (read(repository, "a", "s1"), read(repository, "a", "s2")) == (b"1", b"2")


def test_the_numbers_of_a_snapshot_that_comes_back_without_its_item_are_taken_again(repository):
    snapshot(repository, "empty")
    put(repository, "a", b"1")
    snapshot(repository, "s")
    restore(repository, "empty")
    without = newest(repository).seq
    delete_snapshot(repository, "s")
    put(repository, "a", b"2")
    delete(repository, "a")
    assert "a" not in repository.tip().state.retired
    undo(repository, without + 1)
    put(repository, "a", b"3")
    assert entry(repository, "a").version == 2
    assert read(repository, "a", "s") == b"1"


def test_after_an_undone_snapshot_its_name_is_free_and_its_number_is_not(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s")
    undo(repository)
    snapshot(repository, "s")
    assert repository.tip().state.snapshots.get("s").number == 2


# What a collection freed.


def test_an_undo_works_across_a_collection_that_keeps_the_log(repository):
    put(repository, "a", b"1")
    snapshot(repository, "s")
    put(repository, "a", b"2")
    delete_snapshot(repository, "s")
    states = []
    for number in range(3):
        put(repository, "a", str(number).encode() * 10)
        states.append(seen(repository))
        collect_something(repository)
    for state in reversed(states[:-1]):
        undo(repository)
        assert seen(repository) == state
    undo(repository, 4)
    assert contents(repository, "s") == {"a": b"1"}
    assert_sound(repository.backend)


@pytest.mark.parametrize("is_fresh", [False, True])
@pytest.mark.parametrize("count", [1, 200])
def test_an_undo_past_what_was_freed_is_refused_and_changes_nothing(repository, backend, count, is_fresh):
    with small_nodes():
        put_many(repository, {f"item {number}": f"{number}".encode() for number in range(count)})
        put_many(repository, {f"item {number}": b"other" for number in range(count)})
        contents(repository)
        collect(repository)
        before = keys(backend)
        handle = Repository.open(backend) if is_fresh else repository
        with pytest.raises(NotKeptError) as refused:
            undo(handle)
        assert str(refused.value).startswith("can't undo operation 2 (add many): ")
        assert str(refused.value).endswith("is gone, freed by the collection that was operation 3")
        assert is_fresh or count > 1 or "item 'item 0' version 1 (1 byte)" in str(refused.value)
        assert keys(backend) == before
        assert_sound(backend)
        undo(handle, 1)
        assert contents(handle) == {}


@pytest.mark.parametrize("is_fresh", [False, True])
def test_a_list_that_was_freed_is_missed_though_all_its_items_and_a_copy_in_memory_are_there(
    repository, backend, is_fresh
):
    with small_nodes():
        put_many(repository, {f"item {number}": b"1" for number in range(50)})
        put_many(repository, {f"item {number}": b"2" for number in range(50)} | {"keeper": b"1"})
        contents(repository)
        list(history.operations(repository))
        collect(repository)
        with pytest.raises(
            NotKeptError, match="list of items or snapshots is gone, freed by the collection that was operation 3"
        ):
            undo(Repository.open(backend) if is_fresh else repository)
        assert_sound(backend)


def test_a_snapshot_of_which_anything_was_freed_does_not_come_back(repository, backend):
    put(repository, "a", b"1")
    snapshot(repository, "s", environment={"python": "3.11"}, description="x" * 2000)
    delete_snapshot(repository, "s")
    freed = keys(backend, "objects/")
    collect(repository)
    freed -= keys(backend, "objects/")
    assert len(freed) == 3  # the snapshot, its tree and its environment
    with pytest.raises(NotKeptError, match="snapshot 's' is gone"):
        undo(repository)


@pytest.mark.parametrize("what", ["environment", "tree", "snapshot", "payload"])
def test_each_object_of_a_snapshot_that_comes_back_is_looked_for(repository, backend, what):
    put(repository, "a", b"1")
    snapshot(repository, "s", environment={"python": "3.11"}, description="x" * 2000)
    state = repository.tip().state
    ref = state.snapshots.get("s")
    digests = {
        "environment": state.snapshot(ref).environment,
        "tree": state.snapshot(ref).tree,
        "snapshot": ref.digest,
        "payload": entry(repository, "a").digest,
    }
    put(repository, "a", b"2")
    delete_snapshot(repository, "s")
    backend.delete(state.key_of(digests[what]))
    with pytest.raises(MissingObjectError, match="can't undo operation 4"):
        undo(repository)


def test_what_was_stored_again_after_a_collection_comes_back(repository, backend):
    put(repository, "a", b"1")
    put(repository, "a", b"2")
    collect(repository)
    put(repository, "b", b"1")
    watched = WatchedBackend(backend)
    undo(Repository.open(watched), 2)
    assert contents(repository) == {"a": b"1"}
    # It is not known how long ago the other writer stored it.
    assert watched.made("confirm") == [repository.objects.key(entry(repository, "a").digest)]
    assert_sound(backend)


def test_a_collection_in_the_midst_of_an_undo_is_noticed(repository, backend):
    put(repository, "a", b"1")
    put(repository, "a", b"2")
    watched = WatchedBackend(backend)
    handle = Repository.open(watched)
    watched.before("publish", lambda _key: collect(repository))
    with pytest.raises(NotKeptError, match="the collection that was operation 3"):
        undo(handle)
    assert contents(repository) == {"a": b"2"}
    assert_sound(backend)


def test_a_damaged_node_on_the_way_is_damage_and_not_a_collection(repository, backend):
    with small_nodes():
        put_many(repository, {f"item {number}": b"1" for number in range(50)})
        node = repository.tip().state.items.root.refs[0].digest
        put_many(repository, {f"item {number}": b"2" for number in range(50)})
        backend.replace(repository.objects.key(node), b"broken")
        with pytest.raises(CorruptObjectError):
            undo(Repository.open(backend))
        assert contents(repository)["item 0"] == b"2"


def test_an_undo_costs_what_differs(repository, backend):
    put_many(repository, {f"item {number}": f"{number}".encode() for number in range(2000)})
    snapshot(repository, "s")
    put(repository, "item 7", b"x")
    watched = WatchedBackend(backend)
    handle = Repository.open(watched)
    watched.calls.clear()
    undo(handle)
    assert len([key for _, key in watched.calls if key.startswith("objects/")]) < 10


# Other writers.


def test_the_newest_operation_is_undone_whoever_made_it(repository, backend):
    other = Repository.open(backend)
    put(repository, "mine", b"1")
    put(other, "theirs", b"2")
    undo(repository)
    assert contents(other) == {"mine": b"1"}


def test_what_another_writer_commits_meanwhile_is_what_is_undone(repository, backend):
    put(repository, "a", b"1")
    put(repository, "b", b"2")
    watched = WatchedBackend(backend)
    handle = Repository.open(watched)
    watched.before("publish", lambda _key: put(repository, "late", b"3"))
    assert undo(handle).words == "undo operation 3 (add 'late')"
    assert contents(repository) == {"a": b"1", "b": b"2"}


# How far the log goes back.


def test_an_undo_goes_as_far_back_as_the_log(repository):
    for number in range(RETAINED + 20):
        put(repository, "a", str(number).encode())
    oldest = repository.log.sequence()[0]
    assert oldest > 0
    with pytest.raises(NotKeptError, match=f"operation {oldest}, so {oldest + 1} is the first to undo"):
        undo(repository, oldest)
    undo(repository, oldest + 1)
    assert read(repository, "a") == str(oldest - 1).encode()
    with pytest.raises(NotKeptError, match="nothing more to undo"):
        undo(repository)


@pytest.mark.parametrize("operation", [0, -1, True, "1", 1.0, None])
def test_what_is_no_operation_is_refused(repository, operation):
    put(repository, "a", b"1")
    if operation is None:
        with pytest.raises(NotKeptError, match=r"there is no operation 2; the newest .* is 1"):
            undo(repository, 2)
    else:
        with pytest.raises(UsageError, match="operation"):
            undo(repository, operation)
    assert contents(repository) == {"a": b"1"}


def test_a_damaged_record_ends_undo_by_steps_and_not_by_number(repository, backend):
    for number in range(4):
        put(repository, "a", str(number).encode())
    backend.replace("log/000000000002", b"broken")
    undo(repository)
    assert read(repository, "a") == b"2"
    with pytest.raises(NotKeptError, match="log/000000000002"):
        undo(repository)
    undo(repository, 2)
    assert read(repository, "a") == b"0"


# The listing.


def test_the_operations_are_listed_newest_first_with_what_was_before_and_after(repository):
    put(repository, "a", b"1")
    set_metadata(repository, x=1)
    steps = list(history.operations(repository))
    assert [(step.seq, step.logged.record.operation) for step in steps] == [
        (2, "set metadata"),
        (1, "add 'a'"),
        (0, "create the folio"),
    ]
    assert [step.before.items.names() for step in steps] == [["a"], [], []]
    assert [step.after.items.names() for step in steps] == [["a"], ["a"], []]


def test_what_came_before_the_oldest_operation_is_not_known(repository):
    for number in range(RETAINED + 20):
        set_metadata(repository, x=number)
    *others, oldest = history.operations(repository)
    assert oldest.before is None
    assert oldest.after is not None
    assert len(others) >= RETAINED - 1
    assert all(step.before for step in others)


def test_a_damaged_record_hides_itself_and_what_its_successor_changed(repository, backend):
    for number in range(4):
        put(repository, "a", str(number).encode())
    backend.replace("log/000000000002", b"broken")
    steps = {step.seq: step for step in history.operations(repository)}
    assert sorted(steps) == [0, 1, 2, 3, 4]
    assert steps[2].logged is steps[2].after is steps[3].before is None
    assert steps[4].before
    assert steps[1].before


# Anything, in any order.

NAMES = st.sampled_from([f"item {number}" for number in range(6)])
CONTENTS = st.sampled_from([f"content {number}".encode() for number in range(5)])
SNAPSHOTS = st.sampled_from(["s1", "s2"])


class Undoing(InSmallNodes):
    """Beside a folio, what was seen after each of its operations."""

    @initialize()
    def create(self):
        self.backend = MemoryBackend()
        self.repository = Repository.create(self.backend)
        self.other = Repository.open(self.backend)
        self.states = [seen(self.repository)]
        #: The oldest operation that can be gone back to whatever was collected.
        self.safe = 0
        #: The operation after which the folio was as it is: the newest, but for undos and what changed nothing.
        self.position = 0

    def note(self, position=None):
        """Remember what is seen now, if there is a new record."""
        if newest(self.repository).seq < len(self.states):
            return
        same = seen(self.repository) == self.states[-1]
        self.states.append(seen(self.repository))
        assert newest(self.repository).seq == len(self.states) - 1
        if position is not None:
            self.position = position
        elif not same:
            self.position = len(self.states) - 1

    @rule(name=NAMES, data=CONTENTS)
    def put(self, name, data):
        put(self.other, name, data)
        self.note()

    @rule(items=st.dictionaries(NAMES, CONTENTS, min_size=3))
    def put_many(self, items):
        put_many(self.repository, items)
        self.note()

    @precondition(lambda self: contents(self.repository))
    @rule(data=st.data())
    def delete(self, data):
        name = data.draw(st.sampled_from(sorted(contents(self.repository))))
        try:
            delete(self.repository, name)
        except ItemInUseError:
            assert any(name in items for _, _, items in self.states[-1][-1].values())
        self.note()

    @rule(name=SNAPSHOTS)
    def snapshot(self, name):
        try:
            snapshot(self.repository, name, environment={"python": name})
        except SnapshotExistsError:
            assert name in self.states[-1][-1]
        self.note()

    @precondition(lambda self: self.states[-1][-1])
    @rule(data=st.data(), act=st.sampled_from([delete_snapshot, restore]))
    def use_snapshot(self, data, act):
        act(self.other, data.draw(st.sampled_from(sorted(self.states[-1][-1]))))
        self.note()

    @rule(value=st.integers(0, 2))
    def set_metadata(self, value):
        set_metadata(self.repository, value=value)
        self.note()

    @rule(keep_log=st.booleans())
    def collect(self, keep_log):
        before = seen(self.repository)
        collected = collect(self.other, keep_log=keep_log)
        if collected.objects and not keep_log:
            self.safe = newest(self.repository).seq
        assert seen(self.repository) == before
        self.note()

    @rule(data=st.data())
    def undo_to(self, data):
        operation = data.draw(st.integers(1, len(self.states)))
        if operation == len(self.states):
            with pytest.raises(NotKeptError):
                undo(self.repository, operation)
            return
        self.carry_out(operation, operation - 1)

    @rule()
    def undo_newest(self):
        earlier = [number for number in range(self.position) if self.states[number] != self.states[-1]]
        if earlier:
            self.carry_out(None, earlier[-1])
        else:
            with pytest.raises(NotKeptError):
                undo(self.repository)

    def carry_out(self, operation, target):
        before = seen(self.repository)
        try:
            done = undo(self.repository, operation)
        except NotKeptError:
            assert target < self.safe
            assert seen(self.repository) == before
            return
        assert seen(self.repository) == self.states[target]
        assert (done is None) == (before == self.states[target])
        self.note(None if done is None else done.restores)

    @invariant()
    def everything_is_sound(self):
        assert fsck(self.backend).findings == ()

    @invariant()
    def a_version_number_means_one_content(self):
        items, versions, _, _, snapshots = self.states[-1]
        known = {(name, versions[name]): items[name] for name in items}
        state = self.repository.tip().state
        for name, (_, _, held) in snapshots.items():
            for item, shown in changes.at_snapshot(state, name).items.items():
                assert known.setdefault((item, shown.version), held[item]) == held[item]

    @invariant()
    def the_history_tells_of_every_operation(self):
        steps = list(history.operations(self.other))
        assert [step.seq for step in steps] == list(range(len(self.states)))[::-1]


TestUndoing = Undoing.TestCase
TestUndoing.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
