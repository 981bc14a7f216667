"""Commits as a model: `Repository.commit`, `ObjectStore.put_all` and `Repository.view`, step by step.

Writers, deleters and readers share a log and objects, and so do the collectors of `tests.reliability.collecting`.  A
step is one look at what is shared, or one change of it.  What touches nothing shared is no step of its own: hashing,
staging, the sync in `confirm`.  An object's digest is its content, since it is the checking of digests that keeps
readers from seeing anything wrong, and not this protocol; here they find an object, or do not.  The log is not
trimmed: `tests.reliability.retention` is about that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.reliability.explore import Step

__all__ = [
    "DONE",
    "FAILED",
    "REFUSED",
    "Actor",
    "Committer",
    "Deleter",
    "Items",
    "Key",
    "Local",
    "MapNode",
    "Put",
    "Reader",
    "Record",
    "Rules",
    "Setting",
    "Store",
    "Writer",
    "contents_of",
    "named",
    "needs",
    "node_of",
]


@dataclass(frozen=True)
class Rules:
    """What the protocol rests on.  Each rule can be taken out, to see what it is for."""

    #: After losing a race a writer looks up anew where its objects belong.
    look_up_again: bool = True
    #: What comes back after it was condemned is stored under a key that was never used.
    burn_keys: bool = True
    #: A collector deletes only what a record has condemned.
    condemn_in_log: bool = True
    #: After losing a race a collector marks again.
    mark_again: bool = True
    #: Who misses an object looks whether the log moved on, and begins again.
    look_again_on_missing: bool = True
    #: An object that is there already is relied on only once its bytes were read and found right.
    verify: bool = True
    #: Of the nodes of maps of condemned digests, those are deleted whose epoch has come.
    wait_for_epoch: bool = True
    #: An automatic collection keeps what the retained records need.
    mark_log: bool = True
    #: An undo looks whether everything that it goes back to is still there.
    look_what_is_kept: bool = True


class Put(NamedTuple):
    """A name that holds content: an item, or a snapshot."""

    name: str
    content: str


class Key(NamedTuple):
    """Where an object is: its digest, and the epoch that condemned that last."""

    digest: str
    burn: int = 0

    def __str__(self) -> str:
        return f"{self.digest}~{self.burn}" if self.burn else self.digest


@dataclass(frozen=True)
class Setting:
    """Who is there, and what was there before.  The numbers of collectors are of collections in a row, one each."""

    name: str
    writers: tuple[Put, ...] = ()
    deleters: tuple[str, ...] = ()
    collectors: tuple[int, ...] = ()
    #: Collectors which keep what the retained log holds.
    automatic: tuple[int, ...] = ()
    readers: int = 0
    #: Processes that go back to the state of the first record.
    undoers: int = 0
    items: tuple[Put, ...] = (Put("old", "A"),)
    #: Contents that are stored, and needed by nobody.
    litter: str = ""
    #: The same, with wrong bytes.
    damaged: str = ""
    #: Whether the names are in a node, which is an object, or in the record itself.
    nodes: bool = False
    #: The same for the map of condemned digests.
    maps: bool = False
    #: Whether there may be too little room to condemn everything at once.
    full_disk: bool = False
    rules: Rules = field(default_factory=Rules)


Items = tuple[tuple[str, "str | None"], ...]
MapNode = tuple[int, str]


class Record(NamedTuple):
    """A record of the log."""

    seq: int = 0
    epoch: int = 0
    #: The last epoch whose collection kept nothing for the log.
    horizon: int = 0
    #: What each name holds; None if it was deleted.
    items: Items = ()
    burns: tuple[tuple[str, int], ...] = ()
    map_node: MapNode | None = None

    def burn_of(self, digest: str) -> int:
        return dict(self.burns).get(digest, 0)


class Store(NamedTuple):
    """What is shared."""

    #: The newest record last; the older ones are forgotten where nobody ever looks at them.
    log: tuple[Record, ...]
    objects: frozenset[Key]
    damaged: frozenset[Key]
    #: The nodes of maps of condemned digests.
    maps: frozenset[MapNode] = frozenset()

    @property
    def newest(self) -> Record:
        return self.log[-1]

    def has(self, key: Key) -> bool:
        return key in self.objects or key in self.damaged

    def adding(self, key: Key) -> Store:
        return self._replace(objects=self.objects | {key}, damaged=self.damaged - {key})

    def without(self, key: Key) -> Store:
        return self._replace(objects=self.objects - {key}, damaged=self.damaged - {key})


class Local(NamedTuple):
    """Where a process is.  What it will not need again is left out, so that states are not told apart by it."""

    next: str
    #: The record that the process takes for the newest.
    tip: Record | None = None
    #: What is still to be stored, read or deleted; `key` is the one that is being stored.
    todo: frozenset[Any] = frozenset()
    key: Key | None = None
    #: What a writer stored or found good, in all its attempts.
    stored: frozenset[Key] = frozenset()
    #: What a collector listed, and what it found needed, in all its attempts.
    listed: frozenset[Key] = frozenset()
    walked: frozenset[str] = frozenset()
    fresh: frozenset[str] = frozenset()
    #: Whether it will then have condemned all that it found.
    is_last: bool = True
    #: The node of the map that a collector made; how many it made; how many collections are to come after this one.
    map_node: MapNode | None = None
    attempt: int = 0
    more: int = 0


DONE, REFUSED, FAILED = Local("done"), Local("refused"), Local("failed")


def node_of(items: Items) -> str:
    """The digest of the node that holds `items`."""
    return "{" + ",".join(f"{name}={content}" for name, content in items if content) + "}"


def contents_of(items: Items) -> frozenset[str]:
    return frozenset(content for _, content in items if content)


def needs(setting: Setting, items: Items) -> frozenset[str]:
    """The digests of what a record with these items needs."""
    return contents_of(items) | ({node_of(items)} if setting.nodes else set())


def named(things: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, things))) or "nothing"


class Actor:
    """What all do: look at the newest record, and begin again if the log moved on while they followed it."""

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting = setting
        self.rules = setting.rules
        self.name = name

    def start(self) -> Local:
        return Local("look")

    def steps(self, store: Store, local: Local) -> Iterable[Step]:
        if local in (DONE, REFUSED, FAILED):
            return ()
        steps: Iterable[Step] = getattr(self, f"_{local.next}")(store, local)
        return steps

    def finished(self, local: Local) -> bool:
        return local in (DONE, REFUSED)

    def wrong(self, _store: Store, local: Local) -> str | None:
        return f"{self.name} misses what the newest record needs" if local == FAILED else None

    def follow(self, store: Store, local: Local) -> Iterable[Step]:
        """What comes right after looking at the newest record."""
        raise NotImplementedError

    def key_of(self, tip: Record, digest: str) -> Key:
        return Key(digest, tip.burn_of(digest) if self.rules.burn_keys else 0)

    def node_is_missing(self, store: Store, record: Record, tip: Record) -> bool:
        """Whether the node of an item map can't be read: the record's, at the place that the tip gives it."""
        return self.setting.nodes and self.key_of(tip, node_of(record.items)) not in store.objects

    def missing(self, store: Store, local: Local, what: object) -> Step:
        return Step(f"misses {what}", store, local._replace(next="missing", todo=frozenset()))

    def _look(self, store: Store, local: Local) -> Iterable[Step]:
        local = local._replace(next="follow", tip=store.newest)
        text = f"looks, record {store.newest.seq} is the newest"
        if self.setting.maps and store.newest.map_node:
            return [Step(text, store, local._replace(next="map"))]
        if self.setting.nodes:
            return [Step(text, store, local)]
        return [Step(f"{text}: {step.text}", step.shared, step.local) for step in self.follow(store, local)]

    def _map(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        if local.tip.map_node not in store.maps:
            return [self.missing(store, local, f"the map {local.tip.map_node}")]
        return [Step("reads the map", store, local._replace(next="follow"))]

    def _follow(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        if self.node_is_missing(store, local.tip, local.tip):
            return [self.missing(store, local, self.key_of(local.tip, node_of(local.tip.items)))]
        return self.follow(store, local)

    def _missing(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        if local.tip.seq == store.newest.seq or not self.rules.look_again_on_missing:
            return [Step("gives up", store, FAILED)]
        return [Step("sees that the log moved on", store, local._replace(next="look", tip=None))]


class Committer(Actor):
    """`Repository.commit` of a change to the items."""

    def change(self, store: Store, tip: Record) -> Items | None:
        """The items after the change; None if it is refused."""
        raise NotImplementedError

    def payload(self) -> frozenset[str]:
        """What has to be stored besides nodes."""
        return frozenset()

    def follow(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        items = self.change(store, local.tip)
        if items is None:
            return [Step("has nothing to do", store, REFUSED)]
        digests = self.payload() | ({node_of(items)} if self.setting.nodes else set())
        settled = {key.digest for key in local.stored} if not self.rules.look_up_again else set()
        keys = {self.key_of(local.tip, digest) for digest in digests if digest not in settled}
        todo = frozenset(keys - local.stored)
        return [Step(f"has to store {named(todo)}", store, self._going_on(local._replace(todo=todo)))]

    def _going_on(self, local: Local) -> Local:
        return local._replace(next="size" if local.todo else "create", key=None)

    def _having(self, local: Local, key: Key) -> Local:
        return self._going_on(local._replace(stored=local.stored | {key}, todo=local.todo - {key}))

    def _size(self, store: Store, local: Local) -> Iterator[Step]:
        for key in local.todo:  # several threads store them, in any order
            if not store.has(key):
                yield Step(f"finds no {key}", store, local._replace(next="publish", key=key))
            elif self.rules.verify:
                yield Step(f"finds {key} there", store, local._replace(next="verify", key=key))
            else:
                yield Step(f"finds {key} there and relies on it", store, self._having(local, key))

    def _publish(self, store: Store, local: Local) -> Iterable[Step]:
        key = local.key
        assert key is not None
        if store.has(key):
            return [Step(f"is too late to store {key}", store, local._replace(next="verify"))]
        return [Step(f"stores {key}", store.adding(key), self._having(local, key))]

    def _verify(self, store: Store, local: Local) -> Iterable[Step]:
        key = local.key
        assert key is not None
        if key in store.objects:
            return [Step(f"reads {key} and relies on it", store, self._having(local, key))]
        return [Step(f"finds {key} gone or damaged", store, local._replace(next="overwrite"))]

    def _overwrite(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.key is not None
        return [Step(f"replaces {local.key}", store.adding(local.key), self._having(local, local.key))]

    def _create(self, store: Store, local: Local) -> Iterable[Step]:
        tip = local.tip
        assert tip is not None
        if tip.seq != store.newest.seq:
            return [Step(f"finds record {tip.seq + 1} taken", store, Local("look", stored=local.stored))]
        items = self.change(store, tip)
        assert items is not None
        return [Step(f"creates record {tip.seq + 1}", self.logging(store, tip._replace(items=items)), DONE)]

    def logging(self, store: Store, record: Record) -> Store:
        older = store.log if self.setting.automatic or self.setting.undoers else ()
        return store._replace(log=(*older, record._replace(seq=record.seq + 1)))


class Writer(Committer):
    """Puts an item."""

    def __init__(self, setting: Setting, name: str, put: Put) -> None:
        super().__init__(setting, name)
        self._put = put

    def change(self, store: Store, tip: Record) -> Items:
        return tuple(sorted((dict(tip.items) | {self._put.name: self._put.content}).items()))

    def payload(self) -> frozenset[str]:
        return frozenset({self._put.content})

    def wrong(self, store: Store, local: Local) -> str | None:
        if local == DONE and not self.setting.undoers:
            held = dict(store.newest.items).get(self._put.name, "")
            others = {put.content for put in self.setting.writers if put.name == self._put.name}
            if held not in others and not (held is None and self._put.name in self.setting.deleters):
                return f"what {self.name} was told is done is not in record {store.newest.seq}"
        return super().wrong(store, local)


class Deleter(Committer):
    """Deletes an item, or a snapshot."""

    def __init__(self, setting: Setting, name: str, item: str) -> None:
        super().__init__(setting, name)
        self._item = item

    def change(self, store: Store, tip: Record) -> Items | None:
        items = dict(tip.items)
        if not items.get(self._item):
            return None
        return tuple(sorted((items | {self._item: None}).items()))


class Reader(Actor):
    """`Repository.view` of everything."""

    def follow(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        keys = frozenset(self.key_of(local.tip, content) for content in contents_of(local.tip.items))
        return [Step(f"has to read {named(keys)}", store, local._replace(next="read", todo=keys) if keys else DONE)]

    def _read(self, store: Store, local: Local) -> Iterator[Step]:
        for key in local.todo:
            todo = local.todo - {key}
            if key in store.objects:
                yield Step(f"reads {key}", store, local._replace(todo=todo) if todo else DONE)
            else:
                yield self.missing(store, local, key)
