"""Files: one of 500 MB and its edit, ten thousand small ones, ten versions."""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.sheet import Sheet, Sheets, in_turns
from benchmarks.peers.store import Cannot, Peer, Store
from benchmarks.peers.workers.values import edited, table

__all__ = ["VERSIONS", "large_file", "many_files", "remove", "ten_versions"]

_FILE, _FOLDER, _ONE = "table.parquet", "items", "item00007.json"
VERSIONS = 10


def large_file(peers: Sequence[Peer], folder: Path, rounds: int, size: float) -> Sheets:
    """Adding a Parquet file, adding it again, adding its edit, restoring the first, verifying everything."""
    _large_file(peers, folder, 1, size / 100, check=True)  # has every program in memory, and shows that it works
    return _large_file(peers, folder, rounds, size, check=False)


def _large_file(peers: Sequence[Peer], folder: Path, rounds: int, size: float, *, check: bool) -> Sheets:
    first, second = _versions(folder / "data", 2, size)

    def tell(peer: Peer, sheet: Sheet) -> None:
        with _store(peer, folder, sheet) as store:
            if store is not None:
                _tell_of_a_large_file(store, sheet, first, second)
                assert not check or _is_restored(store, first), f"{peer.label} did not bring back what was stored"

    sheets = in_turns(peers, rounds, tell)
    shutil.rmtree(folder / "data")
    return sheets


def _tell_of_a_large_file(store: Store, sheet: Sheet, first: Path, second: Path) -> None:
    _put(first, store)
    sheet.run("add", store, lambda: store.add([_FILE], "v1"))
    store.run(store.snapshot("v1"))
    sheet.run("again", store, lambda: store.add([_FILE], "v1-again"))
    _put(second, store)
    sheet.run("edit", store, lambda: store.add([_FILE], "v2"))
    store.run(store.snapshot("v2"))
    (store.work / _FILE).unlink()
    sheet.run("restore", store, lambda: store.restore("v1", _FILE))
    sheet.run("verify", store, store.verify)


def _is_restored(store: Store, first: Path) -> bool:
    found = [place / _FILE for place in (store.work, store.out) if (place / _FILE).exists()]
    return any(filecmp.cmp(path, first, shallow=False) for path in found)


def many_files(peers: Sequence[Peer], folder: Path, rounds: int, number: int) -> Sheets:
    """Adding a folder of small files, adding one that changed, restoring one, verifying all."""

    def tell(peer: Peer, sheet: Sheet) -> None:
        with _store(peer, folder, sheet) as store:
            if store is not None:
                _tell_of_many_files(store, sheet, number)

    return in_turns(peers, rounds, tell)


def _tell_of_many_files(store: Store, sheet: Sheet, number: int) -> None:
    items = store.work / _FOLDER
    items.mkdir()
    for index in range(number):
        (items / f"item{index:05}.json").write_text(json.dumps({"index": index}), encoding="utf-8")
    sheet.run("add", store, lambda: store.add([_FOLDER], "v1"))
    store.run(store.snapshot("v1"))
    (items / _ONE).unlink()
    (items / _ONE).write_text(json.dumps({"index": "changed"}), encoding="utf-8")
    sheet.run("edit", store, lambda: store.add_changed([_FOLDER], f"{_FOLDER}/{_ONE}", "v2"))
    store.run(store.snapshot("v2"))
    (items / _ONE).unlink()
    sheet.run("restore", store, lambda: store.restore("v1", f"{_FOLDER}/{_ONE}"))
    sheet.run("verify", store, store.verify)


def ten_versions(peers: Sequence[Peer], folder: Path, size: float) -> dict[str, float | str]:
    """How many times the size of one version ten take, each the one before with 1 % of its rows edited."""
    versions = _versions(folder / "data", VERSIONS, size)
    found: dict[str, float | str] = {}
    for peer in peers:
        sheet = Sheet()
        with _store(peer, folder, sheet) as store:
            found[peer.label] = sheet.reasons["add"] if store is None else _size_of_all(store, versions)
    shutil.rmtree(folder / "data")
    return found


def _size_of_all(store: Store, versions: list[Path]) -> float:
    before = store.size()
    for number, version in enumerate(versions):
        _put(version, store)
        store.run(store.add([_FILE], f"v{number}"))
        store.run(store.snapshot(f"v{number}"))
    return (store.size() - before) / versions[0].stat().st_size


def _versions(folder: Path, number: int, size: float) -> list[Path]:
    """Parquet files, each with 1 % of the rows of the one before edited."""
    folder.mkdir(parents=True)
    frame, paths = table(size), []
    for index in range(number):
        frame = edited(frame, index) if index else frame
        paths.append(folder / f"{index}.parquet")
        pq.write_table(pa.Table.from_pandas(frame), paths[-1])
    return paths


def _put(file: Path, store: Store) -> None:
    """A copy of its own, since some peers make it theirs."""
    (store.work / _FILE).unlink(missing_ok=True)
    shutil.copyfile(file, store.work / _FILE)


@contextmanager
def _store(peer: Peer, folder: Path, sheet: Sheet) -> Iterator[Store | None]:
    """A new store for the time; None, and the reason on the sheet, where it can't be."""
    place = folder / "place"
    try:
        store = peer.make(place)
        store.run(store.create())
    except Cannot as reason:
        sheet.reasons.update(dict.fromkeys(("add", "again", "edit", "restore", "verify"), str(reason)))
        yield None
    else:
        yield store
    finally:
        remove(place)


def remove(place: Path) -> None:
    """Delete a folder; git-annex takes the right to write from its own."""
    for path in (place, *place.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(place)
