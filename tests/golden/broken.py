"""Write the golden damaged folios of this version: `python -m tests.golden.broken` from the root of the checkout.

Each is a small folio with one thing wrong.  What a later version finds in it must be what this one found.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import zipfile
from collections.abc import Callable

from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck
from datafolio.store.log import MARKER, record_key
from datafolio.store.model import FORMAT
from datafolio.store.repository import Repository

HERE = pathlib.Path(__file__).parent
OFF = {"capture_git": False, "capture_execution": False}

#: What is damaged, as a path in the folio.
Place = Callable[[pathlib.Path], pathlib.Path]


def make(path: pathlib.Path) -> None:
    """A folio of a few items, a snapshot that is an object of its own, and a collection."""
    folio = DataFolio(path)
    folio.add_json("passing", 0)
    folio.delete("passing")
    folio.cleanup_orphaned_versions()
    folio.add_json("parameters", {"depth": 3})
    folio.metadata["note"] = "x" * 1200
    folio.create_snapshot("baseline", **OFF)
    folio.add_json("parameters", {"depth": 4}, overwrite=True)
    folio.add_json("passing", 0)
    folio.create_snapshot("second", **OFF)


def payload(name: str, snapshot: str | None = None) -> Place:
    """Where the payload of an item is."""

    def place(path: pathlib.Path) -> pathlib.Path:
        folio = DataFolio(path, read_only=True)
        shown = folio if snapshot is None else folio.get_snapshot(snapshot)
        state = Repository.open(LocalBackend(path)).tip().state
        return path / state.key_of(shown.get_item_info(name)["digest"])

    return place


def part_of_snapshot(part: str) -> Place:
    """Where the snapshot "baseline" is, or its tree or environment."""

    def place(path: pathlib.Path) -> pathlib.Path:
        state = Repository.open(LocalBackend(path)).tip().state
        ref = state.snapshots.get("baseline")
        assert ref is not None
        digest = ref.digest if part == "snapshot" else getattr(state.snapshot(ref), part)
        return path / state.key_of(digest)

    return place


def record(back: int) -> Place:
    """Where the newest record is, or one so far before it."""
    return lambda path: path / record_key(Repository.open(LocalBackend(path)).tip().seq - back)


def at(name: str) -> Place:
    """A file that always has the same name."""
    return lambda path: path / name


def flip(data: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    """The first half."""
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    """Nothing."""
    del data
    return b""


def gone(data: bytes) -> None:
    """No file at all."""
    del data


CASES: dict[str, tuple[Place, Callable[[bytes], bytes | None]]] = {
    "payload flipped": (payload("parameters"), flip),
    "payload gone": (payload("parameters"), gone),
    "payload of a snapshot cut": (payload("parameters", "baseline"), cut),
    "reborn payload emptied": (payload("passing"), emptied),
    "snapshot flipped": (part_of_snapshot("snapshot"), flip),
    "tree of a snapshot gone": (part_of_snapshot("tree"), gone),
    "environment flipped": (part_of_snapshot("environment"), flip),
    "newest record gone": (record(0), gone),
    "newest record cut": (record(0), cut),
    "older record flipped": (record(2), flip),
    "older record gone": (record(2), gone),
    "marker emptied": (at(MARKER), emptied),
    "folio.json flipped": (at("folio.json"), flip),
    "folio.json gone": (at("folio.json"), gone),
    "view cut": (at("snapshots.json"), cut),
    "nothing": (at("README.md"), lambda data: data),
}


def damage(path: pathlib.Path, case: str) -> None:
    """Do to the folio at `path` what the case says."""
    place, change = CASES[case]
    target = place(path)
    data = change(target.read_bytes())
    target.unlink()
    if data is not None:
        target.write_bytes(data)


def findings(path: pathlib.Path) -> list[list[str]]:
    """What is found in the folio at `path`: ids and files."""
    return [[finding.id, finding.where] for finding in fsck(LocalBackend(path)).findings]


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(HERE / f"damaged{FORMAT}.zip", "w") as archive:
        for case in CASES:
            path = pathlib.Path(folder, case)
            make(path)
            damage(path, case)
            found[case] = findings(path)
            for file in sorted(path.rglob("*")):
                # The place that is kept for a full disk is no part of what a folio says.
                if file.is_file() and file.parent.name != "tmp":
                    entry = zipfile.ZipInfo(file.relative_to(folder).as_posix())
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, file.read_bytes())
    (HERE / f"damaged{FORMAT}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
