"""A backend in a folder of a local or network file system.

Bytes are staged in ``tmp/`` and given their final name with ``link``, which fails if the name is
taken: that is the exclusive creation everything rests on, and no reader ever sees a part of a file.
A file's bytes are synced before it gets its name, and the folder after, so that a name that was
acknowledged outlives a power loss, and a name that survived one has its bytes.

A key is an ordinary file in ordinary folders.  The root may be reached through symbolic links, but below
it none is followed, neither to read nor to write: a folder from a stranger may have a link, a pipe or a
device in the place of anything, and what it links to is not the stranger's to show or to change.

One advisory lock a backend, held for as long as it lives, keeps others from sweeping what it staged: see
`datafolio.backend.staging`.  A staged file is open only while it is written, so there may be any number.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from datafolio.backend.base import LARGEST_READ, Backend, Key, Listed, Stage, check_key
from datafolio.backend.cloning import clone
from datafolio.backend.ordinary import OwnFolders, is_folder, open_ordinary, require_ordinary, require_regular
from datafolio.backend.reserve import Reserve
from datafolio.backend.staging import Staging
from datafolio.backend.syncing import flush, start_flush, sync_folder
from datafolio.digest import Buffer, octets
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

__all__ = ["LocalBackend"]

STAGING = "tmp"

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)

# The disk is given a large file's bytes each time this many have been added.
_FLUSH_EVERY = 8 << 20

# A folder, or a file where a folder should be, is no key.
_NO_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalBackend(Backend):
    """Bytes in the files below one folder.  The folder need not exist before something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        self.staging = Staging(root / STAGING)
        self._reserve = Reserve(root / STAGING)
        # Folders whose own entry in their parent is known to be durable, up to the root's.
        self._durable_folders: set[Path] = set()
        self._own_folders = OwnFolders(root)
        self._seen_folders: set[str] = set()

    def path(self, key: Key) -> Path:
        check_key(key)
        return self.root / key

    def open(self, key: Key) -> BinaryIO:
        path = self._own_file(key)
        try:
            return open(path, "rb", opener=open_ordinary)
        except StorageError:
            raise
        except _NO_FILE:
            raise KeyMissingError(f"{self.location} has no {key}") from None
        except OSError as error:
            require_ordinary(Path(path))
            _fail(f"reading {path}", error)

    def read(self, key: Key) -> bytes:
        # Read, not mapped: a failing disk then gives an error instead of ending the process.
        with self.open(key) as file:
            try:
                size = os.fstat(file.fileno()).st_size
                if size <= LARGEST_READ:
                    return file.read()
            except OSError as error:
                _fail(f"reading {self.path(key)}", error)
        raise StorageError(f"{self.path(key)} has {size} bytes, and at most {LARGEST_READ} can be read at once")

    def size(self, key: Key) -> int | None:
        found = self._look_at(key)
        return None if found is None else found.st_size

    def exists(self, key: Key) -> bool:
        return os.path.lexists(self._own_path(key))

    def stamp(self, key: Key) -> Hashable | None:
        found = self._look_at(key)
        # Not the time of the last change to the file's names: another one is given to it now and then.
        return None if found is None else (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)

    def _look_at(self, key: Key) -> os.stat_result | None:
        path = self._own_file(key)
        try:
            found = os.lstat(path)
        except _NO_FILE:
            return None
        except OSError as error:
            _fail(f"looking at {path}", error)
        if stat.S_ISDIR(found.st_mode):
            return None
        require_regular(path, found.st_mode)
        return found

    def list(self, prefix: str) -> Iterator[Listed]:
        if prefix:
            check_key(prefix.removesuffix("/"))
            self._own_folders.require(self.root / prefix)
        for listed in self._scan(self.root / prefix, prefix):
            if not listed.key.startswith(f"{STAGING}/"):
                yield listed

    def _scan(self, folder: Path, prefix: str) -> Iterator[Listed]:
        waiting = [(folder, prefix)]
        while waiting:
            folder, prefix = waiting.pop()
            for entry in _entries(folder):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), f"{prefix}{entry.name}/"))
                elif (size := _size_of(entry)) is not None:
                    yield Listed(Key(prefix + entry.name), size)

    def stage(self) -> Stage:
        return _LocalStage(self)

    def replace(self, key: Key, data: Buffer) -> None:
        # Made with the rights of an ordinary file, unlike what never changes.
        stage = _LocalStage(self, mode=0o666)
        with stage:
            stage.write(data)
            stage.move(key)

    def alias(self, key: Key, other: Key, data: Buffer | None = None) -> None:  # noqa: ARG002 - a name costs less
        path, final = self._own_path(key), self.path(other)
        self.make_folder(self.root / STAGING)
        self.make_folder(final.parent)
        try:
            spare = self.staging.new_path()
            os.link(path, spare)
            _replace(spare, final)
        except FileNotFoundError:
            raise KeyMissingError(f"{self.location} has no {key}") from None
        except OSError as error:
            _fail(f"writing {final}", error)

    def move(self, key: Key, other: Key) -> None:
        path, final = self._own_path(key), self.path(other)
        self.make_folder(final.parent)
        if os.path.lexists(final):
            raise KeyExistsError(f"{other} exists in {self.location}")
        try:
            os.rename(path, final)
        except FileNotFoundError:
            raise KeyMissingError(f"{self.location} has no {key}") from None
        except OSError as error:
            _fail(f"moving {path} to {final}", error)
        self.sync_folder(final.parent)
        self.sync_folder(path.parent)

    def confirm(self, key: Key) -> None:
        folder = self.path(key).parent
        self.make_folder(folder)
        self.sync_folder(folder)

    def delete(self, key: Key) -> None:
        path = self._own_path(key)
        try:
            os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            _fail(f"deleting {path}", error)

    def sweep_stages(self) -> int:
        folder = self.root / STAGING
        names = [entry.name for entry in _entries(folder) if not entry.is_dir(follow_symlinks=False)]
        try:
            return self.staging.sweep(names)
        except OSError as error:
            _fail(f"sweeping {folder}", error)

    def keep_reserve(self, size: int) -> None:
        self._reserve.keep(size)

    def release_reserve(self, share: float = 1) -> bool:
        return self._reserve.release(share)

    def make_folder(self, folder: Path) -> None:
        """Make `folder` and those above it, each with a durable entry in its parent."""
        if folder in self._durable_folders and is_folder(folder):
            return
        if folder == self.root:
            self._make_root()
        else:
            self.make_folder(folder.parent)
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                _fail(f"making the folder {folder}", error)
            self._own_folders.require(folder)
            # Another process may have made it a moment ago and not synced it yet, so one that
            # exists is synced too, once in the life of this process.
            self.sync_folder(folder.parent)
        self._durable_folders.add(folder)

    def _own_file(self, key: Key) -> str:
        """`_own_path` as text, and in a fraction of its time for a folder that was looked at before."""
        folder, _, name = key.rpartition("/")
        if folder not in self._seen_folders:
            path = self._own_path(key)
            if self._own_folders.is_known(path.parent):
                self._seen_folders.add(folder)
            return str(path)
        check_key(name)
        return f"{self.location}{os.sep}{key}"

    def _own_path(self, key: Key) -> Path:
        """The path of `key`.  Raises StorageError if it leads through a link."""
        path = self.path(key)
        self._own_folders.require(path.parent)
        return path

    def _make_root(self) -> None:
        """Make the root and those above it."""
        try:
            missing = [folder for folder in (self.root, *self.root.parents) if not folder.is_dir()]
            self.root.mkdir(parents=True, exist_ok=True)
            # For the same reason as above, the root's own entry is synced even if it was there.
            for folder in missing or [self.root]:
                # The folder above may be somebody else's, to write in but not to read, and so not to sync.
                with contextlib.suppress(PermissionError):
                    sync_folder(folder.parent)
        except OSError as error:
            _fail(f"making the folder {self.root}", error)

    def sync_folder(self, folder: Path) -> None:
        """Make the entries of `folder` durable."""
        try:
            sync_folder(folder)
        except OSError as error:
            _fail(f"syncing the folder {folder}", error)


