"""``python -m benchmarks.profile``: where the time of everyday work goes, by layer.

A folio is filled, read, snapshotted and listed under cProfile.  Each function's own time counts for
the layer whose module it is in; that of built-in functions and of other libraries for the part of
datafolio that called them, but for those that have a line of their own, such as fsync.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

import datafolio
from datafolio import DataFolio

_PACKAGE = str(Path(datafolio.__file__).parent)

#: Functions that have a line of their own, by a part of their name.
_SYSTEM = {
    "posix.fsync": "system: fsync",
    "posix.fdatasync": "system: fsync",
    "posix.link": "system: link, rename, unlink",
    "posix.replace": "system: link, rename, unlink",
    "posix.unlink": "system: link, rename, unlink",
    "posix.open": "system: open, stat, list",
    "posix.stat": "system: open, stat, list",
    "posix.lstat": "system: open, stat, list",
    "posix.scandir": "system: open, stat, list",
    "posix.listdir": "system: open, stat, list",
    "posix.write": "system: write",
    "'write' of '_io": "system: write",
    "posix.read": "system: read",
    "'read' of '_io": "system: read",
    "blake3": "hashing",
    "of 'lock' objects": "waiting for a thread",
    "of '_thread.lock' objects": "waiting for a thread",
    "of 'msgspec": "encoding: msgspec",
}

#: Modules by the beginning of their path in the package; the first that fits.
_LAYERS = {
    "backend": "backend",
    "digest": "hashing",
    "canonical": "encoding: canonical",
    "items": "items: pandas, pyarrow and numpy with them",
    "store/tree": "store: maps",
    "store/edit": "store: maps",
    "store/shape": "store: maps",
    "store/log": "store: log",
    "store/seal": "store: log",
    "store/views": "store: views",
    "store": "store: the rest",
    "porcelain": "porcelain",
}
_ELSEWHERE = "elsewhere"

_Function = tuple[str, int, str]


def main() -> int:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=arguments.folder) as folder:
        _work(Path(folder) / "warm", 2)  # what is imported for the first work is no part of it
        profile = cProfile.Profile()
        profile.runcall(_work, Path(folder) / "folio", arguments.times)
    times = _by_layer(pstats.Stats(profile).stats)  # type: ignore[attr-defined]
    print(_table(times))
    return 0


def _work(path: Path, times: int) -> None:
    """What a notebook does: small tables, arrays and values, metadata, snapshots, and looking at all of it."""
    folio = DataFolio(path)
    for number in range(times):
        folio.add_table("table", pd.DataFrame({"x": np.arange(100) + number, "y": ["a", "b"] * 50}), overwrite=True)
        folio.add_numpy("array", np.arange(1000.0) + number, overwrite=True)
        folio.add_json(f"value {number}", {"depth": number})
        folio.metadata["step"] = number
        folio.create_snapshot(f"run {number}".replace(" ", "-"), capture_git=False, capture_environment=False)
        folio.get_table("table")
        folio.get_numpy("array")
        folio.get_json("value 0")
        folio.list_items()
        if number % 20 == 0:
            folio.list_snapshots()
            len(DataFolio.open(path).items)


def _by_layer(
    stats: dict[_Function, tuple[int, int, float, float, dict[_Function, tuple[float, ...]]]],
) -> Counter[str]:
    """Seconds by layer."""
    times: Counter[str] = Counter()
    for function, (_, _, own, _, callers) in stats.items():
        for layer, share in _layers_of(function, callers, stats, depth=0).items():
            times[layer] += own * share
    return times


def _layers_of(function: _Function, callers, stats, depth: int) -> dict[str, float]:
    """The layers that a function's own time counts for, each with its share."""
    layer = _own_layer(function)
    if layer is not None:
        return {layer: 1.0}
    if not callers or depth == 8:
        return {_ELSEWHERE: 1.0}
    spent = {caller: times[2] for caller, times in callers.items()}
    whole = sum(spent.values())
    shares: Counter[str] = Counter()
    for caller, seconds in spent.items():
        part = seconds / whole if whole else 1 / len(spent)
        for name, share in _layers_of(caller, stats[caller][4], stats, depth + 1).items():
            shares[name] += part * share
    return dict(shares)


def _own_layer(function: _Function) -> str | None:
    file, _, name = function
    if file == "~":
        return next((layer for part, layer in _SYSTEM.items() if part in name), None)
    if file == __file__:
        return _ELSEWHERE
    if not file.startswith(_PACKAGE):
        return None
    inside = file.removeprefix(_PACKAGE).lstrip("/")
    return next((layer for start, layer in _LAYERS.items() if inside.startswith(start)), "porcelain")


def _table(times: Counter[str]) -> str:
    whole = sum(times.values())
    lines = [f"{'layer':<46} {'ms':>8} {'share':>7}"]
    lines += [f"{layer:<46} {seconds * 1e3:8.1f} {seconds / whole:7.1%}" for layer, seconds in times.most_common()]
    return "\n".join([*lines, f"{'in all':<46} {whole * 1e3:8.1f}"])


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Say where the time goes.")
    parser.add_argument("--times", type=int, default=200, help="how many rounds of the work (200)")
    parser.add_argument("--folder", type=Path, help="where the folio goes for the time; the system's own by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
