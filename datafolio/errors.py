"""Every error datafolio raises, in one tree.

The branches are grouped by what the caller would do about them; each class is also the builtin
that fits, so ``except KeyError`` works where a reader would expect it to.  The number is the exit
code of the ``datafolio`` command.

    FolioError                        1
    ├── UsageError                    2  change the call        (ValueError)
    │   ├── InvalidNameError             a name no item or snapshot can have
    │   ├── UnsupportedValueError        a value that could not come back as it went in (TypeError)
    │   └── ItemTypeError                the item is of another type than the one asked for (TypeError)
    ├── NotFoundError                 3  look for another name  (LookupError)
    │   ├── FolioNotFoundError           no folio at that path  (FileNotFoundError)
    │   ├── ItemNotFoundError            (KeyError)
    │   ├── SnapshotNotFoundError        (KeyError)
    │   └── NotKeptError                 what an undo would go back to is not in the folio any more
    ├── ExistsError                   4  choose another name, or say that it may be replaced
    │   ├── ItemExistsError              (ValueError)
    │   ├── SnapshotExistsError          (ValueError)
    │   ├── DestinationExistsError       a path that is already used for something else (FileExistsError)
    │   └── ItemInUseError               a snapshot holds the item (ValueError)
    ├── ConflictError                 4  another writer got there first, and the two can't be merged
    │   └── DivergedError                each of two folios has what the other lacks
    ├── RefusedError                  5  ask for the right to do it  (PermissionError)
    │   ├── ReadOnlyError
    │   └── UntrustedError               reading the item would run code from the folio
    ├── DamageError                   6  run ``datafolio fsck``
    │   ├── CorruptObjectError           bytes that are not what their name says
    │   ├── MissingObjectError           (LookupError)
    │   └── FormatError                  a file of the folio that can't be understood
    │       └── NewerFormatError         it was written by a newer datafolio
    ├── StorageError                  7  look at the disk       (OSError)
    │   ├── NotAFileError                a link or a folder where only a file can be
    │   ├── NotExclusiveError            two writers could lose each other's work there
    │   ├── KeyExistsError               (FileExistsError)
    │   └── KeyMissingError              (FileNotFoundError)
    └── MissingDependencyError        8  install the extra that the message names (ImportError)
"""

from __future__ import annotations

import errno

TYPE_CHECKING = False  # typing itself would take longer to load than this does
if TYPE_CHECKING:
    from typing import ClassVar

__all__ = [
    "ConflictError",
    "CorruptObjectError",
    "DamageError",
    "DestinationExistsError",
    "DivergedError",
    "ExistsError",
    "FolioError",
    "FolioNotFoundError",
    "FormatError",
    "InvalidNameError",
    "ItemExistsError",
    "ItemInUseError",
    "ItemNotFoundError",
    "ItemTypeError",
    "KeyExistsError",
    "KeyMissingError",
    "MissingDependencyError",
    "MissingObjectError",
    "NewerFormatError",
    "NotAFileError",
    "NotExclusiveError",
    "NotFoundError",
    "NotKeptError",
    "ReadOnlyError",
    "RefusedError",
    "SnapshotExistsError",
    "SnapshotNotFoundError",
    "StorageError",
    "UnsupportedValueError",
    "UntrustedError",
    "UsageError",
]


class FolioError(Exception):
    """The root of the tree.  ``str()`` of any of them is a sentence for people."""

    exit_code: ClassVar[int] = 1

    def __str__(self) -> str:
        # KeyError would show the repr of its argument, and OSError a tuple of them.
        return str(self.args[0]) if self.args else type(self).__name__


class UsageError(FolioError, ValueError):
    """The call itself is wrong; nothing was written."""

    exit_code = 2


class InvalidNameError(UsageError):
    """A name that no item or no snapshot can have."""


class UnsupportedValueError(UsageError, TypeError):
    """A value that could not come back as it went in; nothing was written."""


class ItemTypeError(UsageError, TypeError):
    """The item exists and is of another type than the one asked for."""


class NotFoundError(FolioError, LookupError):
    """What was named is not there."""

    exit_code = 3


class FolioNotFoundError(NotFoundError, FileNotFoundError):
    """There is no folio at the path."""

    errno = errno.ENOENT


class ItemNotFoundError(NotFoundError, KeyError):
    """The folio has no item of that name."""


class SnapshotNotFoundError(NotFoundError, KeyError):
    """The folio has no snapshot of that name."""


class NotKeptError(NotFoundError):
    """What an undo would go back to is not there: the log is shorter, or a collection freed what it needs."""


class ExistsError(FolioError):
    """What was to be made is there already, or still in use."""

    exit_code = 4


class ItemExistsError(ExistsError, ValueError):
    """An item of that name exists and ``overwrite=True`` was not given."""


class SnapshotExistsError(ExistsError, ValueError):
    """A snapshot of that name exists; snapshots never change."""


class DestinationExistsError(ExistsError, FileExistsError):
    """The path is already used for something else."""

    errno = errno.EEXIST


class ItemInUseError(ExistsError, ValueError):
    """Snapshots hold the item, so it can't be deleted."""


class ConflictError(FolioError):
    """Another writer changed the same thing, and the two changes can't be merged."""

    exit_code = 4


class DivergedError(ConflictError):
    """A folio has what the one that was to be copied over it lacks; nothing was changed."""


class RefusedError(FolioError, PermissionError):
    """Allowed in principle, but not to this handle."""

    exit_code = 5
    errno = errno.EACCES


class ReadOnlyError(RefusedError):
    """A write through a handle that only reads."""


class UntrustedError(RefusedError):
    """Reading the item would run code from the folio, and the handle does not trust it."""


class DamageError(FolioError):
    """The folio's own files are not as they were written.  ``datafolio fsck`` says what is affected."""

    exit_code = 6


class CorruptObjectError(DamageError):
    """An object's bytes do not hash to its name."""


class MissingObjectError(DamageError, LookupError):
    """An object that something refers to is gone."""


class FormatError(DamageError):
    """A file of the folio can't be understood."""


class NewerFormatError(FormatError):
    """A file of the folio was written by a newer datafolio; install that."""


class StorageError(FolioError, OSError):
    """The storage below failed: no space, no permission, an input/output error.

    `errno` is the operating system's number for the reason, where it gave one.
    """

    exit_code = 7

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        if number is not None:
            self.errno = number

    @classmethod
    def during(cls, doing: str, error: OSError) -> StorageError:
        """The operating system's `error` as one of ours, which says what was being done."""
        return cls(f"{doing}: {error.strerror or error}", error.errno)

    def __reduce__(self) -> tuple[type[StorageError], tuple[str, int | None]]:
        # OSError's own way forgets the number, on the road from a worker process for instance.
        return type(self), (str(self), self.errno)


class NotAFileError(StorageError):
    """Something that is no ordinary file, such as a link, stands where only one can be."""


class NotExclusiveError(StorageError):
    """The storage does not make a key only if it is free, so that two writers could lose each other's work."""


class KeyExistsError(StorageError, FileExistsError):
    """An exclusive creation found the key taken."""

    errno = errno.EEXIST


class KeyMissingError(StorageError, FileNotFoundError):
    """A key that was to be read is not there."""

    errno = errno.ENOENT


class MissingDependencyError(FolioError, ImportError):
    """An optional package is needed; the message has the exact ``pip install`` line."""

    exit_code = 8
