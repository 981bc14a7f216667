"""A backend as it would be after some changes, none of which is made."""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterator
from typing import BinaryIO

from datafolio.backend import Backend, Key, Listed, MemoryBackend
from datafolio.digest import Buffer
from datafolio.errors import KeyExistsError, KeyMissingError
from datafolio.store.repair.copies import Place

__all__ = ["Overlay"]


class Overlay(MemoryBackend):
    """What `inner` has, with changes that are kept in memory; contents that only move are not read."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner.location)
        self._inner = inner
        #: Where the contents of a key are, if not in memory; None where they are gone.
        self._places: dict[Key, Place | None] = {}

    def _place(self, key: Key) -> Place:
        place = self._places.get(key, Place(self._inner, key))
        if place is None:
            raise KeyMissingError(f"{self.location} has no {key}")
        return place

    def read(self, key: Key) -> bytes:
        if key in self._contents:
            return super().read(key)
        place = self._place(key)
        return place.backend.read(place.key)

    def open(self, key: Key) -> BinaryIO:
        if key in self._contents:
            return io.BytesIO(super().read(key))
        place = self._place(key)
        return place.backend.open(place.key)

    def size(self, key: Key) -> int | None:
        if key in self._contents:
            return super().size(key)
        place = self._places.get(key, Place(self._inner, key))
        return None if place is None else place.backend.size(place.key)

    def exists(self, key: Key) -> bool:
        if key in self._contents:
            return True
        place = self._places.get(key, Place(self._inner, key))
        return place is not None and place.backend.exists(place.key)

    def stamp(self, key: Key) -> Hashable | None:
        if key in self._contents:
            return super().stamp(key)
        place = self._places.get(key, Place(self._inner, key))
        return None if place is None else place.backend.stamp(place.key)

    def list(self, prefix: str) -> Iterator[Listed]:
        changed = self._contents.keys() | self._places.keys()
        yield from (listed for listed in self._inner.list(prefix) if listed.key not in changed)
        for key in sorted(changed):
            size = self.size(key) if key.startswith(prefix) else None
            if size is not None:
                yield Listed(key, size)

    def replace(self, key: Key, data: Buffer) -> None:
        super().replace(key, data)
        self._places.pop(key, None)

    def put_new(self, key: Key, data: bytes) -> None:
        self._require_free(key)
        self.replace(key, data)

    def delete(self, key: Key) -> None:
        super().delete(key)
        self._places[key] = None

    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:  # noqa: ARG002 - it is at hand here too
        if key in self._contents:
            self.replace(other, self.read(key))
        else:
            self._places[other] = self._place(key)
            self._contents.pop(other, None)

    def move(self, key: Key, other: Key) -> None:
        if not self.exists(key):
            raise KeyMissingError(f"{self.location} has no {key}")
        self._require_free(other)
        self.alias(key, other)
        self.delete(key)

    def copy_from(self, source: Backend, source_key: Key, key: Key, *, replace: bool = False) -> None:
        if not replace:
            self._require_free(key)
        if source is self:
            self.alias(source_key, key)
        else:
            self._places[key] = Place(source, source_key)
            self._contents.pop(key, None)

    def _require_free(self, key: Key) -> None:
        if self.exists(key):
            raise KeyExistsError(f"{key} exists in {self.location}")
