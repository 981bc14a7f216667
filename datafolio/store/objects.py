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
from typing import BinaryIO, NamedTuple, cast

from datafolio.backend import Backend, Key, Stage
from datafolio.digest import Buffer, Digest, Hasher, digest_of, digest_of_file, is_digest
from datafolio.errors import CorruptObjectError, KeyExistsError, KeyMissingError, MissingObjectError, StorageError
from datafolio.store.cache import Cache
from datafolio.store.familiar import doubt, vouch_for
from datafolio.store.parallel import in_parallel

__all__ = [
    "CONDEMNED",
    "OBJECTS",
    "TO_FSCK",
    "Elsewhere",
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


class Elsewhere(NamedTuple):
    """An object of another store, read when it is stored here."""

    objects: ObjectStore
    digest: Digest
    #: In bytes.
    size: int
    #: Called with the number of objects and bytes that were copied, as they are.
    told: Callable[[int, int], object]


Source = bytes | Stage | Elsewhere

#: The end of a message about damage, for those who meet it on the way.
TO_FSCK = "; `datafolio fsck` tells what is affected"

_PIECE = 1 << 20


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
    """Objects of one folio.  `key_of` tells where one is, or belongs.

    What is read whole from a distant backend comes by way of `cache`, which keeps copies nearby.
    """

    def __init__(self, backend: Backend, key_of: Callable[[Digest], Key], cache: Cache | None = None) -> None:
        self._backend = backend
        #: How many calls at a time are of use.
        self.concurrency = backend.concurrency
        self.key = key_of
        self._cache = cache

    def read(self, digest: Digest) -> bytes:
        """The object, whole.  Raises MissingObjectError, or CorruptObjectError if its bytes are not its own."""
        key = self.key(digest)
        if self._cache is not None:
            with self._naming(key):
                return self._cache.read(digest, lambda: self._backend.read(key))
        with self._missing_is_damage(key):
            data = self._backend.read(key)
        self.require_digest(digest, digest_of(data), len(data))
        return data

    def view(self, digest: Digest, size: int | None = None) -> memoryview:
        """The object, whole and checked, without holding all of a large one in memory."""
        with self.open_whole(digest, size) as file:
            if self._cache is None:
                # Read through before it is mapped: a fault of the disk is then an error, not the end of the process.
                self.require_digest(digest, *self._digest_of(self.key(digest), file))
            return _mapped(file)

    def mapped(self, digest: Digest, size: int | None = None) -> tuple[memoryview, bool]:
        """The object, whole, mapped where that can be done, and whether it was checked; else to `require_digest`."""
        with self.open_whole(digest, size) as file:
            return _mapped(file), self._cache is not None

    def require_digest(self, digest: Digest, found: Digest, size: int) -> None:
        """Raise CorruptObjectError if the object's `size` bytes were found to hash to anything else."""
        if found != digest:
            key = self.key(digest)
            doubt(self._backend, key)
            raise CorruptObjectError(f"{key}: expected the digest {digest}, found {found} in {size} bytes{TO_FSCK}")

    def open_whole(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """The object as a file, for those who read all of it: a checked copy nearby, or as `open` gives it."""
        if self._cache is None:
            return self.open(digest, size)
        key, cache = self.key(digest), self._cache
        with self._naming(key):
            return cache.open_checked(digest, size, lambda file: self._backend.fetch(key, file))

    def open(self, digest: Digest, size: int | None = None) -> BinaryIO:
        """The object as a file to read and seek in.  What is read is not checked.

        Raises CorruptObjectError if `size` is given and it has not that many bytes, however many it has.
        """
        nearby = None if self._cache is None else self._cache.find(digest, size)
        if nearby is not None:
            return nearby
        key = self.key(digest)
        with self._missing_is_damage(key):
            file = self._backend.open(key)
        if size is not None:
            found = file.seek(0, os.SEEK_END)
            if found != size:
                file.close()
                raise _of_another_size(key, size, found)
        file.seek(0)
        return file

    def write_to(self, stage: Stage, wanted: Elsewhere) -> None:
        """Write an object of this store to the empty `stage`, checked, without holding all of a large one in memory.

        The errors of damage say whose it is.
        """
        try:
            if wanted.size <= _PIECE:
                wanted.told(0, stage.write(self._read_once(wanted)))
            else:
                self._stream_to(stage, wanted)
        except (CorruptObjectError, MissingObjectError) as error:
            raise type(error)(f"{self._backend.location}: {error}") from error

    def _read_once(self, wanted: Elsewhere) -> bytes:
        """The object, whole and checked; no copy is kept nearby of what is being copied."""
        nearby = None if self._cache is None else self._cache.find(wanted.digest, wanted.size)
        if nearby is not None:
            with contextlib.suppress(OSError), nearby:
                if digest_of(data := nearby.read()) == wanted.digest:
                    return data
        with self._missing_is_damage(self.key(wanted.digest)):
            data = self._backend.read(self.key(wanted.digest))
        self._require_wanted(wanted, digest_of(data), len(data))
        return data

    def _require_wanted(self, wanted: Elsewhere, digest: Digest, size: int) -> None:
        self.require_digest(wanted.digest, digest, size)
        if size != wanted.size:
            raise _of_another_size(self.key(wanted.digest), wanted.size, size)

    def _stream_to(self, stage: Stage, wanted: Elsewhere) -> None:
        key = self.key(wanted.digest)
        found = None if self._backend.is_distant else self._clone_to(stage, wanted)
        if found is None:
            hashed = _Hashed(stage, wanted.told)
            with self._missing_is_damage(key):
                self._backend.fetch(key, cast("BinaryIO", hashed))  # which is only written to
            found = hashed.hasher.digest(), hashed.hasher.size
        self._require_wanted(wanted, *found)

    def _clone_to(self, stage: Stage, wanted: Elsewhere) -> tuple[Digest, int] | None:
        """Let the stage have the object without a copy; digest and size of what it has then.  None if it can't."""
        with self.open(wanted.digest, wanted.size) as file:
            copy = stage.clone(file)
            if copy is None:
                return None
            with copy:
                found = self._digest_of(self.key(wanted.digest), copy)
        wanted.told(0, wanted.size)
        return found

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
        # The slower of the two sides of a copy takes more calls at a time.
        others = {source.objects.concurrency for _, _, source in missing if isinstance(source, Elsewhere)}
        in_parallel(lambda item: self._put(*item), missing, max(self.concurrency, *others, 1))
        stored.update(key for key, _, _ in missing)
        for key, digest, source in missing:
            if isinstance(source, Stage):  # the small ones are never taken as stored without their bytes
                vouch_for(self._backend, key)
            elif isinstance(source, bytes) and self._cache is not None:
                self._cache.keep(digest, source)

    def _put(self, key: Key, digest: Digest, source: Source) -> None:
        """Store one object.  One that is there already is relied on only if its bytes are right."""
        # Whoever copies has looked before; and where looking takes as long as trying, it is tried at once.
        if isinstance(source, Elsewhere) or self._backend.is_distant or self._is_free(key):
            try:
                self._publish(key, source)
            except KeyExistsError:
                pass  # it is stored already, or somebody else stored the same content a moment ago
            else:
                return
        if self._is_right(key, digest, source):
            self._backend.confirm(key)
        else:
            self._publish(key, source, replace=True)

    def _is_free(self, key: Key) -> bool:
        with contextlib.suppress(StorageError):
            return self._backend.size(key) is None
        return False  # what is there can't be read, and has no right to the place

    def _is_right(self, key: Key, digest: Digest, source: Source) -> bool:
        with contextlib.suppress(StorageError):
            # An object store checks by itself what it holds, and to read a large object takes as long as to send it.
            if self._backend.is_distant and not isinstance(source, bytes):
                return self._backend.size(key) == source.size
            return self.is_sound(key, digest)
        return False

    def _publish(self, key: Key, source: Source, *, replace: bool = False) -> None:
        if isinstance(source, Stage):
            source.publish(key, replace=replace)
            return
        with self._backend.stage() as stage:
            if isinstance(source, Elsewhere):
                source.objects.write_to(stage, source)
            else:
                stage.write(source)
            stage.publish(key, replace=replace)
        if isinstance(source, Elsewhere):
            source.told(1, 0)

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
    def _naming(self, key: Key) -> Iterator[None]:
        """Let errors of the cache say which object they are of."""
        with self._missing_is_damage(key):
            try:
                yield
            except CorruptObjectError as error:
                raise CorruptObjectError(f"{key}: {error}{TO_FSCK}") from error

    @contextlib.contextmanager
    def _missing_is_damage(self, key: Key) -> Iterator[None]:
        try:
            yield
        except KeyMissingError as error:
            raise MissingObjectError(f"{key} is missing from {self._backend.location}") from error


class _Hashed:
    """A stage as a file to write to, hashed on the way."""

    def __init__(self, stage: Stage, told: Callable[[int, int], object]) -> None:
        self._stage = stage
        self._told = told
        self.hasher = Hasher()

    def write(self, data: Buffer) -> int:
        self.hasher.update(data)
        size = self._stage.write(data)
        self._told(0, size)
        return size


def _of_another_size(key: Key, size: int, found: int) -> CorruptObjectError:
    return CorruptObjectError(f"{key}: expected {size} bytes, found {found}{TO_FSCK}")


def _mapped(file: BinaryIO) -> memoryview:
    """The contents of `file`, without a copy where it is an ordinary file."""
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # empty, in memory, or on a file system that can't map
        file.seek(0)
        return memoryview(file.read())
