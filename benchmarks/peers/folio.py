"""datafolio as it is here, and datafolio 2.3.0 from PyPI, as whole processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.peers.installing import own_environment, package_version, virtual
from benchmarks.peers.store import Peer, Steps, Store
from benchmarks.peers.worker import Worker

__all__ = ["EARLIER", "OURS", "FolioStore", "earlier", "ours"]

OURS, EARLIER = "datafolio", "datafolio-2.3.0"

_BARE = "capture_git=False, capture_environment=False, capture_execution=False"
_ADD = f"""
import os, sys
from datafolio import DataFolio

path, version, *names = sys.argv[1:]
folio = DataFolio(path)
files = [os.path.join(name, file) for name in names if os.path.isdir(name) for file in sorted(os.listdir(name))]
with folio.batch():
    for file in files or names:
        {{call}}
folio.create_snapshot(version, {_BARE})
"""
_RESTORE = """
import os, shutil, sys
from datafolio import DataFolio

path, version, name, out = sys.argv[1:]
found = DataFolio(path).get_snapshot(version).{call}(os.path.basename(name).partition(".")[0])
(shutil.move if {own} else shutil.copyfile)(found, os.path.join(out, os.path.basename(name)))
"""
_DURABLE = "the payload, the record and their folders, before the call returns"
_ITS_MANIFEST = "its list of items and snapshots; not the payloads"
_ITEM = 'os.path.basename(file).partition(".")[0]'


class FolioStore(Store):
    """A folio whose items are files; a Python of its own for each step, as a script would have."""

    def __init__(self, place: Path, *, programs: Path, worker: str, add: str, restore: str) -> None:
        super().__init__(place)
        self._programs, self._worker, self._add, self._restore = programs, worker, add, restore

    def create(self) -> Steps:
        return [[*self._python("import sys, datafolio; datafolio.DataFolio(sys.argv[1])"), str(self.store)]]

    def add(self, names: list[str], version: str) -> Steps:
        return [[*self._python(self._add), str(self.store), version, *names]]

    def add_changed(self, names: list[str], changed: str, version: str) -> Steps:
        del names
        return self.add([changed], version)

    def restore(self, version: str, name: str) -> Steps:
        return [[*self._python(self._restore), str(self.store), version, name, str(self.out)]]

    def verify(self) -> Steps:
        return [self._command("fsck")]

    def listing(self) -> Steps:
        return [self._command("snapshot", "list")]

    def compare(self, old: str, new: str) -> Steps:
        return [self._command("snapshot", "compare", old, new)]

    def start(self) -> Steps:
        return [[str(self._programs / "datafolio"), "--help"]]

    def make_snapshots(self, names: list[str], number: int) -> None:
        del names  # which are in the folio already
        with self.worker() as worker:
            worker.call("put", "small", {"depth": 3})
            worker.call("add_table", "rows", "@small")
            worker.call("snapshots", number)

    def worker(self) -> Worker:
        """The same folio in a Python that stays, opened."""
        worker = Worker(self._programs / "python", self._worker, self.out)
        worker.call("open", str(self.store))
        return worker

    def _python(self, program: str) -> list[str]:
        return [str(self._programs / "python"), "-c", program]

    def _command(self, *words: str) -> list[str]:
        return [str(self._programs / "datafolio"), "--folio", str(self.store), *words]


class _Earlier(FolioStore):
    def verify(self) -> Steps:
        # Its command's own `validate` looks at a few files only.
        program = "import sys, datafolio; assert all(datafolio.DataFolio(sys.argv[1]).validate().values())"
        return [[*self._python(program), str(self.store)]]


def ours() -> list[Peer]:
    programs = own_environment()
    make = partial(
        FolioStore,
        programs=programs,
        worker="ours.py",
        add=_ADD.format(call=f"folio.add_artifact({_ITEM}, file, overwrite=True)"),
        restore=_RESTORE.format(call="get_artifact_path", own=True),
    )
    return [Peer(OURS, "datafolio", package_version(programs, "datafolio"), _DURABLE, make)]


def earlier() -> list[Peer]:
    programs = virtual(EARLIER, "datafolio==2.3.0")
    make = partial(
        _Earlier,
        programs=programs,
        worker="earlier.py",
        add=_ADD.format(call=f"folio.add_file(file, {_ITEM}, overwrite=True)"),
        restore=_RESTORE.format(call="get", own=False),
    )
    return [Peer(EARLIER, "datafolio 2.3.0 (PyPI)", package_version(programs, "datafolio"), _ITS_MANIFEST, make)]