class _LocalStage(Stage):
    def __init__(self, backend: LocalBackend, mode: int = 0o444) -> None:
        # Read-only from the start, unless said otherwise: no object is ever changed in place.
        self._backend = backend
        self.size = 0
        self._given = 0
        self._discarded = False
        self._maker = os.getpid()
        folder = backend.root / STAGING
        backend.make_folder(folder)
        try:
            self._path = backend.staging.new_path()
            self._descriptor = os.open(self._path, _NEW_FILE, mode)
        except OSError as error:
            _fail(f"writing to {folder}", error)

    def write(self, data: Buffer) -> int:
        self._check_kept()
        if self._descriptor < 0:
            raise StorageError(f"this stage of {self._backend.location} is sealed, and takes no more bytes")
        remaining = octets(data)
        total = remaining.nbytes
        try:
            while remaining.nbytes:
                remaining = remaining[os.write(self._descriptor, remaining) :]
            self.size += total
            if self.size - self._given >= _FLUSH_EVERY:
                # The disk can work while the rest is still being made.
                start_flush(self._descriptor, self._given, self.size - self._given)
                self._given = self.size
        except OSError as error:
            _fail(f"writing to {self._path.parent}", error)
        return total

    def clone(self, file: BinaryIO) -> BinaryIO | None:
        self._check_kept()
        if not clone(file, self._descriptor):
            return None
        try:
            self.size = self._given = os.lseek(self._descriptor, 0, os.SEEK_END)
            return open(self._path, "rb")
        except OSError as error:
            _fail(f"reading {self._path}", error)

    def publish(self, key: Key, *, replace: bool = False) -> None:
        self._check_kept()
        final = self._backend.path(key)
        self._backend.make_folder(final.parent)
        try:
            self._sync_and_close()
            if replace:
                self._link_over(final)
            else:
                os.link(self._path, final)
        except FileExistsError:
            require_ordinary(final)
            raise KeyExistsError(f"{key} exists in {self._backend.location}") from None
        except OSError as error:
            _fail(f"writing {final}", error)
        self._backend.sync_folder(final.parent)

    def move(self, key: Key) -> None:
        """Give the file its name, not durably, whatever had that name before.  Ends the stage."""
        self._check_kept()
        final = self._backend.path(key)
        self._backend.make_folder(final.parent)
        try:
            self._close()
            os.replace(self._path, final)
        except OSError as error:
            _fail(f"writing {final}", error)

    def discard(self) -> None:
        if self._discarded:
            return
        self._discarded = True
        with contextlib.suppress(OSError):
            self._close()
        if os.getpid() != self._maker:
            return  # the file is the process's that this one was forked from
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def seal(self) -> None:
        self._check_kept()
        try:
            self._sync_and_close()
        except OSError as error:
            _fail(f"writing to {self._path.parent}", error)

    def _sync_and_close(self) -> None:
        if self._descriptor < 0:
            return
        try:
            flush(self._descriptor)
            self._close()
        except OSError:
            self.discard()  # bytes may be lost, and syncing again would not tell
            raise

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _link_over(self, final: Path) -> None:
        spare = self._backend.staging.new_path()
        os.link(self._path, spare)
        _replace(spare, final)

    def _check_kept(self) -> None:
        if self._discarded:
            raise StorageError(f"this stage of {self._backend.location} was discarded; begin a new one")


def _replace(spare: Path, final: Path) -> None:
    """Give the file `spare` the name `final`."""
    try:
        os.replace(spare, final)
    finally:
        # It is still there after an error, and where `final` was this very file already.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(spare)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in `folder`, all of it before any is used: a caller may delete what it is given."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        _fail(f"listing {folder}", error)


def _size_of(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # deleted since it was listed
        return None
    except OSError as error:
        _fail(f"looking at {entry.path}", error)


def _fail(doing: str, error: OSError) -> NoReturn:
    raise StorageError.during(doing, error) from error
