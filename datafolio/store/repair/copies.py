"""Where whole copies of lost objects and records may be: they are known by what they hold, not by where they are."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of_file, is_digest
from datafolio.errors import DamageError, StorageError
from datafolio.store.log import LOG, Logged, read_record
from datafolio.store.objects import CONDEMNED, OBJECTS, condemned_key, parse_key

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
        digest = Digest(key.removeprefix(CONDEMNED).replace("/", "", 1))
        return digest if is_digest(digest) and condemned_key(digest) == key else None
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
        """Every whole record there is, those of the folio itself first."""
        for backend in self._backends:
            for prefix in (LOG, ASIDE + LOG):
                for key, _ in backend.list(prefix):
                    with contextlib.suppress(StorageError, DamageError):
                        yield RecordCopy(read_record(backend.read(key), key), Place(backend, key))

    def _stored(self) -> Iterator[Place]:
        for backend in self._backends:
            yield from (Place(backend, key) for key, _ in backend.list(""))
