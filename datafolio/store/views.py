"""`items.json` and `snapshots.json`: the folio for people and for git, in the documented schema.

They are derived from the log and never read as truth; missing or stale, they do no harm.
"""

from __future__ import annotations

import contextlib
import os
import random
import stat
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of
from datafolio.errors import DamageError, FormatError, KeyMissingError, StorageError
from datafolio.store.model import Entry, Snapshot, SnapshotRef, decode
from datafolio.store.names import filename
from datafolio.store.objects import object_key
from datafolio.store.repository import Repository
from datafolio.store.state import State
from datafolio.store.succession import Succession
from datafolio.store.tree import Tree

__all__ = ["ITEMS_FILE", "SNAPSHOTS_FILE", "check_views", "make_views", "snapshots_in_order", "write_views"]

ITEMS_FILE = Key("items.json")
SNAPSHOTS_FILE = Key("snapshots.json")

# Writing views is to take at most this share of the time.
_SHARE = 0.05
_LEAST_SECONDS = 0.001
# Of smaller ones, in bytes, the size says little of the time.
_SMALL_VIEWS = 10_000
# At the end of a program, views that take no longer than this are written in any case.
_ALWAYS_SECONDS = 0.05
# Far away each part of the maps is a request.  With more names than this they are written less often.
_MANY_NAMES = 2000
# A time counts as at most so many times the usual one: it may be a stall's, or a program's that was stopped.
_MOST_SLOWER = 10


class _Pace:
    """What writing views takes here, as this process has seen it; a first guess where it has not."""

    seconds_a_byte = 1 / 8e6


def write_views(repository: Repository, *, last_chance: bool = False) -> None:
    """Bring the views up to date, unless they were written so lately that it would cost too much time.

    A large folio's views take long to write and are so written less often.
    """
    if repository.backend.is_distant:
        if last_chance and random.random() * _names(repository) < _MANY_NAMES:  # noqa: S311 - no secret
            make_views(repository)
        return
    cost = max(_LEAST_SECONDS, _Pace.seconds_a_byte * _view_size(repository.backend))
    age = _view_age(repository.backend)
    if age is not None and 0 <= age < cost / _SHARE and not (last_chance and cost < _ALWAYS_SECONDS):
        return
    start = time.perf_counter()
    make_views(repository)
    taken = (time.perf_counter() - start) / max(_SMALL_VIEWS, _view_size(repository.backend))
    # One time may be out of the ordinary.
    usual = _Pace.seconds_a_byte
    _Pace.seconds_a_byte = (usual + min(taken, _MOST_SLOWER * usual)) / 2


def _names(repository: Repository) -> int:
    state = repository.tip().state
    return len(state.items) + len(state.snapshots)


def make_views(repository: Repository) -> None:
    """Write the views anew."""
    record = repository.tip().seq  # first: a view may show more than it says, not less
    snapshots, items = repository.view(_documents)
    repository.backend.replace(SNAPSHOTS_FILE, _text({**snapshots, "record": record}))
    repository.backend.replace(ITEMS_FILE, _text({**items, "record": record}))


def check_views(backend: Backend, newest: int) -> Iterator[tuple[Key, str]]:
    """The views that are not as they were written, and why; one that is missing or behind the log is in order."""
    for key in (ITEMS_FILE, SNAPSHOTS_FILE):
        try:
            record = _record_of(key, backend.read(key))
        except KeyMissingError:
            continue
        except (DamageError, StorageError) as error:
            yield key, str(error)
        else:
            if record > newest:
                yield key, f"it was made from record {record}, and the newest record is {newest}"


class _View(msgspec.Struct):
    """What a view says of itself; the first version of datafolio did not."""

    #: The number of the record that it was made from.
    record: int = 0
    #: The digest of all that stands before.
    check: str | None = None


def _record_of(key: Key, data: bytes) -> int:
    """The number of the record that a view was made from.  Raises FormatError for one that is damaged."""
    view = decode(data, _View, key)
    body = data.rpartition(b',\n  "check"')[0]
    if view.check is not None and data != _sealed(body):
        raise FormatError(f"{key}: its bytes do not hash to what its last line says")
    return view.record


