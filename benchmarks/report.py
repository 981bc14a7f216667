"""The results as text: one table in Markdown, with what is needed to read it."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from benchmarks.measure import Series, Spread, ratio

__all__ = ["Row", "against", "alone", "counted", "render"]

_INTRODUCTION = """\
# Benchmarks

This file is written by `make bench`, which takes some minutes; run it again on your own machine.

Each figure is a ratio of two things timed within one run, in turns: every round does each of them once, in alternating
order, so that whatever else the machine does falls on both. A ratio is the median over the rounds of the ratio within
each round; in brackets stands the range of the middle half of the rounds. Below 1 datafolio is the faster one.
Milliseconds are there for scale only. Where there is a limit, it is the project's own promise.
"""


@dataclass(frozen=True)
class Row:
    """One line of the results."""

    what: str
    figure: str
    times: str
    limit: str = ""
    #: Whether the limit holds, or None where there is none.
    holds: bool | None = None


def against(what: str, series: Series, reference: Series, limit: float | None = None) -> Row:
    """`series` as a ratio to `reference`."""
    found = ratio(series, reference)
    times = f"{_milliseconds(series)} against {_milliseconds(reference)}"
    figure = f"**{found.median:.2f}** ({found.low:.2f} to {found.high:.2f})"
    if limit is None:
        return Row(what, figure, times)
    return Row(what, figure, times, f"at most {limit:g}", found.median <= limit)


def alone(what: str, series: Series) -> Row:
    """`series` by itself, for scale."""
    return Row(what, "", _milliseconds(series))


def counted(what: str, number: int, limit: int) -> Row:
    """Something that is counted, not timed."""
    within = operator.eq if limit == 0 else operator.le
    return Row(what, f"**{number}**", "", f"at most {limit}" if limit else "none", within(number, limit))


def _milliseconds(series: Series) -> str:
    spread = Spread.of(series)
    digits = 0 if spread.median >= 0.1 else 1
    return f"{spread.median * 1e3:.{digits}f} ms"


def render(machine: dict[str, str], rounds: int, sections: dict[str, list[Row]]) -> str:
    """The whole file."""
    parts = [_INTRODUCTION, "## The machine\n", _table(["", ""], [list(fact) for fact in machine.items()])]
    parts.append(f"Rounds: {rounds} for the large tables, more for what is quick.\n")
    for title, rows in sections.items():
        cells = [[row.what, row.figure, row.times, row.limit, _verdict(row.holds)] for row in rows]
        parts += [f"## {title}\n", _table(["", "ratio or count", "medians", "limit", "holds"], cells)]
    return "\n".join(parts)


def _verdict(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "**no**"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
