"""The demo's models: how late will a flight arrive?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AT_TAKE_OFF", "FROM_SCHEDULE", "error_in_minutes", "split", "train"]

#: What is known when a flight takes off...
AT_TAKE_OFF = ["dep_delay", "hour", "distance", "carrier", "origin", "temp", "wind_speed", "precip", "visib"]
#: ...and what the schedule alone tells.
FROM_SCHEDULE = ["hour", "distance", "carrier", "origin"]

_TEXTS = {"carrier", "origin"}
_WEATHER_KEY = ["origin", "year", "month", "day", "hour"]
_FIRST_HELD_OUT_MONTH = 10


def split(flights: pd.DataFrame, weather: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The flights that arrived, with the weather at take-off: to train on, and the year's last quarter to test on."""
    arrived = flights.dropna(subset=["arr_delay"])
    rows = arrived.merge(weather.drop_duplicates(_WEATHER_KEY), on=_WEATHER_KEY, how="left")
    held_out = rows["month"] >= _FIRST_HELD_OUT_MONTH
    return rows[~held_out], rows[held_out]


def train(rows: pd.DataFrame, columns: list[str]) -> Pipeline:
    """A pipeline that predicts the delay on arrival, in minutes, from `columns`."""
    texts = [column for column in columns if column in _TEXTS]
    numbers = [column for column in columns if column not in _TEXTS]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    pipeline = make_pipeline(
        make_column_transformer((encoder, texts), ("passthrough", numbers)),
        HistGradientBoostingRegressor(loss="absolute_error", max_iter=60, early_stopping=False, random_state=0),
    )
    return pipeline.fit(rows, rows["arr_delay"])


def error_in_minutes(model: Pipeline, rows: pd.DataFrame) -> float:
    """By how much the predictions for `rows` are off, on average."""
    return round(float(mean_absolute_error(rows["arr_delay"], model.predict(rows))), 2)
