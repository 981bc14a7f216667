"""The data, the same in every process: made by numpy from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["edited", "makers", "model", "small_table", "table"]

_COLUMNS, _LAYERS = 10, 20


def table(size: float) -> pd.DataFrame:
    """A table of 500 MB times `size`: random doubles, which nothing can compress, and a column of numbers."""
    rows, random = int(500e6 * size / (8 * _COLUMNS)), np.random.default_rng(0)
    columns = {f"x{number}": random.standard_normal(rows) for number in range(_COLUMNS - 1)}
    return pd.DataFrame({"id": np.arange(rows), **columns})


def edited(frame: pd.DataFrame, number: int) -> pd.DataFrame:
    """The table with 1 % of its rows, which follow each other, changed in every column but the first."""
    changed, random = frame.copy(), np.random.default_rng(number)
    count = len(frame) // 100
    first = (number * 7 * count) % (len(frame) - count)
    for name in changed.columns[1:]:
        changed.iloc[first : first + count, changed.columns.get_loc(name)] = random.standard_normal(count)
    return changed


def model(size: float) -> dict[str, np.ndarray]:
    """A dict of arrays that are 500 MB times `size` together."""
    length, random = int(500e6 * size / (4 * _LAYERS)), np.random.default_rng(0)
    return {f"layer{number}": random.standard_normal(length, dtype="float32") for number in range(_LAYERS)}


def small_table() -> pd.DataFrame:
    """Ten rows."""
    return pd.DataFrame({"x": np.arange(10), "y": list("abcdefghij")})


def makers(size: float) -> dict[str, Callable[[], Any]]:
    """What the workers can be asked to store."""
    return {
        "table": lambda: table(size),
        "edited": lambda: edited(table(size), 1),
        "model": lambda: model(size),
        "small": small_table,
    }
