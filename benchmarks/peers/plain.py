"""The floor: a folder for each version, and `cp`."""

from __future__ import annotations

import shlex
import shutil
from functools import partial
from pathlib import Path

from benchmarks.peers.store import Cannot, Peer, Steps, Store

__all__ = ["plain"]


class _Plain(Store):
    def __init__(self, place: Path, *, durable: bool) -> None:
        super().__init__(place)
        self._durable = durable

    def create(self) -> Steps:
        return [["mkdir", str(self.store)]]

    def add(self, names: list[str], version: str) -> Steps:
        folder = self.store / version
        steps = [["mkdir", "-p", str(folder)], ["cp", "-r", *names, str(folder)]]
        if self._durable:  # `sync` with names of files calls fsync on each
            steps.append(["sh", "-c", f"find {shlex.quote(str(folder))} -print0 | xargs -0 sync"])
        return steps

    def restore(self, version: str, name: str) -> Steps:
        return [["cp", str(self.store / version / name), str(self.out)]]

    def verify(self) -> Steps:
        raise Cannot("does not: there are no digests")

    def listing(self) -> Steps:
        return [["ls", str(self.store)]]

    def compare(self, old: str, new: str) -> Steps:
        del old, new
        raise Cannot("does not, without reading both")

    def make_snapshots(self, names: list[str], number: int) -> None:
        for index in range(number):
            (self.store / f"s{index:04}").mkdir()
            for name in names:
                shutil.copyfile(self.work / name, self.store / f"s{index:04}" / name)

    def start(self) -> Steps:
        return [["cp", "--version"]]


def plain() -> list[Peer]:
    return [
        Peer("plain", "`cp`", "", "nothing", partial(_Plain, durable=False)),
        Peer("plain", "`cp` and fsync", "", "the files and the folder", partial(_Plain, durable=True)),
    ]
