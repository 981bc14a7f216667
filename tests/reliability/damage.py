"""Random damage to random files: all that matters is found, and nothing wrong is ever returned.

One folio with files of every kind is made once.  Each trial damages one file on disk, verifies the
folio, reads all of it through the public calls, and puts the file back.  `python -m
tests.reliability.damage` runs the long form.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datafolio import DataFolio, FolioError
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck
from datafolio.store.log import MARKER, record_key
from datafolio.store.repository import Repository
from datafolio.store.walk import Walk

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}

Values = dict[str, Any]


def build(root: Path) -> None:
    """A folio with files of every kind, and maps that are more than one node."""
    folio = DataFolio(root)
    with folio.batch():
        for number in range(150):
            folio.add_json(f"passing {number}", [number])
    with folio.batch():
        for number in range(150):
            folio.delete(f"passing {number}")
    folio.cleanup_orphaned_versions()
    folio.add_json("passing 7", [7])  # at another key than before
    frame = pd.DataFrame({"x": np.arange(50), "word": [f"w{number % 7}" for number in range(50)]})
    folio.add_table("table", frame)
    folio.add_numpy("array", np.arange(200.0))
    folio.add_model("model", {"weights": [1, 2, 3]})
    source = root.parent / "source.txt"
    source.write_text("a file of the user's own\n" * 20)
    folio.add_artifact("file", source)
    with folio.batch():
        for number in range(75):
            folio.add_json(f"item {number}", {"number": number, "text": "x" * number})
    folio.metadata["note"] = "y" * 1500  # the snapshots are too large to stand in the list of them
    folio.create_snapshot("first")
    with folio.batch():
        for number in range(68):
            folio.create_snapshot(f"s{number}", **OFF)
    folio.add_json("item 3", "changed", overwrite=True)
    folio.add_json("garbage", "not needed any more")
    folio.delete("garbage")
    folio.create_snapshot("last", **OFF)
    folio.add_json("item 4", "changed", overwrite=True)


def readings(root: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every way of reading that a trial tries, by a name; each begins with a folio of its own."""
    folio = DataFolio(root, read_only=True)
    yield "items", lambda: folio.items
    yield "list", folio.list_items
    yield "metadata", folio.metadata.copy
    yield "snapshots", folio.list_snapshots
    yield "comparison", lambda: folio.compare_snapshots("first", "last")
    yield "columns", lambda: folio.get_table("table", columns=["x"]).to_dict("list")
    for snapshot in (None, "first", "last"):
        for name in ("table", "array", "model", "file", "passing 7", *(f"item {number}" for number in range(75))):
            yield f"{name} of {snapshot}", _reader(folio, snapshot, name)


def _reader(folio: DataFolio, snapshot: str | None, name: str) -> Callable[[], Any]:
    def read() -> Any:
        shown = folio if snapshot is None else folio.get_snapshot(snapshot)
        value = shown.get_data(name)
        if isinstance(value, pd.DataFrame):
            return value.to_dict("list")
        if isinstance(value, np.ndarray):
            return value.tolist()
        return value.read_bytes() if isinstance(value, Path) else value

    return read


def values(root: Path) -> Values:
    """What each reading gives, or the error; only errors of datafolio's own are caught."""
    found: Values = {}
    try:
        for name, read in readings(root):
            try:
                found[name] = read()
            except FolioError as error:
                found[name] = error
    except FolioError as error:
        found["open"] = error
    return found


def files_by_kind(root: Path) -> dict[str, list[Path]]:
    """Every file of the folio, by what it is for."""
    backend = LocalBackend(root)
    repository = Repository.open(backend)
    tip = repository.tip()
    walk = Walk()
    walk.state(tip.state)
    kinds: dict[str, list[Path]] = {}
    for digest, needed in walk.needed.items():
        kinds.setdefault(needed.role, []).append(backend.path(tip.state.key_of(digest)))
    needed_files = {path for paths in kinds.values() for path in paths}
    kinds["unneeded object"] = sorted(set(root.glob("objects/*/*")) - needed_files)
    kinds["map of condemned objects"] = sorted(root.glob("condemned/*/*"))
    kinds["newest record"] = [backend.path(record_key(tip.seq))]
    kinds["older record"] = sorted(set(root.glob("log/0*")) - set(kinds["newest record"]))
    kinds["marker"] = [backend.path(MARKER)]
    kinds["folio.json"] = [root / "folio.json"]
    kinds["view"] = [root / "items.json", root / "snapshots.json"]
    kinds["README"] = [root / "README.md"]
    assert all(kinds.values()), {kind: len(paths) for kind, paths in kinds.items()}
    return kinds


