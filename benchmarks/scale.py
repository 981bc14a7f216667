"""What operations cost in a folio that has grown: with the number of snapshots, and with the number of items.

One operation is timed in folios of 10, 100, 1,000 and more, in turns within one run; the rows are ratios of
two of these, and the pictures show them all.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.measure import Action, Series, in_turns
from benchmarks.report import Curves, Row, Section, against, alone
from datafolio import DataFolio
from datafolio.store.log import RETAINED

__all__ = ["benchmark_scale"]

_SNAPSHOTS = (10, 100, 1_000, 10_000)
_ITEMS = (10, 100, 1_000, 10_000, 100_000)
_ADD_LIMITS = {10_000: 1.5, 100_000: 2.5}
_BATCH = 10_000
_DIFFERENCES = 10
#: How many payloads the items of a large folio share, so that it is not mostly the making of it that takes time.
_CONTENTS = 1_000
_OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def benchmark_scale(folder: Path, rounds: int, size: float) -> Section:
    """The cost of operations as a folio grows, up to `size` times 10,000 snapshots and 100,000 items.

    Limits are for the full size alone.
    """
    with_snapshots = {
        number: _folio_with_snapshots(folder / f"snapshots-{number}", number) for number in _up_to(_SNAPSHOTS, size)
    }
    with_items = {number: _folio_with_items(folder / f"items-{number}", number) for number in _up_to(_ITEMS, size)}
    return [*_with_snapshots(with_snapshots, rounds), *_with_items(with_items, rounds)]


def _up_to(numbers: tuple[int, ...], size: float) -> list[int]:
    """Those up to `size` of the largest, and in any case the first two, which a ratio takes."""
    return [number for number in numbers if number <= max(numbers[1], size * numbers[-1])]


def _with_snapshots(folios: dict[int, DataFolio], rounds: int) -> list[Row | Curves]:
    created, loaded, deleted = (_series(folios, action, rounds) for action in (_create, _load, _delete))
    few, many = min(folios), max(folios)
    limit = 1.3 if many == _SNAPSHOTS[-1] else None
    what = (
        "`create_snapshot` after a change of one item",
        "`load_snapshot` and one small `get`",
        "`delete` of an item",
    )
    rows = [
        against(f"{what[0]}, {many:,}th / {few}th", created[many], created[few], limit),
        against(f"{what[1]}, with {many:,} snapshots / with {few}", loaded[many], loaded[few], limit),
        against(f"{what[2]} that no snapshot holds, with {many:,} / with {few}", deleted[many], deleted[few]),
    ]
    if 1_000 in folios:
        listed = in_turns({"list": Action(folios[1_000].list_snapshots)}, rounds)["list"]
        rows.append(alone("`list_snapshots` of 1,000", listed, 0.015))
    lines = {name: _medians(series) for name, series in zip(what, (created, loaded, deleted), strict=True)}
    return [*rows, Curves("With the number of snapshots", "snapshots in the folio", lines)]


def _with_items(folios: dict[int, DataFolio], rounds: int) -> list[Row | Curves]:
    added = _series(folios, _add, rounds)
    few = min(folios)
    shown = [number for number in folios if number in _ADD_LIMITS or number == max(folios)]
    what = "`add_table` of two rows"
    rows = [
        against(f"{what}, with {number:,} items / with {few}", added[number], added[few], _ADD_LIMITS.get(number))
        for number in shown
    ]
    curves = Curves("With the number of items", "items in the folio", {what: _medians(added)})
    return [*rows, _compared(folios, rounds), curves]


def _compared(folios: dict[int, DataFolio], rounds: int) -> Row:
    """`compare_snapshots` of two that differ in a few items, in a folio of many and in one of a hundred."""
    few, many = 100, max(folios)
    for folio in (folios[few], folios[many]):
        folio.create_snapshot("old", **_OFF)
        with folio.batch():
            for number in range(_DIFFERENCES):
                folio.add_json(f"item{number}", -1, overwrite=True)
        folio.create_snapshot("new", **_OFF)
    actions = {f"{number}": Action(_comparing(folios[number])) for number in dict.fromkeys((few, many))}
    taken = in_turns(actions, rounds)
    what = f"`compare_snapshots`, {_DIFFERENCES} differences in {many:,} items / in {few}"
    return against(what, taken[f"{many}"], taken[f"{few}"], 5 if many == _ITEMS[-1] else None)


def _comparing(folio: DataFolio) -> Callable[[], object]:
    def compare() -> object:
        difference = folio.compare_snapshots("old", "new")
        # The names of all that is shared are listed for those who ask for them; that takes time with their number.
        return [difference[key] for key in ("added_items", "removed_items", "modified_items", "metadata_changes")]

    return compare


def _series(folios: dict[int, DataFolio], action: Callable[[DataFolio], Action], rounds: int) -> dict[int, Series]:
    """The operation in each of the folios, in turns."""
    taken = in_turns({f"{number}": action(folio) for number, folio in folios.items()}, rounds)
    return {number: taken[f"{number}"] for number in folios}


def _medians(series: dict[int, Series]) -> dict[int, float]:
    return {number: statistics.median(seconds) for number, seconds in series.items()}


def _create(folio: DataFolio) -> Action:
    numbers = itertools.count()
    return Action(
        lambda: folio.create_snapshot("new", **_OFF),
        before=lambda: folio.add_json("changing", f"before {next(numbers)}", overwrite=True),
        after=lambda: folio.delete_snapshot("new"),
    )


def _load(folio: DataFolio) -> Action:
    return Action(lambda: DataFolio.load_snapshot(folio.path, "s00005").get_json("item3"))


def _delete(folio: DataFolio) -> Action:
    return Action(lambda: folio.delete("added"), before=lambda: folio.add_json("added", 1))


def _add(folio: DataFolio) -> Action:
    numbers = itertools.count()
    return Action(
        lambda: folio.add_table("rows", pd.DataFrame({"x": [next(numbers), 2], "y": ["a", "b"]}), overwrite=True)
    )


def _folio_with_items(path: Path, number: int) -> DataFolio:
    folio = DataFolio(path)
    for start in range(0, number, _BATCH):
        with folio.batch():
            for index in range(start, min(number, start + _BATCH)):
                folio.add_json(f"item{index}", index % _CONTENTS)
    return folio


def _folio_with_snapshots(path: Path, number: int) -> DataFolio:
    """A folio of ten items, with snapshots each of which differs from the one before in one item."""
    folio = _folio_with_items(path, 10)
    for start in range(0, number, _BATCH // 10):
        with folio.batch():
            for index in range(start, min(number, start + _BATCH // 10)):
                folio.add_json("changing", index, overwrite=True)
                folio.create_snapshot(f"s{index:05}", **_OFF)
    for step in range(RETAINED):  # however few there are, the log is as long as that of any folio in use
        folio.metadata["step"] = step
    return folio
