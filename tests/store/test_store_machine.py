"""Two handles on one folio, in any order of operations, agree with a plain dict, and nothing needed is ever gone."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from datafolio.backend import MemoryBackend
from datafolio.errors import ItemInUseError, ItemNotFoundError, SnapshotExistsError
from datafolio.store.fsck import fsck
from datafolio.store.gc import collect
from datafolio.store.log import Log
from datafolio.store.repository import Repository
from tests.store import plumbing

HANDLES = st.integers(0, 1)
NAMES = st.sampled_from([f"item {number}" for number in range(9)])
CONTENTS = st.sampled_from([f"content {number}".encode() for number in range(6)])
SNAPSHOTS = st.sampled_from(["s1", "s2", "s3"])


class Store(plumbing.InSmallNodes):
    @initialize()
    def create(self):
        self.backend = MemoryBackend()
        self.handles = [Repository.create(self.backend), Repository.open(self.backend)]
        self.items = {}
        self.snapshots = {}

    @rule(handle=HANDLES, name=NAMES, data=CONTENTS)
    def put(self, handle, name, data):
        plumbing.put(self.handles[handle], name, data)
        self.items[name] = data

    @rule(handle=HANDLES, contents=st.dictionaries(NAMES, CONTENTS, min_size=4))
    def put_many(self, handle, contents):
        plumbing.put_many(self.handles[handle], contents)
        self.items |= contents

    @rule(handle=HANDLES, name=NAMES)
    def delete(self, handle, name):
        held = any(name in items for items in self.snapshots.values())
        try:
            plumbing.delete(self.handles[handle], name)
        except ItemNotFoundError:
            assert name not in self.items
        except ItemInUseError:
            assert name in self.items
            assert held
        else:
            assert not held
            del self.items[name]

    @rule(handle=HANDLES, name=SNAPSHOTS)
    def snapshot(self, handle, name):
        try:
            plumbing.snapshot(self.handles[handle], name, environment={"python": "3.11"})
        except SnapshotExistsError:
            assert name in self.snapshots
        else:
            assert name not in self.snapshots
            self.snapshots[name] = dict(self.items)

    @precondition(lambda self: self.snapshots)
    @rule(handle=HANDLES, data=st.data())
    def delete_snapshot(self, handle, data):
        name = data.draw(st.sampled_from(sorted(self.snapshots)))
        plumbing.delete_snapshot(self.handles[handle], name)
        del self.snapshots[name]

    @precondition(lambda self: self.snapshots)
    @rule(handle=HANDLES, data=st.data())
    def restore(self, handle, data):
        name = data.draw(st.sampled_from(sorted(self.snapshots)))
        plumbing.restore(self.handles[handle], name)
        self.items = dict(self.snapshots[name])

    @rule(handle=HANDLES, keep_log=st.booleans())
    def collect(self, handle, keep_log):
        promised = collect(self.handles[1 - handle], keep_log=keep_log, dry_run=True)
        held = self.past(handle) if keep_log else None
        done = collect(self.handles[handle], keep_log=keep_log)
        assert done == promised
        assert collect(self.handles[1 - handle], keep_log=keep_log).objects == 0
        if keep_log:
            assert self.past(handle)[-len(held) :] == held

    @rule(handle=HANDLES, name=NAMES, data=CONTENTS, keep_log=st.booleans())
    def put_while_the_other_collects(self, handle, name, data, keep_log):
        """Between a writer's payload and its record comes a whole collection."""
        watched = plumbing.WatchedBackend(self.backend)

        def interrupt(key):
            if key.startswith("log/"):
                collect(self.handles[handle], keep_log=keep_log)
            else:
                watched.before("publish", interrupt)

        watched.before("publish", interrupt)
        plumbing.put(Repository.open(watched), name, data)
        self.items[name] = data

    @rule(handle=HANDLES, name=NAMES, data=CONTENTS, keep_log=st.booleans())
    def collect_and_sleep_before_the_sweep(self, handle, name, data, keep_log):
        """Between a collector's record and its first deletion come a writer and another collection."""
        watched = plumbing.WatchedBackend(self.backend)
        woken = []

        def interrupt(_key):
            woken.append(name)
            plumbing.put(self.handles[handle], name, data)
            collect(self.handles[1 - handle])

        watched.before("delete", interrupt)
        collect(Repository.open(watched), keep_log=keep_log)
        if woken:
            self.items[name] = data

    def past(self, handle):
        """What the retained records hold, back to the last collection that took from them."""
        repository = self.handles[handle]
        horizon = repository.tip().state.garbage.horizon
        states = [
            repository.state_of(logged) for logged in Log(self.backend).retained() if logged.record.epoch >= horizon
        ]
        return [
            [(name, repository.objects.read(entry.digest)) for name, entry in state.items.items()] for state in states
        ]

    @invariant()
    def both_handles_show_what_the_dict_has(self):
        for repository in (*self.handles, Repository.open(self.backend)):
            assert plumbing.contents(repository) == self.items
            assert repository.tip().state.snapshots.names() == sorted(self.snapshots)
            for name, items in self.snapshots.items():
                assert plumbing.contents(repository, name) == items

    @invariant()
    def every_needed_object_is_there_and_sound(self):
        report = fsck(self.backend)
        assert report.findings == ()


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
