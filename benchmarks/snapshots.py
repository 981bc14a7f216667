"""Snapshots: what making one writes and reads, and whether it takes longer the more there are."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import Action, in_turns
from benchmarks.report import Row, against, alone, counted
from benchmarks.tables import stored_file
from datafolio import DataFolio

__all__ = ["benchmark_small_items", "benchmark_snapshots"]

_FEW, _MANY = 10, 1000
_MOST_FILES = 3
#: Copies for people, which are replaced, not durably, now and then.
_VIEWS = {"items.json", "snapshots.json"}


def benchmark_snapshots(folder: Path, rounds: int) -> list[Row]:
    """`create_snapshot` with capture off."""
    few, many = (_folio_with_snapshots(folder / f"{number}", number) for number in (_FEW, _MANY))
    created, touched = _files_of_one_snapshot(many)
    actions = {"few": _snapshot_and_delete(few), "many": _snapshot_and_delete(many), "bare": _two_files(folder)}
    taken = in_turns(actions, rounds)
    return [
        counted("files that `create_snapshot` creates", created, _MOST_FILES),
        counted("data files that it opens, to read or to write", touched, 0),
        against(f"`create_snapshot` with {_MANY:,} snapshots in the folio / with {_FEW}", taken["many"], taken["few"]),
        against(
            f"`create_snapshot` with {_MANY:,} snapshots / two files written, synced, linked, and their folders synced",
            taken["many"],
            taken["bare"],
        ),
    ]


def _two_files(folder: Path) -> Action:
    """The least that a durable snapshot takes: an object and a record, made as datafolio makes them."""
    places = [folder / "objects", folder / "log"]
    for place in places:
        place.mkdir()
    numbers = itertools.count()
    return Action(lambda: [_durable_file(place, str(next(numbers))) for place in places])


def _durable_file(folder: Path, name: str) -> None:
    staged, final = folder / f"{name}.new", folder / name
    with open(staged, "xb", buffering=0) as file:
        file.write(bytes(3000))
        os.fsync(file.fileno())
    os.link(staged, final)
    os.unlink(staged)
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def benchmark_small_items(folder: Path, rounds: int) -> list[Row]:
    """The fixed cost of one durable operation, and of one read."""
    folio = DataFolio(folder / "small")
    numbers = itertools.count()
    folio.add_table("table", _two_rows(0))
    folio.add_json("value", {"depth": 3})
    taken = in_turns(
        {
            "add_json": Action(lambda: folio.add_json("new", next(numbers), overwrite=True)),
            "add_table": Action(lambda: folio.add_table("rows", _two_rows(next(numbers)), overwrite=True)),
            "get_json": Action(lambda: folio.get_json("value")),
            "get_table": Action(lambda: folio.get_table("table")),
            "metadata": Action(lambda: folio.metadata.update(step=next(numbers))),
        },
        rounds,
    )
    words = {
        "add_json": "`add_json`, one number",
        "add_table": "`add_table`, two rows",
        "get_json": "`get_json`, one number",
        "get_table": "`get_table`, two rows",
        "metadata": "one change of `metadata`",
    }
    return [alone(words[name], taken[name]) for name in words]


def _two_rows(number: int) -> pd.DataFrame:
    return pd.DataFrame({"x": [number, 2], "y": ["a", "b"]})


def _folio_with_snapshots(path: Path, number: int) -> DataFolio:
    folio = DataFolio(path)
    for index in range(10):
        folio.add_table(f"table{index}", pd.DataFrame({"x": np.arange(1000) + index}))
    for index in range(number):
        folio.create_snapshot(f"s{index:04}", capture_git=False, capture_environment=False, capture_execution=False)
    return folio


def _snapshot_and_delete(folio: DataFolio) -> Action:
    return Action(
        lambda: folio.create_snapshot("new", capture_git=False, capture_environment=False, capture_execution=False),
        before=lambda: folio.metadata.update(round=folio.metadata.get("round", 0) + 1),
        after=lambda: folio.delete_snapshot("new"),
    )


def _files_of_one_snapshot(folio: DataFolio) -> tuple[int, int]:
    """How many files one more snapshot creates, and how many of the items' own files it opens."""
    data = {str(stored_file(folio, item)) for item in folio.items}
    before = _files(folio.path)
    with _opened() as paths:
        folio.create_snapshot("one-more", capture_git=False, capture_environment=False, capture_execution=False)
    return len(_files(folio.path) - before - _VIEWS), len(data.intersection(paths))


def _files(folder: Path) -> set[str]:
    return {os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder) for name in names}


@contextmanager
def _opened() -> Iterator[list[str]]:
    """The paths that Python opens meanwhile.  A hook can't be taken away again, so afterwards it looks aside."""
    paths: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            paths.append(os.fspath(arguments[0]))

    sys.addaudithook(hook)
    try:
        yield paths
    finally:
        watching = False
