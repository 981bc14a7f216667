"""Where whole copies of lost objects and records may be: they are known by what they hold, not by where they are."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of_file
from datafolio.errors import DamageError, StorageError
from datafolio.store.foliofile import FOLIO_FILE, read_folio_file
from datafolio.store.log import LOG
from datafolio.store.objects import CONDEMNED, OBJECTS, parse_condemned_key, parse_key
from datafolio.store.record import Logged, read_record
from datafolio.store.repository import README_FILE
from datafolio.store.views import ITEMS_FILE, SNAPSHOTS_FILE

__all__ = ["ASIDE", "Copies", "Place", "RecordCopy", "digest_at", "named_digest"]

#: Where damaged files are moved to, under the names that they had.
ASIDE = "lost+found/"


class Place(NamedTuple):
    """A key of one of several backends."""

    backend: Backend
    key: Key


class RecordCopy(NamedTuple):
    """A whole record, and where it was found."""

    logged: Logged
    place: Place


def named_digest(key: Key) -> Digest | None:
    """The digest of the object that belongs at `key`, or None if no object does."""
    if key.startswith(CONDEMNED):
        return parse_condemned_key(key)
    stored = parse_key(key)
    return None if stored is None else stored.digest


def digest_at(place: Place) -> Digest | None:
    """The digest of what is there, or None if that can't be read."""
    with contextlib.suppress(StorageError, DamageError, OSError), place.backend.open(place.key) as file:
        return digest_of_file(file)[0]
    return None


class Copies:
    """The copies in a folio, among what was set aside from it, and in another copy of it."""

    def __init__(self, backend: Backend, source: Backend | None) -> None:
        self._backend = backend
        self._backends = (backend,) if source is None else (backend, source)
        #: The other copy, if its records are this folio's too: objects are what they are, wherever they come from.
        self.same_folio = source if source is not None and _is_same_folio(backend, source) else None
        self._places: dict[Digest, list[Place]] = defaultdict(list)
        for place in self._stored():
            # Objects are what their names say, or found damaged; any other file may hold one by mistake.
            is_object = place.key.startswith((OBJECTS, CONDEMNED))
            self._note(named_digest(place.key) if is_object else digest_at(place), place)

    def note(self, place: Place) -> None:
        """Remember what is at a place, whatever its name says."""
        self._note(digest_at(place), place)

    def _note(self, digest: Digest | None, place: Place) -> None:
        if digest is not None:
            self._places[digest].append(place)

    def find(self, digest: Digest) -> Place | None:
        """A place that has the object whole, or None."""
        return next((place for place in self._places.get(digest, ()) if digest_at(place) == digest), None)

    def records(self) -> Iterator[RecordCopy]:
        """Every whole record of the folio that there is, those that it has itself first."""
        yield from _whole_records(self._backend)
        if self.same_folio is not None:
            yield from _whole_records(self.same_folio)

    def _stored(self) -> Iterator[Place]:
        for backend in self._backends:
            for prefix in (OBJECTS, CONDEMNED, LOG, ASIDE):
                yield from (Place(backend, key) for key in _keys(backend, prefix))
            # No others: the folder may have things in it that are no part of the folio.
            yield from (Place(backend, key) for key in (FOLIO_FILE, README_FILE, ITEMS_FILE, SNAPSHOTS_FILE))


def _keys(backend: Backend, prefix: str) -> list[Key]:
    """What can be listed."""
    try:
        return [listed.key for listed in backend.list(prefix)]
    except StorageError:
        return []


def _whole_records(backend: Backend) -> Iterator[RecordCopy]:
    for key in (*_keys(backend, LOG), *_keys(backend, ASIDE + LOG)):
        with contextlib.suppress(StorageError, DamageError):
            yield RecordCopy(read_record(backend.read(key), key), Place(backend, key))


def _is_same_folio(backend: Backend, source: Backend) -> bool:
    """Whether one is a copy of the other, as far as can be told: by the id, or else by what their logs share."""
    ids = _id_of(backend), _id_of(source)
    if None not in ids:
        return ids[0] == ids[1]
    own = {copy.logged.digest for copy in _whole_records(backend)}
    return not own or any(copy.logged.digest in own for copy in _whole_records(source))


def _id_of(backend: Backend) -> str | None:
    with contextlib.suppress(StorageError, DamageError):
        info = read_folio_file(backend)
        return None if info is None else info.folio_id
    return None
