"""Copies of a folio elsewhere: making them, and bringing one side up to date with the other."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from datafolio.backend import LocalBackend
from datafolio.backend.places import is_url
from datafolio.errors import FolioNotFoundError, UsageError
from datafolio.porcelain.binding import Binding
from datafolio.porcelain.place import Place, bind_place
from datafolio.store.changes import require_snapshot
from datafolio.store.names import check_snapshot_name
from datafolio.store.repository import Repository
from datafolio.store.transfer import Progress, transfer

__all__ = ["StorageOptions", "Where", "clone", "copy_to", "pull", "push"]

Where = str | os.PathLike[str]
StorageOptions = Mapping[str, Any]

# `abfs://container@account` has no password, and names a place.
_PASSWORD = re.compile(r"(?<=://)[^/@]*:[^/@]*@")


def copy_to(
    binding: Binding,
    target: Where,
    snapshot: str | None = None,
    storage_options: StorageOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make the folio at `target`, or bring it up to date: see `DataFolio.copy_to`."""
    binding.refuse_in_batch("copy_to")
    wanted = _wanted(binding, snapshot)
    place = _other(binding.repository, target, storage_options)
    return _send(binding, place, place.open_or_create(), "clone of", wanted, progress)


def push(
    binding: Binding,
    target: Where,
    snapshot: str | None = None,
    storage_options: StorageOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Bring the folio at `target` up to date with this one: see `DataFolio.push`."""
    binding.refuse_in_batch("push")
    wanted = _wanted(binding, snapshot)
    place = _other(binding.repository, target, storage_options)
    try:
        repository = place.open(read_only=False)
    except FolioNotFoundError as error:
        raise FolioNotFoundError(f"{error}, and `datafolio clone` (copy_to) makes one that is a copy") from error
    return _send(binding, place, repository, "push from", wanted, progress)


def pull(
    binding: Binding,
    source: Where,
    snapshot: str | None = None,
    storage_options: StorageOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Bring this folio up to date with the one at `source`: see `DataFolio.pull`."""
    binding.require_writable()
    binding.refuse_in_batch("pull")
    wanted = None if snapshot is None else check_snapshot_name(snapshot)
    repository = _other(binding.repository, source, storage_options).open(read_only=True)
    return _Transfer(repository, binding, "pull from", wanted, progress).run(binding.repository, accept_ahead=True)


def clone(
    source: Where,
    target: Where,
    snapshot: str | None = None,
    storage_options: StorageOptions | None = None,
    target_options: StorageOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Binding, dict[str, Any]]:
    """A handle's binding to the folio at `target`, made a copy of the one at `source`, and what was done."""
    repository = bind_place(source, storage_options).open(read_only=True)
    wanted = None if snapshot is None else _existing(repository, snapshot)
    place = _other(repository, target, target_options)
    made = place.open_or_create()
    receiver = Binding(made, place, read_only=False, trust=False)
    done = _Transfer(repository, receiver, "clone of", wanted, progress).run(made)
    receiver.finish()
    return Binding(made, place, read_only=False, trust=True), done


def _wanted(binding: Binding, snapshot: str | None) -> str | None:
    """The one snapshot that is to be copied: the one that is asked for, or that the handle shows."""
    if binding.snapshot is None:
        return None if snapshot is None else _existing(binding.repository, snapshot)
    if snapshot not in (None, binding.snapshot):
        raise UsageError(f"this handle shows the snapshot {binding.snapshot!r}; use one of the folio to copy another")
    binding.view(lambda _: None)  # raises if it was deleted
    return binding.snapshot


def _existing(repository: Repository, snapshot: str) -> str:
    """The name, which the folio has: looked up before anything is made elsewhere."""
    name = check_snapshot_name(snapshot)
    repository.view(lambda state: require_snapshot(state, name))
    return name


def _send(
    binding: Binding, place: Place, target: Repository, how: str, snapshot: str | None, progress: Progress | None
) -> dict[str, Any]:
    receiver = Binding(target, place, read_only=False, trust=False, auto_gc=binding.auto_gc)
    own = None if binding.read_only else binding.repository
    done = _Transfer(binding.repository, receiver, how, snapshot, progress).run(own)
    receiver.finish()
    return done


class _Transfer:
    """A transfer from a folio to one that this process writes to."""

    def __init__(
        self, source: Repository, receiver: Binding, how: str, snapshot: str | None, progress: Progress | None
    ) -> None:
        self._source = source
        self._receiver = receiver
        self._snapshot = snapshot
        self._progress = progress
        self._words = f"{how} {_name_of(source)}" + (f", snapshot {snapshot!r}" if snapshot else "")

    def run(self, own: Repository | None, *, accept_ahead: bool = False) -> dict[str, Any]:
        receiver = self._receiver
        done = transfer(
            self._source,
            receiver.repository,
            self._words,
            snapshot=self._snapshot,
            own=own,
            accept_ahead=accept_ahead,
            commit=lambda words, change, payloads, stored: receiver.commit(words, change, payloads, stored=stored),
            progress=self._progress,
        )
        if done.is_changed:
            receiver.refresh_views()
        return {
            "source": _name_of(self._source),
            "target": _name_of(receiver.repository),
            "snapshot": self._snapshot,
            "changed": done.is_changed,
            "ahead": done.is_ahead,
            "objects": done.copied.objects,
            "bytes": done.copied.size,
        }


def _name_of(repository: Repository) -> str:
    """Where a folio is, for its log and for people: without a password or a token."""
    location = repository.backend.location
    return _PASSWORD.sub("", location).partition("?")[0] if is_url(location) else location


# Where folios are.


def _other(own: Repository, place: Where, storage_options: StorageOptions | None) -> Place:
    """What is at `place`, which has to be no part of the folio itself."""
    there, mine = bind_place(place, storage_options), own.backend
    backend = there.backend
    if isinstance(backend, LocalBackend) and isinstance(mine, LocalBackend):
        folder, folio = backend.root.resolve(), mine.root.resolve()
        is_within = folder == folio or folio in folder.parents
    else:
        is_within = f"{backend.location.rstrip('/')}/".startswith(f"{mine.location.rstrip('/')}/")
    if is_within:
        raise UsageError(f"{backend.location} is the folio itself, or a place inside it; give that of another")
    return there
