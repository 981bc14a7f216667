"""What every step of a repair is made of: setting a file aside, putting a copy in its place, and saying so."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from datafolio.backend import Backend, Key
from datafolio.errors import KeyMissingError, NotAFileError
from datafolio.store.repair.copies import ASIDE, Copies, Place

__all__ = ["Action", "Work"]

ActionId = Literal[
    "set-aside",
    "restore-record",
    "fall-back",
    "mark-newest",
    "restore-object",
    "rebuild-map",
    "write-folio-file",
    "write-views",
]


@dataclass(frozen=True)
class Action:
    """One thing that a repair did, or would do."""

    id: ActionId
    #: The file, as a path inside the folio.
    where: str
    message: str


class Work:
    """What a repair has done so far to a backend."""

    def __init__(self, backend: Backend, source: Backend | None) -> None:
        self.backend = backend
        self.copies = Copies(backend, source)
        self.actions: list[Action] = []

    def act(self, kind: ActionId, where: str, message: str) -> None:
        """Note what was done."""
        self.actions.append(Action(kind, where, message))

    def set_aside(self, key: Key, why: str) -> Key | None:
        """Move what is at `key` to ``lost+found/``; its new key, or None if there is nothing."""
        if not self.backend.exists(key):
            return None
        aside = self._free_aside(key)
        try:
            self.backend.move(key, aside)
        except KeyMissingError:
            return None
        self._note_aside(key, aside, f"{why}; moved to {aside}")
        return aside

    def replace(self, key: Key, copy: Place, why: str) -> Key | None:
        """Put the `copy` in the place of what is at `key`, at no moment of which the key is free.

        What was there is in ``lost+found/``, under the key that this returns; None if there was nothing.
        """
        if not self._is_file(key):
            aside = self.set_aside(key, why)
        else:
            aside = self._free_aside(key)
            self.backend.alias(key, aside)
            self.backend.confirm(aside)
            self._note_aside(key, aside, f"{why}; kept as {aside}")
        self.backend.copy_from(copy.backend, copy.key, key, replace=True)
        return aside

    def words_for(self, place: Place) -> str:
        """Where a copy was found."""
        return place.key if place.backend is self.backend else f"{place.backend.location}/{place.key}"

    def _note_aside(self, key: Key, aside: Key, words: str) -> None:
        self.copies.note(Place(self.backend, aside))
        self.act("set-aside", key, words)

    def _free_aside(self, key: Key) -> Key:
        names = (Key(f"{ASIDE}{key}" + (f".{number}" if number else "")) for number in itertools.count())
        return next(name for name in names if not self.backend.exists(name))

    def _is_file(self, key: Key) -> bool:
        try:
            return self.backend.size(key) is not None
        except NotAFileError:
            return False
