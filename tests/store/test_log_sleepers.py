"""Writers and readers that sleep while the log moves on by more than it keeps.

Each of these orders of steps was found by the model in `tests/reliability/retention.py`, in a log without the
rule that it is about.
"""

from __future__ import annotations

import pytest

from datafolio.backend import MemoryBackend
from datafolio.errors import ConflictError
from datafolio.store import changes
from datafolio.store.log import record_key
from datafolio.store.repository import Repository
from tests.store.plumbing import WatchedBackend, contents, put


class Interrupted(WatchedBackend):
    """Another backend, with something to do before single calls on single keys."""

    def __init__(self, inner):
        super().__init__(inner)
        self.meanwhile = {}

    def note(self, operation, key):
        action = self.meanwhile.pop((operation, key), None)
        if action is not None:
            action()
        super().note(operation, key)


@pytest.fixture
def inner():
    return MemoryBackend()


@pytest.fixture
def other(inner):
    """Somebody who is awake."""
    return Repository.create(inner)


def advance(repository, seq):
    """Go on to record number `seq`."""
    while repository.tip().seq < seq:
        count = {"count": repository.tip().seq}
        repository.commit("count", lambda state, count=count: changes.set_metadata(state, {**state.metadata, **count}))


def append(repository, word):
    """Make a change that shows if it is made twice."""

    def change(state):
        return changes.set_metadata(state, {**state.metadata, "words": [*state.metadata.get("words", []), word]})

    repository.commit("append", change)


def words(backend):
    return Repository.open(backend).tip().state.metadata.get("words", [])


def test_a_record_in_time_that_was_trimmed_before_its_maker_looked_is_not_made_twice(inner, other):
    """The record before it is trimmed while it looks for that, and it and the one after it while it looks for those."""
    advance(other, 4)
    sleepy = Interrupted(inner)
    sleeper = Repository.open(sleepy)
    sleepy.meanwhile = {
        ("read", record_key(4)): lambda: advance(other, 104),
        ("read", record_key(6)): lambda: advance(other, 112),
    }
    with pytest.raises(ConflictError, match="can't be told whether it took effect"):
        append(sleeper, "once")
    assert words(inner) == ["once"]


def test_a_record_in_time_whose_predecessor_was_trimmed_is_acknowledged(inner, other):
    advance(other, 4)
    sleepy = Interrupted(inner)
    sleeper = Repository.open(sleepy)
    sleepy.meanwhile = {("read", record_key(4)): lambda: advance(other, 104)}
    append(sleeper, "once")
    assert words(inner) == ["once"]


def test_a_record_under_a_number_that_was_given_up_is_taken_back_and_made_anew(inner, other):
    advance(other, 4)
    sleepy = Interrupted(inner)
    sleeper = Repository.open(sleepy)
    sleepy.meanwhile = {("publish", record_key(5)): lambda: advance(other, 112)}
    append(sleeper, "once")
    assert words(inner) == ["once"]
    assert inner.size(record_key(5)) is None


def test_a_handle_does_not_take_a_record_under_its_own_number_for_its_own(inner, other):
    """It slept, its record was trimmed, and a sleeping writer's has taken the number."""
    advance(other, 4)
    sleepy = Interrupted(inner)
    sleeper = Repository.open(sleepy)
    seen = []

    def go_on():
        advance(other, 5)
        reader = Repository.open(inner)
        seen.append(reader)
        advance(other, 112)

    def look():
        assert inner.size(record_key(5)) is not None
        seen.append(seen[0].tip().seq)

    sleepy.meanwhile = {("publish", record_key(5)): go_on, ("read", record_key(4)): look}
    append(sleeper, "once")
    assert seen[1] == 112


def test_opening_does_not_come_to_a_record_whose_number_was_given_up(inner, other):
    """What was listed as the newest is trimmed before it is read, and a sleeping writer's takes its number."""
    advance(other, 4)
    copy = MemoryBackend()
    for listed in inner.list(""):
        copy.create(listed.key, inner.read(listed.key))
    append(Repository.open(copy), "late")
    late = copy.read(record_key(5))
    advance(other, 5)
    slow = Interrupted(inner)

    def trim_and_take():
        advance(other, 112)
        inner.create(record_key(5), late)

    slow.meanwhile = {("read", record_key(5)): trim_and_take}
    assert Repository.open(slow).tip().seq == 112


def test_a_handle_sees_that_the_folio_was_replaced_by_one_with_as_many_records(on_disk, root, disk, tmp_path):
    put(on_disk, "a", b"mine")
    put(Repository.create(type(disk)(tmp_path / "another")), "a", b"theirs")
    root.rename(tmp_path / "away")
    (tmp_path / "another").rename(root)
    assert contents(on_disk) == {"a": b"theirs"}
