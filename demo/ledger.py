"""What the demo prints: numbered chapters, aligned lines, and the folio's size on disk after each step."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

__all__ = ["Ledger", "size_on_disk", "size_text"]

_WIDTH = 72


def size_on_disk(folder: Path) -> int:
    """The bytes of all the files below `folder`; one that has several names counts once."""
    found = (os.lstat(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names)
    return sum({(file.st_dev, file.st_ino): file.st_size for file in found}.values())


def size_text(size: int) -> str:
    """A number of bytes for people, in powers of 1000."""
    return f"{size / 1e6:.2f} MB" if abs(size) >= 1e5 else f"{size / 1e3:.1f} kB"


class Ledger:
    """Prints the story, and keeps the account of what each step of it cost on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chapters = itertools.count(1)
        self._steps: list[tuple[str, int, int]] = []
        self._size = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        print(f"\n{next(self._chapters)}. {title}\n")

    def line(self, what: str, value: object = "") -> None:
        """One indented line, its value at the right if it has one."""
        text = str(value)
        print(f"   {what:<{_WIDTH - len(text)}}{text}".rstrip())

    def step(self, what: str) -> int:
        """Print the size on disk now that `what` is done; how many bytes that added."""
        size = size_on_disk(self._folder)
        added, self._size = size - self._size, size
        self._steps.append((what, added, size))
        self.line("", f"on disk {size_text(size):>9} {_signed(added):>10}")
        return added

    def summary(self) -> None:
        """All the steps once more."""
        self.line("", f"{'on disk':>9} {'added':>10}")
        for what, added, size in self._steps:
            self.line(what, f"{size_text(size):>9} {_signed(added):>10}")


def _signed(size: int) -> str:
    return ("-" if size < 0 else "+") + size_text(abs(size))
