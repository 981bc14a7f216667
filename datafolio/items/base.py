"""The contract of an item type: a Python value to payload bytes, and back.

An item type knows nothing of folios, names or stores.  One file holds one type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol

from datafolio.digest import Buffer

__all__ = ["Encoded", "ItemType", "Payload", "Sink"]


class Sink(Protocol):
    """Where a payload is written to, in one pass."""

    def write(self, data: Buffer, /) -> int:
        """Append `data`; the number of bytes taken, always all of them."""
        ...

    def copy_from(self, file: BinaryIO, limit: int, /) -> int:
        """Append what is left to read of `file`, at most `limit` bytes; the number of bytes taken.

        It comes last: a sink may have taken the file as it is, and nothing is written after it.
        """
        ...


class Payload(Protocol):
    """A stored payload, to read."""

    def read(self) -> Buffer:
        """All of it, checked against its digest."""
        ...

    def checking(self) -> AbstractContextManager[Buffer]:
        """All of it, for a decoder that takes no harm from damaged bytes: it is checked meanwhile.

        Leaving the block raises if the bytes were not right, whatever was raised inside, so nothing
        that was made of them may be used before.
        """
        ...

    def open(self) -> BinaryIO:
        """A file to read and seek in, for those who need a part; parts are not checked."""
        ...

    def path(self) -> Path:
        """An ordinary file of the reader's own with the same bytes, checked, named as the item is."""
        ...


class Encoded(NamedTuple):
    """What encoding tells besides the bytes."""

    #: The payload's file name extension, with its dot, or empty.
    suffix: str
    #: What a listing shows of the value without reading it.  Plain JSON values, a few hundred bytes.
    facts: dict[str, Any]


class ItemType(ABC):
    """One type of item.  Instances hold no state."""

    #: The name of the type in entries and listings.
    tag: ClassVar[str]
    #: The version of the payload's format.  A reader refuses a newer one than its own.
    version: ClassVar[int] = 1
    #: Whether decoding may run code that the payload holds.
    runs_code: ClassVar[bool] = False

    @abstractmethod
    def matches(self, value: object) -> bool:
        """Whether a value given without a type is of this one.  Imports nothing to find out."""

    @abstractmethod
    def encode(self, value: Any, sink: Sink) -> Encoded:
        """Write `value` to `sink`.

        Raises UnsupportedValueError, naming the part (``column 'x' holds ...``) and the way out,
        for a value that would not come back equal; if it can be seen, before the first byte.
        """

    @abstractmethod
    def decode(self, payload: Payload, facts: Mapping[str, Any], **options: Any) -> Any:
        """The value that was encoded."""
