"""Whatever is done to three folios, and pushed from one to another: what only the target held is never lost."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from datafolio.backend import MemoryBackend
from datafolio.errors import DivergedError, SnapshotExistsError
from datafolio.store import log
from datafolio.store.gc import collect
from datafolio.store.repository import Repository
from datafolio.store.transfer import transfer
from tests.store.plumbing import (
    InSmallNodes,
    assert_sound,
    contents,
    delete,
    delete_snapshot,
    put,
    restore,
    set_metadata,
    snapshot,
)

FOLIOS = st.integers(0, 2)
ITEMS = st.sampled_from(["a", "b", "ä/..", "d", "e", "f"])
SNAPSHOTS = st.sampled_from(["s1", "s2", "s3"])
CONTENTS = st.sampled_from([b"1", b"2", b"3"])


def held_by(repository):
    """All that a folio holds, as a set."""
    state = repository.tip().state
    return (
        {("item", name, data) for name, data in contents(repository).items()}
        | {("metadata", key, value) for key, value in state.metadata.items()}
        | {("snapshot", name, ref.digest) for name, ref in state.snapshots.items()}
    )


class Folios(InSmallNodes):
    """Three folios, and for each all that it ever held."""

    def __init__(self):
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(log, "RETAINED", 4)
        self._patch.setattr(log, "_TRIM_EVERY", 1)
        self.made = 0
        self.folios = [self.new() for _ in range(3)]
        self.ever = [set() for _ in range(3)]
        self.generations = [0, 0, 0]

    def teardown(self):
        for folio in self.folios:
            assert_sound(folio.backend)
            for name in folio.tip().state.snapshots.names():
                contents(folio, name)
        self._patch.undo()
        super().teardown()

    def new(self):
        self.made += 1
        return Repository.create(MemoryBackend(f"memory:{self.made}"))

    @rule(folio=FOLIOS, name=ITEMS, data=CONTENTS)
    def put(self, folio, name, data):
        put(self.folios[folio], name, data)

    @rule(folio=FOLIOS, value=st.integers(0, 2))
    def set_metadata(self, folio, value):
        set_metadata(self.folios[folio], value=value)

    @rule(folio=FOLIOS, name=ITEMS)
    def delete(self, folio, name):
        state = self.folios[folio].tip().state
        if name in state.items and not any(name in state.snapshot_items(ref) for _, ref in state.snapshots.items()):
            delete(self.folios[folio], name)

    @rule(folio=FOLIOS, name=SNAPSHOTS)
    def snapshot(self, folio, name):
        if name not in self.folios[folio].tip().state.snapshots:
            snapshot(self.folios[folio], name)

    @rule(folio=FOLIOS, name=SNAPSHOTS)
    def restore(self, folio, name):
        if name in self.folios[folio].tip().state.snapshots:
            restore(self.folios[folio], name)

    @rule(folio=FOLIOS, name=SNAPSHOTS)
    def delete_snapshot(self, folio, name):
        if name in self.folios[folio].tip().state.snapshots:
            delete_snapshot(self.folios[folio], name)

    @rule(folio=FOLIOS)
    def collect(self, folio):
        collect(self.folios[folio])

    @rule(giver=FOLIOS, taker=FOLIOS)
    def copy_the_files(self, giver, taker):
        """As with ``cp -r``: the copy goes by the same id."""
        if giver == taker:
            return
        self.made += 1
        backend = MemoryBackend(f"memory:{self.made}")
        for listed in list(self.folios[giver].backend.list("")):
            backend.put_new(listed.key, self.folios[giver].backend.read(listed.key))
        self.folios[taker] = Repository.open(backend)
        self.ever[taker] = set(self.ever[giver])
        self.generations[taker] = 0

    @rule(giver=FOLIOS, taker=FOLIOS, is_pull=st.booleans())
    def push(self, giver, taker, is_pull):
        giving, taking = self.folios[giver], self.folios[taker]
        before, wanted = held_by(taking), held_by(giving)
        try:
            done = transfer(giving, taking, "push", own=taking if is_pull else giving, accept_ahead=is_pull)
        except DivergedError:
            assert held_by(taking) == before
            assert not before <= wanted
            return
        assert held_by(giving) == wanted
        if done.is_ahead:
            assert held_by(taking) == before
            return
        assert before <= self.ever[giver] | wanted
        assert held_by(taking) == wanted
        for name in giving.tip().state.snapshots.names():
            assert contents(taking, name) == contents(giving, name)

    @precondition(lambda self: any(folio.tip().state.snapshots.names() for folio in self.folios))
    @rule(giver=FOLIOS, taker=FOLIOS, name=SNAPSHOTS)
    def push_snapshot(self, giver, taker, name):
        giving, taking = self.folios[giver], self.folios[taker]
        if name not in giving.tip().state.snapshots:
            return
        before = held_by(taking)
        try:
            transfer(giving, taking, "push", snapshot=name)
        except SnapshotExistsError:
            assert held_by(taking) == before
            return
        added = held_by(taking) - before
        assert before <= held_by(taking)
        assert contents(taking, name) == contents(giving, name)
        assert not before or {kind for kind, _, _ in added} <= {"snapshot"}

    @invariant()
    def what_was_held_is_noted(self):
        for number, folio in enumerate(self.folios):
            self.ever[number] |= held_by(folio)

    @invariant()
    def all_that_is_held_is_there(self):
        for folio in self.folios:
            state = folio.tip().state
            for _name, ref in state.snapshots.items():  # noqa: PERF102 - a Tree, which is no dict
                for _item, entry in state.snapshot_items(ref).items():  # noqa: PERF102 - the same
                    assert folio.objects.size(entry.digest) == entry.size
                    assert entry.generation < state.generation  # or it would be overwritten under its number

    @invariant()
    def no_number_of_a_snapshot_is_used_twice(self):
        for number, folio in enumerate(self.folios):
            state = folio.tip().state
            assert state.generation >= self.generations[number]
            self.generations[number] = state.generation
            numbers = [ref.number for _, ref in state.snapshots.items()]
            assert len(numbers) == len(set(numbers))
            assert max(numbers, default=0) <= state.generation


TestFolios = Folios.TestCase
TestFolios.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
