"""Collections as a model: `collect`, explicit and automatic, beside the commits of `tests.reliability.commits`.

What must hold in every state, whoever sleeps, for however long:

* Everything that the newest record needs is stored, under the key that its own map of condemned digests gives it; and
  everything that an older record needs which no explicit collection has given up.
* What was acknowledged is in the newest record, unless it was deleted later.
* Nobody misses an object while the record that needs it is the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.reliability.commits import (
    DONE,
    FAILED,
    REFUSED,
    Actor,
    Committer,
    Deleter,
    Items,
    Key,
    Local,
    MapNode,
    Reader,
    Record,
    Setting,
    Store,
    Writer,
    named,
    needs,
)
from tests.reliability.explore import Model, Process, Step

__all__ = ["Collector", "model_of"]


class Collector(Committer):
    """`collect`."""

    def __init__(self, setting: Setting, name: str, collections: int, *, keep_log: bool) -> None:
        super().__init__(setting, name)
        self._more = collections - 1
        self._keep_log = keep_log
        puts = (*setting.items, *setting.writers)
        self._folders = sorted({*(put.content for put in puts), *setting.litter, *setting.damaged})

    def start(self) -> Local:
        return Local("list", more=self._more)

    def _list(self, store: Store, local: Local) -> Iterable[Step]:
        """Folder by folder: an object that comes or goes meanwhile may be listed or not."""
        folder = self._folders[local.attempt] if local.attempt < len(self._folders) else None
        there = {key for key in store.objects | store.damaged if self._is_in(folder, key)}
        last = local.attempt + 1 == len(self._folders) + self.setting.nodes
        after = local._replace(listed=local.listed | there, attempt=0 if last else local.attempt + 1)
        return [Step(f"lists {named(there)}", store, after._replace(next="look") if last else after)]

    def _is_in(self, folder: str | None, key: Key) -> bool:
        return key.digest == folder if folder else key.digest not in self._folders

    def follow(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        local = self._walking(local, local.tip)
        if self._keep_log:
            return [Step("walks it", store, local._replace(next="log"))]
        return self._marked(store, local)

    def _walking(self, local: Local, record: Record) -> Local:
        needed = needs(self.setting, record.items)
        # The walk is only ever asked for what was listed.
        return local._replace(walked=local.walked | needed & {key.digest for key in local.listed})

    def _log(self, store: Store, local: Local) -> Iterable[Step]:
        """Walk the retained records, in one step: records are never changed, and what those need is kept."""
        tip = local.tip
        assert tip is not None
        for record in store.log if self.rules.mark_log else ():
            if record.epoch >= tip.horizon:
                if self.node_is_missing(store, record, tip):
                    return [self.missing(store, local, f"the node of record {record.seq}")]
                local = self._walking(local, record)
        return [Step(f"walks the log: {step.text}", *step[1:]) for step in self._marked(store, local)]

    def _marked(self, store: Store, local: Local) -> Iterable[Step]:
        tip = local.tip
        assert tip is not None
        dead = frozenset(
            key for key in local.listed if key.digest not in local.walked or key.burn < tip.burn_of(key.digest)
        )
        fresh = frozenset(key.digest for key in dead if key.burn >= tip.burn_of(key.digest))
        if not fresh or not self.rules.condemn_in_log:
            return [Step(f"finds {named(dead)} dead already", store, self._sweeping(local, dead, last=True))]
        return [self._condemning(store, local, dead, fresh, part) for part in self._parts(fresh)]

    def _parts(self, fresh: frozenset[str]) -> Iterator[frozenset[str]]:
        """What to condemn at once: all; or one at a time, on a disk that is too full for more."""
        yield fresh
        if self.setting.full_disk:
            yield from (frozenset({digest}) for digest in fresh if len(fresh) > 1)

    def _condemning(
        self, store: Store, local: Local, dead: frozenset[Key], fresh: frozenset[str], part: frozenset[str]
    ) -> Step:
        dead = frozenset(key for key in dead if key.digest in part or key.digest not in fresh)
        after = local._replace(next="putmap" if self.setting.maps else "create", todo=dead, fresh=part)
        return Step(f"finds {named(dead)} dead", store, after._replace(is_last=part == fresh))

    def _putmap(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        node = (local.tip.epoch + 1, f"{self.name}.{local.more}.{local.attempt}")
        after = local._replace(next="create", map_node=node, attempt=local.attempt + 1)
        return [Step(f"stores the map {node}", store._replace(maps=store.maps | {node}), after)]

    def _create(self, store: Store, local: Local) -> Iterable[Step]:
        tip = local.tip
        assert tip is not None
        if tip.seq != store.newest.seq:
            text = f"finds record {tip.seq + 1} taken"
            if not self.rules.mark_again:
                return [Step(f"{text} and tries the next", store, local._replace(tip=store.newest))]
            again = local._replace(
                next="look", tip=None, todo=frozenset(), fresh=frozenset(), map_node=None, is_last=True
            )
            return [Step(text, store, again)]
        epoch = tip.epoch + 1
        record = tip._replace(
            epoch=epoch,
            horizon=tip.horizon if self._keep_log else epoch,
            burns=tuple(sorted((dict(tip.burns) | dict.fromkeys(local.fresh, epoch)).items())),
            map_node=local.map_node,
        )
        text = f"creates record {tip.seq + 1}, which condemns {named(local.fresh)}"
        return [Step(text, self.logging(store, record), self._sweeping(local, local.todo, last=local.is_last))]

    def _sweeping(self, local: Local, dead: frozenset[Any], *, last: bool) -> Local:
        sweep = Local("sweep", todo=dead, more=local.more)
        if not last:  # goes on with the same listing and the same walk
            sweep = sweep._replace(listed=local.listed - dead, walked=local.walked, attempt=local.attempt)
        return sweep if dead else self._swept(sweep)

    def _swept(self, local: Local) -> Local:
        return local._replace(next="lookmap", todo=frozenset()) if self.setting.maps else self._ending(local)

    def _ending(self, local: Local) -> Local:
        if local.listed:
            return local._replace(next="look", tip=None, todo=frozenset())
        return Local("list", more=local.more - 1) if local.more else DONE

    def _sweep(self, store: Store, local: Local) -> Iterator[Step]:
        for key in local.todo:  # in whatever order they were listed
            after = local._replace(todo=local.todo - {key})
            yield Step(f"deletes {key}", store.without(key), after if after.todo else self._swept(after))

    def _lookmap(self, store: Store, local: Local) -> Iterable[Step]:
        tip = store.newest
        return [Step(f"looks, record {tip.seq} is the newest", store, local._replace(next="listmaps", tip=tip))]

    def _listmaps(self, store: Store, local: Local) -> Iterable[Step]:
        tip = local.tip
        assert tip is not None
        if tip.map_node is not None and tip.map_node not in store.maps:
            if tip.seq == store.newest.seq:
                return [Step("misses the map of the newest record", store, FAILED)]
            return [Step("misses the map", store, local._replace(next="lookmap", tip=None))]
        settled = {node for node in store.maps if node[0] <= tip.epoch or not self.rules.wait_for_epoch}
        after = self._sweeping_maps(local, frozenset(settled - {tip.map_node}))
        return [Step(f"lists maps, {named(after.todo)} is settled", store, after)]

    def _sweeping_maps(self, local: Local, nodes: frozenset[MapNode]) -> Local:
        return local._replace(next="sweepmaps", tip=None, todo=nodes) if nodes else self._ending(local)

    def _sweepmaps(self, store: Store, local: Local) -> Iterator[Step]:
        for node in local.todo:
            after = self._sweeping_maps(local, local.todo - {node})
            yield Step(f"deletes the map {node}", store._replace(maps=store.maps - {node}), after)


class Undoer(Committer):
    """Makes the state of the first record the newest again, relying on what the log still holds."""

    def change(self, store: Store, tip: Record) -> Items | None:
        return store.log[0].items if store.log[0].items != tip.items else None

    def follow(self, store: Store, local: Local) -> Iterable[Step]:
        assert local.tip is not None
        items = self.change(store, local.tip)
        if items is None:
            return [Step("has nothing to do", store, REFUSED)]
        keys = frozenset(self.key_of(local.tip, digest) for digest in needs(self.setting, items))
        if not self.rules.look_what_is_kept:
            return [Step("goes back", store, local._replace(next="create"))]
        return [Step(f"has to find {named(keys)}", store, local._replace(next="kept", todo=keys))]

    def _kept(self, store: Store, local: Local) -> Iterator[Step]:
        for key in local.todo:
            todo = local.todo - {key}
            if store.has(key):
                yield Step(f"finds {key}", store, local._replace(next="kept" if todo else "create", todo=todo))
            else:
                yield Step(f"finds no {key}: not kept", store, REFUSED)


def _actors(setting: Setting) -> Iterator[Actor]:
    for number, put in enumerate(setting.writers, 1):
        yield Writer(setting, f"writer {number} ({put.name}={put.content})", put)
    for item in setting.deleters:
        yield Deleter(setting, f"deleter of {item}", item)
    for number, collections in enumerate(setting.collectors, 1):
        yield Collector(setting, f"collector {number}", collections, keep_log=False)
    for number, collections in enumerate(setting.automatic, 1):
        yield Collector(setting, f"automatic collector {number}", collections, keep_log=True)
    for number in range(1, setting.readers + 1):
        yield Reader(setting, f"reader {number}")
    for number in range(1, setting.undoers + 1):
        yield Undoer(setting, f"undoer {number}")


def _twins(setting: Setting) -> Iterator[tuple[int, int]]:
    """Two explicit collectors of as many collections each; but nodes of maps bear their maker's name."""
    first = len(setting.writers) + len(setting.deleters)
    if len(setting.collectors) == 2 and len(set(setting.collectors)) == 1 and not setting.maps:
        yield first, first + 1