#: Damage that must be an error.
VITAL = frozenset(
    {"payload", "node", "snapshot", "environment", "map of condemned objects", "newest record", "folio.json"}
)


def damaged(data: bytes, how: str, chance: random.Random) -> bytes | None:
    """`data` after one damage; None if the file is gone."""
    if how == "bit" and data:
        place = chance.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
    if how == "truncate":
        return data[: chance.randrange(len(data))] if data else data
    if how == "zero":
        begin = chance.randrange(len(data)) if data else 0
        return data[:begin] + bytes(len(data[begin : begin + 512])) + data[begin + 512 :]
    if how == "append":
        return data + chance.randbytes(chance.randrange(1, 100))
    return None


HOWS = ("bit", "truncate", "zero", "append", "delete", "swap")


def overwrite(path: Path, data: bytes | None) -> None:
    """Change a file in place, as a disk would, or delete it."""
    if data is None:
        path.unlink()
        return
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


@dataclass
class Figures:
    """What was tried and what came out."""

    trials: Counter[str] = field(default_factory=Counter)
    vital: int = 0
    undetected: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    readings: int = 0
    refused: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.trials.items()))
        return (
            f"damage: {self.trials.total()} damages ({kinds}); {self.vital} of what matters, "
            f"{self.vital - len(self.undetected)} found; {self.readings} readings, {self.refused} refused, "
            f"{len(self.wrong)} wrong values, {len(self.foreign)} errors outside datafolio's tree"
        )


class Trials:
    """Damage after damage to one folio, each undone before the next."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.figures = Figures()
        self._chance = random.Random(seed)
        self._kinds = files_by_kind(root)
        self._expected = values(root)
        assert not any(isinstance(value, FolioError) for value in self._expected.values())

    def one(self) -> None:
        kind = self._chance.choice(sorted(self._kinds))
        path = self._chance.choice(self._kinds[kind])
        how = self._chance.choice(HOWS)
        before = {path: path.read_bytes()}
        if how == "swap":
            other_kind = self._chance.choice(sorted(self._kinds))
            other = self._chance.choice(self._kinds[other_kind])
            before[other] = other.read_bytes()
            after: dict[Path, bytes | None] = dict(zip(before, reversed(before.values()), strict=True))
        else:
            other_kind = ""
            after = {path: damaged(before[path], how, self._chance)}
        if after == before:
            return  # by chance no damage
        self.figures.trials[kind] += 1
        what = f"{how} of {kind} {path.relative_to(self.root)}" + (f" with {other_kind}" if other_kind else "")
        linked = self._linked(before)
        for changed, data in after.items():
            overwrite(changed, data)
        try:
            self._look(what, vital=bool({kind, other_kind} & VITAL))
        finally:
            for changed, data in before.items():
                overwrite(changed, data)
            self._link_again(linked)

    def _linked(self, paths: dict[Path, bytes]) -> bool:
        """Whether the newest record and the marker are one file now, as they are after each write."""
        (newest,), (marker,) = self._kinds["newest record"], self._kinds["marker"]
        return bool({newest, marker} & paths.keys()) and newest.samefile(marker)

    def _link_again(self, linked: bool) -> None:
        (newest,), (marker,) = self._kinds["newest record"], self._kinds["marker"]
        if linked and not newest.samefile(marker):
            marker.unlink()
            marker.hardlink_to(newest)

    def _look(self, what: str, *, vital: bool) -> None:
        self.figures.vital += vital
        try:
            report = fsck(LocalBackend(self.root))
            if vital and report.is_sound:
                self.figures.undetected.append(what)
            found = values(self.root)
        except Exception as error:  # noqa: BLE001 - any at all is what is looked for
            self.figures.foreign.append(f"{what}: {type(error).__name__}: {error}")
            return
        self.figures.readings += len(found)
        for name, value in found.items():
            if isinstance(value, FolioError):
                self.figures.refused += 1
            elif value != self._expected[name]:
                self.figures.wrong.append(f"{what}: {name}")


def run(trials: int, seed: int) -> Figures:
    """So many random damages."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "folio")
        build(root)
        # Read as a folio that was moved here; a copy has two files for the newest record and its marker.
        if seed % 2:
            shutil.copytree(root, Path(folder, "copy"))
            root = Path(folder, "copy")
        work = Trials(root, seed)
        while work.figures.trials.total() < trials:
            work.one()
        return work.figures


def main() -> None:
    """The long form."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    begin = time.monotonic()
    for seed in (1, 2):
        figures = run(trials // 2, seed)
        print(figures, f"({time.monotonic() - begin:.0f} s)", flush=True)
        faults = [*figures.undetected, *figures.wrong, *figures.foreign]
        for line in faults:
            print("  ", line)
        assert not faults


if __name__ == "__main__":
    main()
