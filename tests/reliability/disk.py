"""A disk that knows what of it is durable: what a power loss may leave, as far as POSIX promises anything."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

__all__ = [
    "NOTHING_LOST",
    "Acknowledged",
    "Disk",
    "Event",
    "Image",
    "Linked",
    "Loss",
    "MadeFolder",
    "Opened",
    "Renamed",
    "Resized",
    "Synced",
    "Trace",
    "Unlinked",
    "Written",
    "losses",
    "worst_loss",
]

# What happened, with paths inside the scratch folder.


class Opened(NamedTuple):
    descriptor: int
    path: str
    flags: int
    mode: int


class Written(NamedTuple):
    descriptor: int
    data: bytes


class Resized(NamedTuple):
    descriptor: int
    size: int
    may_shrink: bool


class Synced(NamedTuple):
    descriptor: int
    is_folder: bool


class Linked(NamedTuple):
    source: str
    target: str


class Renamed(NamedTuple):
    source: str
    target: str


class Unlinked(NamedTuple):
    path: str


class MadeFolder(NamedTuple):
    path: str


class Acknowledged(NamedTuple):
    """One more step of the workload is done."""


Event = Opened | Written | Resized | Synced | Linked | Renamed | Unlinked | MadeFolder | Acknowledged
Trace = Sequence[Event]


class _File:
    def __init__(self, mode: int) -> None:
        self.data = self.durable = b""
        self.mode = mode


class _Folder:
    def __init__(self) -> None:
        self.entries: dict[str, _File | _Folder] = {}
        self.durable: dict[str, _File | _Folder] = {}
        #: What was done to the entries since the folder was last synced; None for a removal.
        self.pending: list[tuple[str, _File | _Folder | None]] = []

    def put(self, name: str, entry: _File | _Folder) -> None:
        self.entries[name] = entry
        self.pending.append((name, entry))

    def remove(self, name: str) -> None:
        del self.entries[name]
        self.pending.append((name, None))

    def sync(self) -> None:
        self.durable = dict(self.entries)
        self.pending = []

    def surviving(self, keeps: Callable[[bool], bool]) -> dict[str, _File | _Folder]:
        found = dict(self.durable)
        for name, entry in self.pending:
            if not keeps(entry is None):
                continue
            if entry is None:
                found.pop(name, None)
            else:
                found[name] = entry
        return found


#: Path to bytes and mode; None for a folder.
Image = dict[str, tuple[bytes, int] | None]


class Loss(NamedTuple):
    """What a power loss takes."""

    words: str
    #: Whether a change of an entry that was not synced is there, given whether it was a removal.
    keeps: Callable[[bool], bool]
    #: What is left of a file, given what was synced of it and what was written.
    content: Callable[[bytes, bytes], bytes]


class Disk:
    """A file system that knows what of it is durable."""

    def __init__(self) -> None:
        self._root = _Folder()
        self._open: dict[int, tuple[_File | _Folder, int]] = {}

    def apply(self, event: Event) -> None:
        """Go through one event."""
        match event:
            case Opened():
                self._apply_open(event)
            case Written(descriptor, data) if descriptor in self._open:
                file, position = self._open[descriptor]
                assert isinstance(file, _File)
                file.data = file.data[:position] + data + file.data[position + len(data) :]
                self._open[descriptor] = (file, position + len(data))
            case Resized(descriptor, size, may_shrink) if descriptor in self._open:
                file = self._open[descriptor][0]
                assert isinstance(file, _File)
                kept = file.data[:size] if may_shrink else file.data
                file.data = kept.ljust(size, b"\0")
            case Synced(descriptor) if descriptor in self._open:
                self._apply_sync(self._open[descriptor][0])
            case Linked(source, target):
                self._put(target, self._at(source))
            case Renamed(source, target):
                self._put(target, self._at(source))
                self._remove(source)
            case Unlinked(path):
                self._remove(path)
            case MadeFolder(path):
                self._put(path, _Folder())

    def _apply_open(self, event: Opened) -> None:
        folder, name = self._place(event.path)
        entry = folder.entries.get(name) if name else folder
        if entry is None:
            entry = _File(event.mode)
            folder.put(name, entry)
        if isinstance(entry, _File) and event.flags & os.O_TRUNC:
            entry.data = b""
        self._open[event.descriptor] = (entry, 0)

    def _apply_sync(self, entry: _File | _Folder) -> None:
        if isinstance(entry, _Folder):
            entry.sync()
        else:
            entry.durable = entry.data

    def survivors(self, loss: Loss) -> Image:
        """What is there after `loss`."""
        image: Image = {}
        _survive(self._root, "", loss, image)
        return image

    def _place(self, path: str) -> tuple[_Folder, str]:
        """The folder that `path` is in, and its name there, which is empty for the folder of everything."""
        *parents, name = PurePosixPath(path).parts or ("",)
        folder = self._root
        for parent in parents:
            entry = folder.entries[parent]
            assert isinstance(entry, _Folder)
            folder = entry
        return folder, name

    def _at(self, path: str) -> _File | _Folder:
        folder, name = self._place(path)
        return folder.entries[name]

    def _put(self, path: str, entry: _File | _Folder) -> None:
        folder, name = self._place(path)
        folder.put(name, entry)

    def _remove(self, path: str) -> None:
        folder, name = self._place(path)
        folder.remove(name)


def _survive(folder: _Folder, prefix: str, loss: Loss, image: Image) -> None:
    for name, entry in folder.surviving(loss.keeps).items():
        path = prefix + name
        if isinstance(entry, _Folder):
            image[path] = None
            _survive(entry, f"{path}/", loss, image)
        else:
            image[path] = (loss.content(entry.durable, entry.data), entry.mode)


_ENTRIES: dict[str, Callable[[bool], bool]] = {
    "no entry": lambda _: False,
    "every entry": lambda _: True,
    "removals only": lambda is_removal: is_removal,
    "creations only": lambda is_removal: not is_removal,
}
_CONTENTS: dict[str, Callable[[bytes, bytes], bytes]] = {
    "no byte": lambda durable, _: durable,
    "every byte": lambda _, written: written,
    "half of the bytes": lambda durable, written: written[: (len(durable) + len(written)) // 2],
    "zeros": lambda durable, written: durable[: len(written)].ljust(len(written), b"\0"),
}
NOTHING_LOST = Loss("nothing is lost", _ENTRIES["every entry"], _CONTENTS["every byte"])
_RANDOM = 4


def losses(point: int) -> Iterator[Loss]:
    """What a power loss after `point` events may take; always the same."""
    for entries, keeps in _ENTRIES.items():
        for contents, content in _CONTENTS.items():
            yield Loss(f"{entries} and {contents} that was not synced", keeps, content)
    for number in range(_RANDOM):
        rng = random.Random(point * _RANDOM + number)
        yield Loss(
            f"entries and bytes by chance ({number})",
            lambda _, rng=rng: rng.random() < 0.5,
            lambda durable, written, rng=rng: rng.choice(list(_CONTENTS.values()))(durable, written),
        )


def worst_loss(_point: int) -> Iterator[Loss]:
    """Nothing is left that was not synced."""
    yield next(losses(0))
