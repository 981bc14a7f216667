"""Timing things against each other: in turns, so that a busy machine is busy for all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Action", "Series", "Spread", "in_turns", "ratio"]


@dataclass(frozen=True)
class Spread:
    """A median, and the range that the middle half of the rounds is in."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


#: The seconds that each round took.
Series = list[float]


@dataclass(frozen=True)
class Action:
    """What is timed, and what comes before and after it in each round, which is not."""

    run: Callable[[], Any]
    before: Callable[[], Any] = lambda: None
    after: Callable[[], Any] = lambda: None


def in_turns(actions: Mapping[str, Action], rounds: int) -> dict[str, Series]:
    """Time every action once a round.  Every second round goes backwards; the first, to warm up, does not count."""
    taken: dict[str, Series] = {name: [] for name in actions}
    for number in range(rounds + 1):
        names = list(actions) if number % 2 else list(actions)[::-1]
        for name in names:
            seconds = _time(actions[name])
            if number:
                taken[name].append(seconds)
    return taken


def _time(action: Action) -> float:
    action.before()
    gc.collect()
    start = time.perf_counter()
    result = action.run()  # kept until the time is taken, so that freeing it does not count
    seconds = time.perf_counter() - start
    del result
    action.after()
    return seconds


def ratio(series: Series, reference: Series) -> Spread:
    """How many times as long as the reference it took, round by round."""
    return Spread.of([mine / other for mine, other in zip(series, reference, strict=True)])
