"""A backend in a folder of a local or network file system.

Bytes are staged in ``tmp/`` and given their final name with ``link``, which fails if the name is
taken: that is the exclusive creation everything rests on, and no reader ever sees a part of a file.
A file's bytes are synced before it gets its name, and the folder after, so that a name that was
acknowledged outlives a power loss, and a name that survived one has its bytes.

A stage holds an advisory lock for as long as its process lives; whoever can take the lock may remove
the file.  So what a killed process left behind is told from live work without looking at a clock.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from datafolio.backend.base import Backend, Key, Listed, Stage
from datafolio.digest import Buffer
from datafolio.errors import KeyExistsError, KeyMissingError, StorageError

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be removed: no lock is needed
    fcntl = None  # type: ignore[assignment]

__all__ = ["LocalBackend"]

STAGING = "tmp"


class LocalBackend(Backend):
    """Bytes in the files below one folder.  The folder need not exist before something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)
        # Folders whose own entry in their parent is known to be durable.
        self._durable_folders: set[Path] = set()

    def path(self, key: Key) -> Path:
        return self.root / key

    def open(self, key: Key) -> BinaryIO:
        try:
            return open(self.path(key), "rb")
        except FileNotFoundError:
            raise KeyMissingError(f"{self.location} has no {key}") from None
        except OSError as error:
            _fail(f"reading {self.path(key)}", error)

    def read(self, key: Key) -> bytes:
        # Read, not mapped: a failing disk then gives an error instead of ending the process.
        with self.open(key) as file:
            try:
                return file.read()
            except OSError as error:
                _fail(f"reading {self.path(key)}", error)

    def size(self, key: Key) -> int | None:
        try:
            return os.stat(self.path(key)).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            _fail(f"looking at {self.path(key)}", error)

    def list(self, prefix: str) -> Iterator[Listed]:
        yield from self._scan(self.root / prefix, prefix)

    def _scan(self, folder: Path, prefix: str) -> Iterator[Listed]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._scan(Path(entry.path), f"{prefix}{entry.name}/")
                    else:
                        with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                            yield Listed(Key(prefix + entry.name), entry.stat(follow_symlinks=False).st_size)
        except FileNotFoundError:
            return
        except OSError as error:
            _fail(f"listing {folder}", error)

    def stage(self) -> Stage:
        return _LocalStage(self)

    def replace(self, key: Key, data: Buffer) -> None:
        path = self.path(key)
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            scratch.write_bytes(data)
            os.replace(scratch, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                scratch.unlink()
            _fail(f"writing {path}", error)

    def confirm(self, key: Key) -> None:
        folder = self.path(key).parent
        self.make_folder(folder)
        self.sync_folder(folder)

    def delete(self, key: Key) -> None:
        try:
            os.unlink(self.path(key))
        except FileNotFoundError:
            return
        except OSError as error:
            _fail(f"deleting {self.path(key)}", error)

    def sweep_stages(self) -> int:
        return sum(
            size for key, size in self.list(f"{STAGING}/") if _remove_if_abandoned(self.path(key))
        )

    def make_folder(self, folder: Path) -> None:
        """Make `folder` and those above it, each with a durable entry in its parent."""
        if folder in self._durable_folders:
            return
        try:
            missing = [parent for parent in (folder, *folder.parents) if not parent.is_dir()]
            folder.mkdir(parents=True, exist_ok=True)
            # Another process may have made it a moment ago and not synced it yet, so one that exists
            # is synced too, once in the life of this process.
            for made in {folder, *missing}:
                self.sync_folder(made.parent)
        except OSError as error:
            _fail(f"making the folder {folder}", error)
        self._durable_folders.add(folder)

    def sync_folder(self, folder: Path) -> None:
        """Make the entries of `folder` durable."""
        if os.name == "nt":  # folders can't be opened there; NTFS journals their entries
            return
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            _fail(f"syncing the folder {folder}", error)


class _LocalStage(Stage):
    def __init__(self, backend: LocalBackend) -> None:
        self._backend = backend
        self._synced = False
        folder = backend.root / STAGING
        self._path = folder / secrets.token_hex(16)
        try:
            self._descriptor = self._open(folder)
        except OSError as error:
            _fail(f"writing to {backend.root}", error)

    def _open(self, folder: Path) -> int:
        # Read-only from the start: no object is ever changed in place.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        while True:
            try:
                descriptor = os.open(self._path, flags, 0o444)
            except FileNotFoundError:
                self._backend.make_folder(folder)
                folder.mkdir(exist_ok=True)
                continue
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # a sweep came between the creation and the lock

    def write(self, data: Buffer) -> int:
        remaining = memoryview(data).cast("B")
        total = remaining.nbytes
        try:
            while remaining.nbytes:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except OSError as error:
            _fail(f"writing to {self._backend.root}", error)
        self._synced = False
        return total

    def publish(self, key: Key, *, replace: bool = False) -> None:
        final = self._backend.path(key)
        self._backend.make_folder(final.parent)
        try:
            if not self._synced:
                os.fsync(self._descriptor)
                self._synced = True
            if replace:
                spare = self._path.with_name(secrets.token_hex(16))
                os.link(self._path, spare)
                os.replace(spare, final)
            else:
                os.link(self._path, final)
        except FileExistsError:
            raise KeyExistsError(f"{key} exists in {self._backend.location}") from None
        except OSError as error:
            _fail(f"writing {final}", error)
        self._backend.sync_folder(final.parent)

    def discard(self) -> None:
        if self._descriptor < 0:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._descriptor)
        self._descriptor = -1


def _remove_if_abandoned(path: Path) -> bool:
    """Remove a staged file whose process is gone.  The lock is held until the file is."""
    try:
        with open(path, "rb") as file:
            if fcntl is not None:
                # A shared lock is enough to find an exclusive one, and needs no right to write.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError as error:
        _fail(f"removing {path}", error)
    return True


def _fail(doing: str, error: OSError) -> NoReturn:
    raise StorageError(f"{doing}: {error.strerror or error}") from error
