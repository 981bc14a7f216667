"""What the tests of the store share: writing and reading without item types, and a backend that watches."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis.stateful import RuleBasedStateMachine

from datafolio.backend import Backend, Stage
from datafolio.digest import digest_of
from datafolio.store import changes, edit, gc
from datafolio.store.fsck import fsck
from datafolio.store.objects import object_key

MOMENT = "2025-01-20T15:00:00.000000Z"


def new_item(data, *, description=None, inputs=(), type_="json", created_at=MOMENT):
    return changes.NewItem(
        type=type_,
        type_version=1,
        digest=digest_of(data),
        size=len(data),
        suffix=".json",
        created_at=created_at,
        description=description,
        inputs=inputs,
        facts={"length": len(data)},
    )


def new_snapshot(*, description=None, environment=None):
    return changes.NewSnapshot(
        description=description, tags=(), timestamp=MOMENT, git=None, environment=environment, execution=None
    )


def payload_key(data):
    return object_key(digest_of(data), 0)


def overwrite(disk, key, data):
    """Damage a stored file."""
    path = disk.path(key)
    path.chmod(0o644)
    path.write_bytes(data)


def put(repository, name, data, *, overwrite=True, **more):
    """Store `data` as the item `name`, as the porcelain does."""
    new = new_item(data, **more)
    with repository.incoming() as payload:
        payload.write(data)
        digest, source = payload.finish()
        return repository.commit(
            f"add {name!r}",
            lambda state: changes.put_item(state, name, new, overwrite=overwrite),
            {digest: source},
        )


def put_many(repository, contents):
    """Store many small items in one commit."""

    def change(state):
        for name, data in contents.items():
            state = changes.put_item(state, name, new_item(data), overwrite=True)
        return state

    return repository.commit("add many", change, {digest_of(data): data for data in contents.values()})


def delete(repository, name):
    return repository.commit(f"delete {name!r}", lambda state: changes.delete_item(state, name))


def snapshot(repository, name, **more):
    new = new_snapshot(**more)
    return repository.commit(f"create snapshot {name!r}", lambda state: changes.create_snapshot(state, name, new))


def delete_snapshot(repository, name):
    return repository.commit(f"delete snapshot {name!r}", lambda state: changes.delete_snapshot(state, name))


def restore(repository, name):
    return repository.commit(f"restore {name!r}", lambda state: changes.restore(state, name))


def set_metadata(repository, **metadata):
    return repository.commit("set metadata", lambda state: changes.set_metadata(state, metadata))


def read(repository, name, snapshot=None):
    """The bytes of an item, current or of a snapshot."""

    def look(state):
        shown = state if snapshot is None else changes.at_snapshot(state, snapshot)
        return repository.objects.read(shown.items.get(name).digest)

    return repository.view(look)


def contents(repository, snapshot=None):
    """Every item with its bytes."""

    def look(state):
        shown = state if snapshot is None else changes.at_snapshot(state, snapshot)
        return {name: repository.objects.read(entry.digest) for name, entry in shown.items.items()}

    return repository.view(look)


def entry(repository, name):
    return repository.tip().state.items.get(name)


def keys(backend, prefix=""):
    return {listed.key for listed in backend.list(prefix)}


def assert_sound(backend):
    assert fsck(backend).findings == ()


@contextmanager
def small_nodes(leaf_limit=4, fanout=6):
    """Trees that are deep with few names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit, "LEAF_LIMIT", leaf_limit)
        patch.setattr(edit, "FANOUT", fanout)
        yield


class InSmallNodes(RuleBasedStateMachine):
    """A state machine whose trees are deep with few names."""

    def __init__(self):
        super().__init__()
        self._stack = ExitStack()
        self._stack.enter_context(small_nodes(leaf_limit=3, fanout=4))

    def teardown(self):
        self._stack.close()


@contextmanager
def eager_collections(due_bytes):
    """Automatic collections come after so few bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "DUE_BYTES", due_bytes)
        yield


class WatchedBackend(Backend):
    """Another backend, with a note of every call, and something to do before the next of one kind."""

    def __init__(self, inner):
        self.inner = inner
        self.location = inner.location
        self.calls = []
        self._before = {}

    def before(self, operation, action):
        """Call `action(key)` before the next `operation`, once."""
        self._before[operation] = action

    def made(self, operation):
        """The keys that `operation` was called with."""
        return [key for name, key in self.calls if name == operation]

    def counts(self):
        return Counter(name for name, _ in self.calls)

    def note(self, operation, key):
        self.calls.append((operation, key))
        action = self._before.pop(operation, None)
        if action is not None:
            action(key)

    def read(self, key):
        self.note("read", key)
        return self.inner.read(key)

    def open(self, key):
        self.note("open", key)
        return self.inner.open(key)

    def size(self, key):
        self.note("size", key)
        return self.inner.size(key)

    def exists(self, key):
        self.note("exists", key)
        return self.inner.exists(key)

    def stamp(self, key):
        self.note("stamp", key)
        return self.inner.stamp(key)

    def list(self, prefix):
        self.note("list", prefix)
        return self.inner.list(prefix)

    def stage(self):
        return WatchedStage(self, self.inner.stage())

    def replace(self, key, data):
        self.note("replace", key)
        self.inner.replace(key, data)

    def alias(self, key, other, data=None):
        self.note("alias", other)
        self.inner.alias(key, other, data)

    def move(self, key, other):
        self.note("move", key)
        self.inner.move(key, other)

    def confirm(self, key):
        self.note("confirm", key)
        self.inner.confirm(key)

    def delete(self, key):
        self.note("delete", key)
        self.inner.delete(key)

    def sweep_stages(self):
        self.note("sweep_stages", "")
        return self.inner.sweep_stages()


class WatchedStage(Stage):
    def __init__(self, backend, inner):
        self.backend = backend
        self.inner = inner

    @property
    def size(self):
        return self.inner.size

    def write(self, data):
        return self.inner.write(data)

    def seal(self):
        self.inner.seal()

    def publish(self, key, *, replace=False):
        self.backend.note("publish", key)
        self.inner.publish(key, replace=replace)

    def discard(self):
        self.inner.discard()
