"""The interface of a peer that keeps files: the commands by which it does each piece of work."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.isolation import surroundings

__all__ = ["Cannot", "Peer", "Steps", "Store"]

#: Commands, one after the other.
Steps = list[list[str]]


class Cannot(Exception):  # noqa: N818  # an answer, no fault
    """The peer does not do this; says why."""


class Store:
    """One store in the folder `place`: `work` is where its user's files are, `store` what it keeps them in.

    Each method returns the commands that do it, which `run` runs in `work`; or raises Cannot.
    """

    #: More snapshots than this take minutes to make, so that fewer are measured.
    most_snapshots = 1000

    def __init__(self, place: Path) -> None:
        self.work = place / "work"
        self.store = place / "store"
        self.out = place / "out"
        for folder in (self.work, self.out):
            folder.mkdir(parents=True)
        self._environment = surroundings(place / "home")

    def create(self) -> Steps:
        """Make the store."""
        return []

    def add(self, names: list[str], version: str) -> Steps:
        """Take in files of `work`, or a folder of files."""
        raise NotImplementedError

    def add_changed(self, names: list[str], changed: str, version: str) -> Steps:
        """Take in what `add` took in before, of which one file has changed."""
        del changed
        return self.add(names, version)

    def snapshot(self, version: str) -> Steps:
        """Give the state that `add` left the name `version`, where `add` has not done that yet."""
        del version
        return []

    def restore(self, version: str, name: str) -> Steps:
        """Bring one file back as it was in `version`."""
        raise NotImplementedError

    def verify(self) -> Steps:
        """Read everything that is kept, and check that it is what was once stored."""
        raise NotImplementedError

    def listing(self) -> Steps:
        """Show the snapshots."""
        raise NotImplementedError

    def compare(self, old: str, new: str) -> Steps:
        """Say which files differ between two snapshots."""
        raise NotImplementedError

    def start(self) -> Steps:
        """Start the program, and do next to nothing."""
        raise NotImplementedError

    def make_snapshots(self, names: list[str], number: int) -> None:
        """The snapshots ``s0000`` and so on of the files, and of one that changes every tenth time."""
        for index in range(number):
            if index % 10 == 0:
                (self.work / "step.json").write_text(str(index), encoding="utf-8")
            self.run(self.add([*names, "step.json"], f"s{index:04}"))

    def size(self) -> int:
        """The bytes that the store takes on the disk."""
        return disk_usage(self.store)

    def run(self, steps: Steps) -> float:
        """Run the commands; the seconds that they took."""
        start = time.perf_counter()
        for command in steps:
            done = subprocess.run(
                command, cwd=self.work, env=self._environment, check=False, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
        return time.perf_counter() - start


def disk_usage(folder: Path) -> int:
    """The bytes in files below `folder`; a file with two names counts once."""
    files = {
        (facts.st_ino, facts.st_size)
        for place, _, names in os.walk(folder)
        for facts in (os.lstat(os.path.join(place, name)) for name in names)
    }
    return sum(size for _, size in files)


@dataclass(frozen=True)
class Peer:
    """A program in one of its settings."""

    #: What it is asked for by (``--only``): the same for all its settings.
    name: str
    label: str
    version: str
    #: What it does for its data to be on the disk when it returns, in words; the counts stand beside it.
    promise: str
    make: Callable[[Path], Store]
    #: Whether this setting is measured with small things too, where it makes no difference.
    everywhere: bool = True
