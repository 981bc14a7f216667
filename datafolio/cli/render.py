"""For people: lines and tables.

What is shown is made here, as values, and every text in it is `clean`.  `plain` lays it out where nobody
looks, and `styled`, with rich, on a terminal: loading rich takes longer than most commands do.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from datafolio.cli.terminal import clean, is_terminal, write
from datafolio.text import format_size

__all__ = [
    "Fields",
    "Line",
    "Part",
    "Table",
    "count",
    "fields",
    "format_time",
    "format_value",
    "line",
    "progress_bar",
    "show",
    "table",
]

_LONGEST_VALUE = 500


class Line(NamedTuple):
    """One line: texts, each with its style."""

    words: tuple[tuple[str, str], ...]


class Table(NamedTuple):
    """Rows under a heading."""

    columns: tuple[str, ...]
    #: For each column, whether it stands to the right.
    right: tuple[bool, ...]
    rows: list[tuple[str, ...]]


class Fields(NamedTuple):
    """Names and values, one pair a line."""

    pairs: list[tuple[str, str]]
    #: How many blanks stand before each line.
    indent: int


Part = Line | Table | Fields


def show(*parts: Part | str) -> None:
    """Print each part on standard output; a text as one line."""
    shown = [line((part, "")) if isinstance(part, str) else part for part in parts]
    write("\n".join(text.rstrip() for text in _layout()(shown)))


def _layout() -> Callable[[Iterable[Part]], Iterable[str]]:
    if is_terminal(sys.stdout):
        from datafolio.cli import styled

        return styled.page
    from datafolio.cli import plain

    return plain.page


def line(*words: tuple[object, str]) -> Line:
    """One line of ``(text, style)``."""
    return Line(tuple((clean(text), style) for text, style in words))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows under a heading; the columns whose name begins with ``>`` stand to the right."""
    names = tuple(name.removeprefix(">") for name in columns)
    right = tuple(name.startswith(">") for name in columns)
    return Table(names, right, [tuple(map(clean, row)) for row in rows])


def fields(pairs: Mapping[Any, object], indent: int = 0) -> Fields:
    """Names and values, one pair a line."""
    return Fields([(clean(name), clean(value)) for name, value in pairs.items()], indent)


def count(number: int, noun: str) -> str:
    """``1 item``, ``2 items``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def format_time(timestamp: str) -> str:
    """A stored timestamp to the second: ``2025-01-20 15:00:00``."""
    return timestamp[:19].replace("T", " ")


def format_value(value: object) -> str:
    """A value of the metadata, as Python writes it; a very long one is cut."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... (--json shows it whole)"


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Called with the bytes done and those to do, shows them on standard error; None where nobody would see it."""
    if not is_terminal(sys.stderr):
        yield None
        return
    from datafolio.cli.styled import moving_bar

    with moving_bar(label) as move:
        yield lambda done, total: move(done, total, f"{format_size(done)} of {format_size(total)}")
