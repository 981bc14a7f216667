"""A thousand snapshots of twenty items: one more, listing, comparing, going back; and starting the programs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.peers.files import remove
from benchmarks.peers.folio import FolioStore
from benchmarks.peers.sheet import Sheet, Sheets
from benchmarks.peers.store import Peer, Store
from benchmarks.peers.worker import Worker

__all__ = ["many_snapshots"]

_ITEMS = [f"item{index:02}.json" for index in range(20)]
_TIMES = 5


def many_snapshots(
    peers: Sequence[Peer], folder: Path, rounds: int, number: int
) -> tuple[Sheets, Sheets, dict[str, int]]:
    """Whole processes, the calls of the two libraries in Pythons that stay, and how many snapshots each peer has."""
    stores = {peer.label: peer.make(folder / str(index)) for index, peer in enumerate(peers)}
    counts = {label: min(number, store.most_snapshots) for label, store in stores.items()}
    for label, store in stores.items():
        _prepare(store, counts[label])
    processes = _processes(stores, rounds)
    calls = _calls({label: store for label, store in stores.items() if isinstance(store, FolioStore)}, 2 * rounds)
    for index in range(len(peers)):
        remove(folder / str(index))
    return processes, calls, counts


def _prepare(store: Store, number: int) -> None:
    for name in _ITEMS:
        (store.work / name).write_text(f'{{"name": "{name}"}}', encoding="utf-8")
    store.run(store.create())
    store.run(store.add(_ITEMS, "first"))
    store.run(store.snapshot("first"))
    store.make_snapshots(_ITEMS, number)


def _processes(stores: dict[str, Store], rounds: int) -> Sheets:
    sheets = {label: Sheet() for label in stores}
    for number in range(rounds):
        for label in list(stores) if number % 2 else list(stores)[::-1]:
            _tell(stores[label], sheets[label], f"new{number}")
    return sheets


def _tell(store: Store, sheet: Sheet, version: str) -> None:
    (store.work / _ITEMS[0]).unlink(missing_ok=True)
    (store.work / _ITEMS[0]).write_text(f'{{"name": "{version}"}}', encoding="utf-8")
    sheet.run("start", store, store.start)
    sheet.run("snapshot", store, lambda: store.add_changed(_ITEMS, _ITEMS[0], version) + store.snapshot(version))
    sheet.run("list", store, store.listing)
    sheet.run("compare", store, lambda: store.compare("s0000", version))
    (store.work / _ITEMS[0]).unlink(missing_ok=True)
    sheet.run("restore", store, lambda: store.restore("s0000", _ITEMS[0]))


def _calls(stores: dict[str, FolioStore], rounds: int) -> Sheets:
    """Each call a few times a round, of which the median counts."""
    sheets = {label: Sheet() for label in stores}
    with ExitStack() as stack:
        workers = {label: stack.enter_context(store.worker()) for label, store in stores.items()}
        for number in range(rounds):
            for label in list(stores) if number % 2 else list(stores)[::-1]:
                _tell_of_calls(workers[label], stores[label].store, sheets[label], _TIMES)
    return sheets


def _tell_of_calls(worker: Worker, store: Path, sheet: Sheet, times: int) -> None:
    calls: dict[str, tuple[Any, ...]] = {
        "add json": ("put", "small", "@number"),
        "get json": ("get", "small"),
        "add table": ("add_table", "rows", "@rows"),
        "get table": ("get_table", "rows"),
        "create_snapshot": ("snapshot", "call{n}"),
        "list_snapshots": ("list_snapshots",),
        "open and list_snapshots": ("open_and_list", str(store)),
        "compare_snapshots": ("compare", "s0000", "first"),
        "load": ("load", "s0000", "small"),
        "verify": ("verify",),
    }
    for step, call in calls.items():
        sheet.call(step, store, lambda call=call: worker.call(*call, times=times))