def model_of(setting: Setting, *, symmetric: bool = True) -> Model:
    """The model of a setting; `symmetric` if it is enough to look at one of two states that differ by twins."""
    actors = tuple(_actors(setting))
    items: Items = tuple(sorted(setting.items))
    store = Store(
        log=(Record(items=items),),
        objects=frozenset(map(Key, needs(setting, items) | set(setting.litter))),
        damaged=frozenset(map(Key, setting.damaged)),
    )
    return Model(
        shared=store,
        processes=tuple(Process(a.name, a.start(), a.steps, a.finished, a.wrong) for a in actors),
        wrong=lambda store: _wrong(setting, store),
        twins=tuple(_twins(setting)) if symmetric else (),
    )


def _wrong(setting: Setting, store: Store) -> str | None:
    """What a record needs that is not where the newest one says: of it, and of those that nobody has given up."""
    newest = store.newest
    if newest.map_node is not None and newest.map_node not in store.maps:
        return f"record {newest.seq} needs the map {newest.map_node}, which is not there"
    for record in store.log:
        if record is not newest and record.epoch < newest.horizon:
            continue
        for digest in sorted(needs(setting, record.items)):
            key = Key(digest, newest.burn_of(digest) if setting.rules.burn_keys else 0)
            if key not in store.objects:
                return f"record {record.seq} needs {key}, which is not there"
    return None
