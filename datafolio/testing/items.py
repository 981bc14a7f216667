"""The test class that every item type must pass, and a payload and a sink in memory to test with.

A test module makes a subclass for its type::

    class TestMine(ItemTypeContract):
        item_type = MineType()
        values = {"small": Mine(1), "large": Mine(2)}
        refused = {"unset": (Mine(None), "has no content")}

        def same(self, put, got):
            return put == got
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import pytest

from datafolio.errors import FolioError, StorageError, UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datafolio.digest import Buffer
    from datafolio.items.base import Encoded, ItemType

__all__ = ["BytesPayload", "BytesSink", "FullSink", "ItemTypeContract"]

_FACTS_LIMIT = 16_384  # bytes; every listing reads them
_SUFFIX = re.compile(r"(\.[A-Za-z0-9_+-]+)*")


class BytesSink:
    """Keeps what is written to it in memory."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._is_ended = False

    def write(self, data: Buffer, /) -> int:
        assert not self._is_ended, "what is copied from a file comes last"
        self._parts.append(bytes(data))
        return memoryview(data).nbytes

    def copy_from(self, file: BinaryIO, limit: int, /) -> int:
        size = 0
        while piece := file.read(limit - size):
            size += self.write(piece)
        self._is_ended = True
        return size

    def written(self) -> bytes:
        return b"".join(self._parts)


class FullSink:
    """A disk without space: takes `room` bytes, then fails."""

    def __init__(self, room: int = 0) -> None:
        self._room = room

    def write(self, data: Buffer, /) -> int:
        self._room -= memoryview(data).nbytes
        if self._room < 0:
            raise StorageError("no space is left")
        return memoryview(data).nbytes

    def copy_from(self, file: BinaryIO, limit: int, /) -> int:
        return self.write(file.read(limit))


class BytesPayload:
    """A payload in memory; `path` writes it to `directory`.  Counts the bytes that were read through `open`."""

    def __init__(self, data: bytes, directory: Path, name: str = "payload") -> None:
        self._data = data
        self._path = directory / name
        self.opened: list[CountingFile] = []

    def read(self) -> bytes:
        return self._data

    def checking(self) -> AbstractContextManager[bytes]:
        return contextlib.nullcontext(self._data)

    def open(self) -> BinaryIO:
        file = CountingFile(self._data)
        self.opened.append(file)
        return file

    def path(self) -> Path:
        self._path.write_bytes(self._data)
        return self._path


class CountingFile(io.BytesIO):
    """Knows how much of it has been read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


class ItemTypeContract:
    """What any item type promises, for each of `values` and `refused`."""

    item_type: ClassVar[ItemType]
    #: By name: values that must come back.
    values: ClassVar[Mapping[str, Any]] = {}
    #: By name: a value that must be refused, and a pattern that the message matches.
    refused: ClassVar[Mapping[str, tuple[Any, str]]] = {}

    def prepare(self, value: Any, directory: Path) -> Any:  # noqa: ARG002 - for subclasses
        """The value to encode: `value`, or what it stands for.  Called for each encoding."""
        return value

    def same(self, put: Any, got: Any) -> bool:
        """Whether `got` is what `put` must come back as."""
        return type(put) is type(got) and bool(put == got)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "value_name" in metafunc.fixturenames:
            metafunc.parametrize("value_name", list(self.values))
        if "refused_name" in metafunc.fixturenames:
            metafunc.parametrize("refused_name", list(self.refused))

    def encoded(self, value: Any, directory: Path) -> tuple[bytes, Encoded]:
        sink = BytesSink()
        told = self.item_type.encode(self.prepare(value, directory), sink)
        return sink.written(), told

    def decoded(self, data: bytes, told: Encoded, directory: Path, **options: Any) -> Any:
        return self.item_type.decode(BytesPayload(data, directory), told.facts, **options)

    @pytest.fixture
    def directory(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """One for all the tests of the class, as making one takes longer than most of them."""
        made = tmp_path_factory.getbasetemp() / type(self).__name__
        made.mkdir(exist_ok=True)
        return made

    def test_a_value_comes_back_as_it_went_in(self, value_name: str, directory: Path) -> None:
        value = self.values[value_name]
        data, told = self.encoded(value, directory)
        assert self.same(self.prepare(value, directory), self.decoded(data, told, directory))

    def test_equal_values_have_equal_bytes(self, value_name: str, directory: Path) -> None:
        value = self.values[value_name]
        assert self.encoded(value, directory) == self.encoded(value, directory)

    def test_a_value_is_recognised_and_described_in_short(self, value_name: str, directory: Path) -> None:
        value = self.values[value_name]
        assert self.item_type.matches(self.prepare(value, directory))
        _, told = self.encoded(value, directory)
        text = json.dumps(told.facts, allow_nan=False)
        assert json.loads(text) == told.facts
        assert len(text) <= _FACTS_LIMIT
        assert _SUFFIX.fullmatch(told.suffix)

    def test_a_full_disk_is_reported_as_one(self, value_name: str, directory: Path) -> None:
        data, _ = self.encoded(self.values[value_name], directory)
        for room in {0, len(data) - 1} if data else ():
            with pytest.raises(StorageError, match="no space is left"):
                self.item_type.encode(self.prepare(self.values[value_name], directory), FullSink(room))

    def test_a_damaged_payload_gives_a_value_or_a_folio_error(self, value_name: str, directory: Path) -> None:
        data, told = self.encoded(self.values[value_name], directory)
        # A pickle with other bytes is another program; only whether it is whole can be asked of it.
        turned = [] if self.item_type.runs_code else _turned_over(data)
        for damaged in [b"", data[:-1], *turned]:
            with contextlib.suppress(FolioError):
                self.decoded(damaged, told, directory)

    def test_a_value_that_would_not_come_back_is_refused(self, refused_name: str, directory: Path) -> None:
        value, pattern = self.refused[refused_name]
        sink = BytesSink()
        with pytest.raises(UnsupportedValueError, match=pattern):
            self.item_type.encode(self.prepare(value, directory), sink)
        # What pickle refuses it may refuse late; all others look before they write.
        assert self.item_type.runs_code or sink.written() == b""

    def test_the_tag_is_a_word_and_the_version_counts_from_one(self) -> None:
        assert re.fullmatch(r"[a-z][a-z0-9_.-]*", self.item_type.tag)
        assert self.item_type.version >= 1


def _turned_over(data: bytes) -> list[bytes]:
    """`data` with one byte changed, in the middle and near its end."""
    positions = {len(data) // 2, max(len(data) - 20, 0)} if data else set()
    return [data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :] for at in sorted(positions)]
