"""The results as pictures: small SVG files that read on light and dark pages, and are equal if the figures are."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.report import Curves, Row, Section

__all__ = ["draw"]

_GREY, _GOOD, _BAD = "#808080", "#2e9e5b", "#d1493f"
_COLOURS = ("#3b82c4", "#d98324", "#2e9e5b", "#9b6bc4", "#c4553b")
#: The characters in a line of a label, which wraps.
_LINE = 64
#: How much of a picture with lines is left empty at its top, for what the lines are called.
_HEADROOM = 0.3
_STYLE = {
    # No chance and no date in the file.
    "svg.hashsalt": "datafolio",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    **{f"{name}.color": _GREY for name in ("text", "xtick", "ytick")},
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(folder: Path, title: str, section: Section) -> list[Path]:
    """Draw what there is to see of a section: its curves, and its ratios with their ranges and limits."""
    folder.mkdir(parents=True, exist_ok=True)
    curves = [part for part in section if isinstance(part, Curves)]
    with mpl.rc_context(_STYLE):
        paths = [_save(_curves(part), folder / f"{_slug(part.title)}.svg") for part in curves]
        rows = [part for part in section if isinstance(part, Row) and part.ratio is not None and part.most is not None]
        if rows:
            paths.append(_save(_ratios(rows), folder / f"{_slug(title)}.svg"))
    return paths


def _curves(curves: Curves) -> Figure:
    figure, axes = _empty(6.4, 3.2)
    for colour, (name, points) in zip(_COLOURS, curves.lines.items(), strict=False):
        sizes = sorted(points)
        axes.plot(sizes, [points[size] * 1e3 for size in sizes], "o-", color=colour, label=_plain(name), markersize=4)
    axes.set_xscale("log")
    marks = sorted({size for points in curves.lines.values() for size in points})
    axes.set_xticks(marks, [f"{size:,}" for size in marks])
    axes.set_ylim(0, max(max(points.values()) for points in curves.lines.values()) * 1e3 / (1 - _HEADROOM))
    axes.set_xlabel(curves.sizes)
    axes.set_ylabel("milliseconds")
    axes.set_title(curves.title, loc="left", fontsize=10)
    axes.legend(frameon=False, loc="upper left")
    return figure


def _ratios(rows: list[Row]) -> Figure:
    """A dot at each median, a line over the range of the middle half of the rounds, and a mark at the limit."""
    labels = [textwrap.fill(_plain(row.what), _LINE) for row in reversed(rows)]
    figure, axes = _empty(7.6, 0.8 + 0.15 * (len(rows) + sum(label.count("\n") + 1 for label in labels)))
    for place, row in enumerate(reversed(rows)):
        _ratio(axes, place, row)
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel("times as long; the mark is the limit")
    return figure


def _ratio(axes: Any, place: int, row: Row) -> None:
    assert row.ratio is not None
    colour = _GOOD if row.holds else _BAD
    axes.plot([row.ratio.low, row.ratio.high], [place, place], color=colour, linewidth=2)
    axes.plot([row.ratio.median], [place], "o", color=colour, markersize=6)
    axes.plot([row.most], [place], "|", color=_GREY, markersize=14, markeredgewidth=1.5)


def _empty(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.grid(color=_GREY, alpha=0.25, linewidth=0.5)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return path


def _plain(what: str) -> str:
    return what.replace("`", "")


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
