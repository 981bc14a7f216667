"""The results as text: for each section a table in Markdown, its pictures, and what there is to say about it."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Series, Spread, ratio

__all__ = [
    "Curves",
    "Row",
    "Section",
    "against",
    "alone",
    "amount",
    "counted",
    "more",
    "read_notes",
    "render",
    "table",
    "verdict",
]

_INTRODUCTION = """\
# Benchmarks

This file is written by `make bench`, which takes a while; run it again on your own machine.

Each figure is a ratio of two things timed within one run, in turns: every round does each of them once, in alternating
order, so that whatever else the machine does falls on both. A ratio is the median over the rounds of the ratio within
each round; in brackets stands the range of the middle half of the rounds. Below 1 datafolio is the faster one.
A figure with a plus is a difference, found in the same way. Milliseconds are there for scale only. Where there is a
limit, it is the project's own promise.
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
    #: The ratio and what it may be at most, for the picture; None for what is no ratio.
    ratio: Spread | None = None
    most: float | None = None


@dataclass(frozen=True)
class Curves:
    """What something costs at several sizes: a picture."""

    title: str
    #: What the sizes are: ``"snapshots in the folio"``.
    sizes: str
    #: For each line, its name, and seconds by size.
    lines: Mapping[str, Mapping[int, float]]


#: What a benchmark returns: rows of its table, and pictures for below it.
Section = Sequence["Row | Curves"]


def against(what: str, series: Series, reference: Series, limit: float | None = None) -> Row:
    """`series` as a ratio to `reference`."""
    found = ratio(series, reference)
    times = f"{_milliseconds(series)} against {_milliseconds(reference)}"
    figure = f"**{found.median:.2f}** ({found.low:.2f} to {found.high:.2f})"
    if limit is None:
        return Row(what, figure, times, ratio=found)
    return Row(what, figure, times, f"at most {limit:g}", found.median <= limit, found, limit)


def more(what: str, series: Series, reference: Series, limit: float | None = None) -> Row:
    """How many seconds `series` takes longer than `reference`."""
    found = Spread.of([mine - other for mine, other in zip(series, reference, strict=True)])
    times = f"{_milliseconds(series)} against {_milliseconds(reference)}"
    figure = f"**{found.median * 1e3:+.1f} ms** ({found.low * 1e3:+.1f} to {found.high * 1e3:+.1f})"
    if limit is None:
        return Row(what, figure, times)
    return Row(what, figure, times, f"at most {limit * 1e3:+g} ms", found.median <= limit)


def alone(what: str, series: Series, limit: float | None = None) -> Row:
    """`series` by itself: for scale, or with a `limit` in seconds."""
    if limit is None:
        return Row(what, "", _milliseconds(series))
    return Row(what, "", _milliseconds(series), f"at most {limit * 1e3:g} ms", Spread.of(series).median <= limit)


def amount(what: str, number: float, unit: str, limit: float | None = None) -> Row:
    """Something that is measured, but not in time: ``amount("peak memory", 312.5, "MB", 400)``."""
    figure = f"**{number:,.{0 if number >= 100 else 1}f} {unit}**"
    if limit is None:
        return Row(what, figure, "")
    return Row(what, figure, "", f"at most {limit:,g} {unit}", number <= limit)


def counted(what: str, number: int, limit: int) -> Row:
    """Something that is counted, not timed."""
    within = operator.eq if limit == 0 else operator.le
    return Row(what, f"**{number}**", "", f"at most {limit}" if limit else "none", within(number, limit))


def _milliseconds(series: Series) -> str:
    spread = Spread.of(series)
    digits = 0 if spread.median >= 0.1 else 1
    return f"{spread.median * 1e3:.{digits}f} ms"


def read_notes(file: Path) -> dict[str, str]:
    """What there is to say below each section: the text under its heading in a file that people keep."""
    _, *parts = re.split(r"^## (.*)\n", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title.strip(): text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def render(
    machine: Mapping[str, str],
    rounds: int,
    sections: Mapping[str, Section],
    pictures: Mapping[str, Sequence[str]],
    notes: Mapping[str, str],
) -> str:
    """The whole file.  `pictures` are paths, and `notes` texts, for below the tables, by the section's title."""
    parts = [_INTRODUCTION, "## The machine\n", table(["", ""], [list(fact) for fact in machine.items()])]
    parts.append(f"Rounds: {rounds} for the large tables, more for what is quick.\n")
    for title, section in sections.items():
        rows = [part for part in section if isinstance(part, Row)]
        cells = [[row.what, row.figure, row.times, row.limit, verdict(row.holds)] for row in rows]
        parts += [f"## {title}\n", table(["", "figure", "medians", "limit", "holds"], cells)]
        parts += [f"![{Path(path).stem.replace('-', ' ')}]({path})\n" for path in pictures.get(title, ())]
        parts += [f"{notes[title]}\n"] if notes.get(title) else []
    return "\n".join(parts)


def verdict(holds: bool | None) -> str:
    """Whether a limit holds, as it stands in a table."""
    return "" if holds is None else "yes" if holds else "**no**"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
