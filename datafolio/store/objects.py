"""Objects: immutable bytes named by their digest.

An object's key is made of its digest, and, once a collection has condemned the digest, of the epoch
in which that last happened: ``objects/ab/cdef…`` first, ``objects/ab/cdef…~3`` after epoch 3.  So a
key that a collector was told to delete is never used again, however late the collector comes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, NamedTuple

from datafolio.backend import Backend, Key, Stage
from datafolio.digest import Digest, digest_of, digest_of_file, is_digest
from datafolio.errors import CorruptObjectError, KeyExistsError, KeyMissingError, MissingObjectError, StorageError
from datafolio.store.familiar import doubt, vouch_for
from datafolio.store.parallel import in_parallel

__all__ = [
    "CONDEMNED",
    "OBJECTS",
    "TO_FSCK",
    "ObjectStore",
    "Source",
    "StoredKey",
    "condemned_key",
    "object_key",
    "parse_condemned_key",
    "parse_key",
]

OBJECTS = "objects/"
CONDEMNED = "condemned/"

Source = bytes | Stage

#: The end of a message about damage, for those who meet it on the way.
TO_FSCK = "; `datafolio fsck` tells what is affected"



class StoredKey(NamedTuple):
    """A key of the store taken apart."""

    digest: Digest
    burn: int


def object_key(digest: Digest, burn: int) -> Key:
    """Where the object `digest` is, if the last epoch that condemned it was `burn` (0 for none)."""
    return Key(f"{OBJECTS}{digest[:2]}/{digest[2:]}" + (f"~{burn}" if burn else ""))


def condemned_key(digest: Digest) -> Key:
    """Where a node of the map of condemned objects is: found without asking that map."""
    return Key(f"{CONDEMNED}{digest[:2]}/{digest[2:]}")


def parse_condemned_key(key: Key) -> Digest | None:
    """The digest from which `condemned_key` made `key`, or None for a key that it did not make."""
    digest = Digest(key.removeprefix(CONDEMNED).replace("/", "", 1))
    return digest if is_digest(digest) and condemned_key(digest) == key else None


def parse_key(key: Key) -> StoredKey | None:
    """What `object_key` made `key` from, or None for a key that it did not make."""
    name, _, burn = key.removeprefix(OBJECTS).replace("/", "", 1).partition("~")
    if not is_digest(name) or not (burn == "" or (burn.isascii() and burn.isdigit())):
        return None
    stored = StoredKey(Digest(name), int(burn or 0))
    return stored if object_key(*stored) == key else None


class ObjectStore:
    """Objects of one folio.  `key_of` tells where one is, or belongs."""

    def __init__(self, backend: Backend, key_of: Callable[[Digest], Key]) -> None:
        self._backend = backend
        self.key = key_of

    def read(self, digest: Digest) -> bytes:
        """The object, whole.  Raises MissingObjectError, or CorruptObjectError if its bytes are not its own."""
        key = self.key(digest)
        with self._missing_is_damage(key):
            data = self._backend.read(key)
        self.require_digest(digest, digest_of(data), len(data))
        return data

    def view(self, digest: Digest, size: int | None = None) -> memoryview:
        """The object, whole and checked, without holding all of a large one in memory."""
        key = self.key(digest)
        with self.open(digest, size) as file:
            # Read through before it is mapped: a fault of the disk is then an error, and not the end of the process.
            self.require_digest(digest, *self._digest_of(key, file))
            return _mapped(file)

    def unchecked(self, digest: Digest, size: int | None = None) -> memoryview:
        """The object, whole, mapped where that can be done.  To be checked with `require_digest`."""
        with self.open(digest, size) as file:
            return _mapped(file)

    def require_digest(self, digest: Digest, found: Digest, size: int) -> None:
        """Raise CorruptObjectError if the object's `size` bytes were found to hash to anything else."""
        if found != digest:
            key = self.key(digest)
            doubt(self._backend, key)
            raise CorruptObjectError(f"{key}: expected the digest {digest}, found {found} in {size} bytes{TO_FSCK}")

    def open(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """The object as a file to read and seek in.  What is read is not checked.

        Raises CorruptObjectError if `size` is given and it has not that many bytes, however many it has.
        """
        key = self.key(digest)
        with self._missing_is_damage(key):
            file = self._backend.open(key)
        found = size if size is None else file.seek(0, os.SEEK_END)
        if found != size:
            file.close()
            raise CorruptObjectError(f"{key}: expected {size} bytes, found {found}{TO_FSCK}")
        file.seek(0)
        return file

    def size(self, digest: Digest) -> int | None:
        """The size of the stored object in bytes, or None where there is none."""
        return self._backend.size(self.key(digest))

    def is_sound(self, key: Key, digest: Digest, threads: int | None = None) -> bool:
        """Whether what is stored at `key` hashes to `digest`; with one of `threads`, for those who ask of several."""
        try:
            is_sound = self._digest_at(key, threads)[0] == digest
        except KeyMissingError:
            return False
        if not is_sound:
            doubt(self._backend, key)
        return is_sound

    def put_all(self, objects: Mapping[Digest, Source], stored: set[Key]) -> None:
        """Store every object durably, several at a time, but for those whose key is in `stored`.

        `stored` takes the keys in.  It stays right for one operation however often that looks at the
        log again: a key is deleted only after it stopped being the key of its digest.
        """
        missing = [(key, digest, objects[digest]) for digest in objects if (key := self.key(digest)) not in stored]
        in_parallel(lambda item: self._put(*item), missing)
        stored.update(key for key, _, _ in missing)
        for key, _, source in missing:
            if isinstance(source, Stage):  # the small ones are never taken as stored without their bytes
                vouch_for(self._backend, key)

    def _put(self, key: Key, digest: Digest, source: Source) -> None:
        """Store one object.  One that is there already is relied on only if its bytes are right."""
        if self._is_free(key):
            try:
                self._publish(key, source)
            except KeyExistsError:
                pass  # somebody else stored the same content a moment ago
            else:
                return
        if self._is_right(key, digest):
            self._backend.confirm(key)
        else:
            self._publish(key, source, replace=True)

    def _is_free(self, key: Key) -> bool:
        with contextlib.suppress(StorageError):
            return self._backend.size(key) is None
        return False  # what is there can't be read, and has no right to the place

    def _is_right(self, key: Key, digest: Digest) -> bool:
        with contextlib.suppress(StorageError):
            return self.is_sound(key, digest)
        return False

    def _publish(self, key: Key, source: Source, *, replace: bool = False) -> None:
        if isinstance(source, Stage):
            source.publish(key, replace=replace)
            return
        with self._backend.stage() as stage:
            stage.write(source)
            stage.publish(key, replace=replace)

    def _digest_at(self, key: Key, threads: int | None) -> tuple[Digest, int]:
        with self._backend.open(key) as file:
            return self._digest_of(key, file, threads)

    def _digest_of(self, key: Key, file: BinaryIO, threads: int | None = None) -> tuple[Digest, int]:
        try:
            return digest_of_file(file, threads)
        except StorageError:
            raise
        except OSError as error:
            raise StorageError.during(f"reading {key}", error) from error

    @contextlib.contextmanager
    def _missing_is_damage(self, key: Key) -> Iterator[None]:
        try:
            yield
        except KeyMissingError as error:
            raise MissingObjectError(f"{key} is missing from {self._backend.location}") from error


def _mapped(file: BinaryIO) -> memoryview:
    """The contents of `file`, without a copy where it is an ordinary file."""
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # empty, in memory, or on a file system that can't map
        file.seek(0)
        return memoryview(file.read())