def _sealed(body: bytes) -> bytes:
    return body + b',\n  "check": "%b"\n}\n' % digest_of(body).encode()


def _view_size(backend: Backend) -> int:
    size = 0
    for key in (ITEMS_FILE, SNAPSHOTS_FILE):
        with contextlib.suppress(StorageError):  # a link or the like in its place, which a new one replaces
            size += backend.size(key) or 0
    return size


def _view_age(backend: Backend) -> float | None:
    """Seconds since the views were written, or None where there are none or nobody can say."""
    path = backend.path(ITEMS_FILE)
    try:
        found = None if path is None else os.lstat(path)
    except OSError:
        return None
    return time.time() - found.st_mtime if found is not None and stat.S_ISREG(found.st_mode) else None


def _text(document: dict[str, Any]) -> bytes:
    return _sealed(msgspec.json.format(msgspec.json.encode(document), indent=2).removesuffix(b"\n}"))


def snapshots_in_order(state: State) -> list[tuple[str, Snapshot, Tree[Entry]]]:
    """Every snapshot with its items, the oldest first."""
    return [(name, state.snapshot(ref), state.snapshot_items(ref)) for name, ref in _in_order(state)]


def _in_order(state: State) -> list[tuple[str, SnapshotRef]]:
    return sorted(state.snapshots.items(), key=lambda item: item[1].number)


class _Items:
    """The entries of `items.json`, each version of an item once."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._versions: dict[tuple[str, int, Digest], dict[str, Any]] = {}

    def version(self, name: str, entry: Entry) -> dict[str, Any]:
        """The place of this version of the item."""
        key = (name, entry.version, entry.digest)
        if key not in self._versions:
            self._versions[key] = {
                "name": name,
                "filename": filename(name, entry),
                "version": entry.version,
                "in_snapshots": [],
                "current": False,
                "type": entry.type,
                "size": entry.size,
                "created_at": entry.created_at,
                "description": entry.description,
                "inputs": entry.inputs,
                "digest": entry.digest,
                "object": object_key(entry.digest, self._state.burn_of(entry.digest)),
            }
        return self._versions[key]

    def document(self) -> dict[str, Any]:
        return {"items": [self._versions[key] for key in sorted(self._versions)]}


def _documents(state: State) -> tuple[dict[str, Any], dict[str, Any]]:
    """The contents of `snapshots.json` and of `items.json`."""
    snapshots: dict[str, Any] = {}
    items = _Items(state)
    places = Succession(state, Entry, items.version)
    environments: dict[Digest | None, dict[str, Any] | None] = {}
    for name, entry in state.items.items():
        items.version(name, entry)["current"] = True
    in_order = _in_order(state)
    state.read_ahead(ref.snapshot.tree for _, ref in in_order if ref.snapshot is not None)
    for snapshot_name, ref in in_order:
        snapshot = state.snapshot(ref)
        if snapshot.environment not in environments:
            environments[snapshot.environment] = _environment(state, snapshot.environment)
        held = places.of(snapshot.tree)
        for place in held.values():
            place["in_snapshots"].append(snapshot_name)
        snapshots[snapshot_name] = {
            "timestamp": snapshot.timestamp,
            "description": snapshot.description,
            "tags": snapshot.tags,
            "item_versions": {name: place["version"] for name, place in held.items()},
            "metadata_snapshot": snapshot.metadata,
            "git": snapshot.git,
            "environment": environments[snapshot.environment],
            "execution": snapshot.execution,
        }
    return {"snapshots": snapshots}, items.document()


def _environment(state: State, digest: Digest | None) -> dict[str, Any] | None:
    """The environment without its list of packages, which is long and stays in an object of its own."""
    environment = state.environment(digest)
    if environment is None:
        return None
    return {**{key: value for key, value in environment.items() if key != "packages"}, "object": digest}
