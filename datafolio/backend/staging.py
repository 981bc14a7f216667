"""Who may remove a staged file: sessions, and the locks that tell the living from the dead.

A backend that stages begins a session: a random token, and a lock file ``<token>.lock`` on which it
holds an advisory lock for as long as it lives.  Its staged files are named ``<token>-<random>`` and
have no lock, and so no descriptor, of their own.  Whoever can take a session's lock, or finds no lock
file, may remove what that session staged.  So what a killed process left behind is told from live
work without looking at a clock.

* A session's lock is held before its first file is made, so a file in a listing is under a lock that
  can be tested, or its session has ended.
* A sweep may find a lock file that was made and is not locked yet, and remove it.  The maker sees that
  once it has the lock, and starts over with another token.  No token is used twice.
* A forked process has the same open file, and with it the same lock, which is held until both are
  gone.  So the maker leaves the file to a sweep if another process still holds the lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import weakref
from collections.abc import Iterable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be removed: that is lock enough
    fcntl = None  # type: ignore[assignment]

__all__ = ["Staging"]

_LOCK = ".lock"
_STAGED = re.compile(r"(?P<token>[0-9a-f]{16})(?P<rest>-[0-9a-f]{16}|\.lock)")
# Some network file systems have no locks.
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})


class Staging:
    """The staging folder as one backend uses it.  Every error is the operating system's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session: _Session | None = None
        # Each by the one it took the place of, so that threads which begin one at once agree on the
        # first.  A mutex would do too, but a process forked while it is held could never stage.
        self._sessions: dict[_Session | None, _Session] = {}
        weakref.finalize(self, _close_all, self._sessions)

    def new_path(self) -> Path:
        """A free name in the folder, which must exist; no sweep removes the file while this backend lives."""
        return self._folder / f"{self._current().token}-{os.urandom(8).hex()}"

    def sweep(self, names: Iterable[str]) -> int:
        """Remove those of the folder's files `names` whose sessions are dead; the number of bytes freed."""
        if self._folder.is_symlink():
            return 0  # a folio from elsewhere may have put anything there
        owned: dict[str, list[Path]] = {}
        for name in names:
            own = _STAGED.fullmatch(name)
            if own is None:
                continue  # nothing of a session's, but somebody's, or what NFS keeps of a file that is open
            staged = owned.setdefault(own["token"], [])
            if own["rest"] != _LOCK:
                staged.append(self._folder / name)
        return sum(_freed_if_dead(self._folder / f"{token}{_LOCK}", staged) for token, staged in owned.items())

    def _current(self) -> _Session:
        session = self._session
        if session is None or not session.is_intact():
            made = _Session(self._folder)
            if session is not None:
                session.close()
            session = self._sessions.setdefault(session, made)
            if session is not made:
                made.close()
            self._session = session
        return session


class _Session:
    """One lock, from its making until `close`."""

    def __init__(self, folder: Path) -> None:
        self._maker = os.getpid()
        self._path, self._descriptor = _create_locked(folder)
        self._file = os.fstat(self._descriptor)
        self.token = self._path.stem

    def is_intact(self) -> bool:
        """Whether the lock is where a sweep looks for it: nobody removed it, or moved the folder away."""
        try:
            return self._descriptor >= 0 and os.path.samestat(os.stat(self._path), self._file)
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the lock and remove its file, unless that is a forked process's too.  Never raises."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        with contextlib.suppress(OSError):
            os.close(descriptor)
            if os.getpid() == self._maker and not _is_held(self._path):
                os.unlink(self._path)


def _close_all(sessions: dict[_Session | None, _Session]) -> None:
    for session in sessions.values():
        session.close()


def _create_locked(folder: Path) -> tuple[Path, int]:
    """A new lock file, and its descriptor, which holds the lock."""
    while True:
        path = folder / f"{os.urandom(8).hex()}{_LOCK}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o444)
        try:
            _lock(descriptor)
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        os.close(descriptor)  # a sweep came between the creation and the lock


def _lock(descriptor: int) -> None:
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        # Where nobody can lock, no sweep can either, and nothing is removed.
        if error.errno not in _NO_LOCKS:
            raise


def _try_lock(descriptor: int) -> None:
    """Raise BlockingIOError if the lock is held."""
    if fcntl is not None:
        # A shared lock is enough to find an exclusive one, and needs no right to write.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is_held(path: Path) -> bool:
    """Whether a process is known to hold the lock."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _try_lock(descriptor)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    finally:
        os.close(descriptor)
    return False


def _freed_if_dead(lock: Path, staged: list[Path]) -> int:
    """Remove the files of a session whose processes are gone, holding its lock, whose file goes last."""
    if fcntl is None:
        return _freed_if_removable(lock, staged)
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:  # the session ended, or was swept in part
        return sum(map(_freed, staged))
    except PermissionError:  # of another user, who can
        return 0
    try:
        _try_lock(descriptor)
        return sum(map(_freed, [*staged, lock]))
    except (BlockingIOError, PermissionError):
        return 0
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return 0
    finally:
        os.close(descriptor)


def _freed_if_removable(lock: Path, staged: list[Path]) -> int:
    try:
        lock.unlink(missing_ok=True)
    except PermissionError:  # it is open
        return 0
    return sum(map(_freed, staged))


def _freed(path: Path) -> int:
    """Remove a file; the number of bytes that this frees."""
    try:
        found = os.lstat(path)
        os.unlink(path)
    except (FileNotFoundError, PermissionError):
        return 0  # swept by another, or left by another user, who can
    # A process that was killed while it published left a second name of what stays.
    return found.st_size if found.st_nlink == 1 else 0
