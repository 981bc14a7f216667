"""What a stranger's folio may say when it is the source of a transfer: the target stays whole, and can go on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from datafolio.backend import MemoryBackend
from datafolio.errors import CorruptObjectError, DamageError, DivergedError, FormatError
from datafolio.store.model import LARGEST
from datafolio.store.repository import Repository
from datafolio.store.transfer import transfer
from tests.store.plumbing import assert_sound, put, read, snapshot


def another(location):
    return Repository.create(MemoryBackend(location))


@pytest.fixture
def ours():
    repository = another("ours:")
    put(repository, "x", b"precious")
    snapshot(repository, "s")
    return repository


@pytest.fixture
def theirs(ours):
    """A clone of ours, with something to pull."""
    repository = another("theirs:")
    transfer(ours, repository, "clone")
    put(repository, "y", b"bait")
    return repository


def pull(ours, theirs):
    return transfer(Repository.open(theirs.backend), ours, "pull", own=ours, accept_ahead=True)


def with_snapshot(repository, name, **fields):
    def change(state):
        ref = replace(state.snapshots.get(name), **fields)
        return replace(state, snapshots=state.snapshots.edit({name: ref}))

    repository.commit("forge a snapshot", change)


def with_item(repository, name, **fields):
    def change(state):
        entry = replace(state.items.get(name), **fields)
        return replace(state, items=state.items.edit({name: entry}))

    repository.commit("forge an item", change)


def forged():
    """Another snapshot of the same name."""
    other = another("other:")
    put(other, "x", b"forged")
    snapshot(other, "s", description="forged")
    return other.tip().state.snapshots.get("s").snapshot


@pytest.mark.parametrize("is_forged", [False, True], ids=["left out", "another"])
def test_a_snapshot_that_both_have_by_its_digest_is_not_given_up_for_one_that_is_not_there(ours, theirs, is_forged):
    with_snapshot(theirs, "s", snapshot=forged() if is_forged else None)
    with pytest.raises(DamageError):
        pull(ours, theirs)
    state = ours.tip().state
    assert state.snapshot_items(state.snapshots.get("s")).get("x").size == len(b"precious")
    assert_sound(ours.backend)


def test_a_snapshot_with_the_digest_of_ours_and_other_contents_counts_as_another(ours):
    theirs = another("theirs:")
    put(theirs, "x", b"forged")
    snapshot(theirs, "s")
    put(theirs, "x", b"precious")
    snapshot(theirs, "t")
    put(theirs, "y", b"bait")
    with_snapshot(theirs, "s", digest=ours.tip().state.snapshots.get("s").digest)
    with pytest.raises(DivergedError, match="snapshot 's'"):
        pull(ours, theirs)


def test_numbers_that_leave_no_room_for_more_are_refused_before_anything_is_taken(ours, theirs):
    theirs.commit("count", lambda state: replace(state, generation=LARGEST))
    with pytest.raises(FormatError, match="counts 9007199254740992 snapshots"):
        pull(ours, theirs)
    snapshot(ours, "next")


def test_a_version_at_the_limit_does_not_make_the_folio_unreadable(ours, theirs):
    with_item(theirs, "y", version=LARGEST)
    pull(ours, theirs)
    snapshot(ours, "t")
    with pytest.raises(FormatError, match="the last version of 'y'"):
        put(ours, "y", b"ours")
    put(ours, "z", b"z")
    assert read(Repository.open(ours.backend), "z") == b"z"


@pytest.mark.parametrize("size", [5, LARGEST])
def test_an_item_that_says_that_it_has_another_size_than_its_object_is_refused(ours, theirs, size):
    with_item(theirs, "y", size=size)
    with pytest.raises(CorruptObjectError, match=f"expected {size} bytes, found 4"):
        pull(ours, theirs)
    assert "y" not in ours.tip().state.items


def test_a_size_at_the_limit_does_not_make_the_folio_unreadable(ours):
    with_item(ours, "x", size=LARGEST, generation=1)
    put(ours, "x", b"x")
    put(ours, "x", b"y")
    assert read(Repository.open(ours.backend), "x") == b"y"
