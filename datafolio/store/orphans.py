"""The names of dead objects: which version of which item each one was, and who held it last."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import NamedTuple, TypedDict

from datafolio.digest import Digest
from datafolio.errors import DamageError, StorageError
from datafolio.store.model import Entry, Node, decode
from datafolio.store.repository import Repository
from datafolio.store.state import State
from datafolio.store.tree import Tree
from datafolio.text import format_size, printable

__all__ = ["Orphan", "OrphanFields", "name_orphans"]


class OrphanFields(TypedDict):
    """The fields of an orphan."""

    item: str
    version: int
    #: The size of its payload.
    bytes: int
    digest: Digest
    last_held_by: str


class Orphan(dict[str, object]):
    """A version of an item that nothing needs: a dict with the keys of `OrphanFields`, which prints as a sentence."""

    def __repr__(self) -> str:
        return f"{printable(str(self['item']))} version {self['version']} ({format_size(int(str(self['bytes'])))})"


class _Holder(NamedTuple):
    """A map of items that is no longer current, and what it was, in words."""

    items: Tree[Entry]
    words: str


def name_orphans(repository: Repository, state: State, dead: Collection[Digest]) -> tuple[Orphan, ...]:
    """The item versions among the dead objects, by item and version.

    Retained records and deleted snapshots hold the names; where those are gone, dead nodes do.  A
    holder that can't be read is passed over: a missing name keeps nothing from being collected.
    """
    found: dict[tuple[str, int, Digest], Orphan] = {}
    for holder in (*_past_holders(repository, state), *_dead_holders(repository, state, dead)):
        with contextlib.suppress(DamageError, StorageError):
            for change in state.items.diff(holder.items):
                entry = change.after
                if entry is not None and entry.digest in dead:
                    key = (change.name, entry.version, entry.digest)
                    found.setdefault(key, _orphan(change.name, entry, holder.words))
    return tuple(found[key] for key in sorted(found))


def _orphan(name: str, entry: Entry, words: str) -> Orphan:
    fields: OrphanFields = {
        "item": name,
        "version": entry.version,
        "bytes": entry.size,
        "digest": entry.digest,
        "last_held_by": words,
    }
    return Orphan(fields)


def _past_holders(repository: Repository, state: State) -> Iterator[_Holder]:
    """Snapshots that are deleted and items that were current, as far as the log tells, newest first."""
    for seq in reversed(repository.log.sequence()):
        logged = repository.log.readable(seq)
        if logged is None:
            continue
        past = repository.state_of(logged)
        with contextlib.suppress(DamageError, StorageError):
            for change in state.snapshots.diff(past.snapshots):
                if change.after is not None:
                    yield _Holder(past.snapshot_items(change.after), f"snapshot {change.name!r}")
        yield _Holder(past.items, f"operation {logged.record.seq} ({logged.record.operation})")


def _dead_holders(repository: Repository, state: State, dead: Collection[Digest]) -> Iterator[_Holder]:
    """Dead leaves of maps of items, whoever held them."""
    for digest in sorted(dead):
        with contextlib.suppress(DamageError, StorageError):
            if not _is_node(repository, digest):
                continue
            node = decode(repository.objects.read(digest), Node, f"the node {digest}")
            if node.level == 0:
                yield _Holder(Tree(Entry, state.loaders.node, node), "a version no longer in the log")


def _is_node(repository: Repository, digest: Digest) -> bool:
    with repository.objects.open(digest) as file:
        try:
            return file.read(len(_NODE)) == _NODE
        except OSError as error:
            raise StorageError.during(f"reading the object {digest}", error) from error


_NODE = b'{"kind":"node"'
