"""datafolio: one home for an experiment's tables, models, arrays and metadata, with immutable snapshots."""

from __future__ import annotations

from datafolio._version import __version__
from datafolio.errors import (
    ConflictError,
    CorruptObjectError,
    DamageError,
    DestinationExistsError,
    DivergedError,
    ExistsError,
    FolioError,
    FolioNotFoundError,
    FormatError,
    InvalidNameError,
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
    ItemTypeError,
    KeyExistsError,
    KeyMissingError,
    MissingDependencyError,
    MissingObjectError,
    NewerFormatError,
    NotAFileError,
    NotExclusiveError,
    NotFoundError,
    NotKeptError,
    ReadOnlyError,
    RefusedError,
    SnapshotExistsError,
    SnapshotNotFoundError,
    StorageError,
    UnsupportedValueError,
    UntrustedError,
    UsageError,
)

TYPE_CHECKING = False  # typing itself takes as long to load as all of this
if TYPE_CHECKING:
    from typing import Any

    from datafolio.porcelain.folio import DataFolio
del TYPE_CHECKING

__all__ = [
    "ConflictError",
    "CorruptObjectError",
    "DamageError",
    "DataFolio",
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
    "__version__",
]


def __getattr__(name: str) -> Any:
    # The folio comes with the store and all that it needs: imported by those who use it, when they do.
    if name != "DataFolio":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from datafolio.porcelain.folio import DataFolio  # noqa: PLC0415 - see above

    globals()[name] = DataFolio
    return DataFolio


def __dir__() -> list[str]:
    return __all__
