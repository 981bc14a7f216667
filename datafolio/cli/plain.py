"""For a file or a pipe: no colour, and lines as long as they have to be, which `grep` and `awk` want whole."""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from datafolio.cli.render import Fields, Line, Part

__all__ = ["page"]

_GAP = "  "


def page(parts: Iterable[Part]) -> Iterator[str]:
    """The lines of the parts, one below the other."""
    for part in parts:
        if isinstance(part, Line):
            yield "".join(text for text, _ in part.words)
        elif isinstance(part, Fields):
            yield from _aligned(part.pairs, (False, False), " " * part.indent)
        else:
            yield from _aligned([part.columns, *part.rows], part.right)


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[bool], before: str = "") -> Iterator[str]:
    columns = [
        _column(cells, to_right=to_right) for cells, to_right in zip(zip(*rows, strict=True), right, strict=True)
    ]
    return (before + _GAP.join(cells) for cells in zip(*columns, strict=True))


def _column(cells: Sequence[str], *, to_right: bool) -> list[str]:
    """The cells, each with the blanks that make them equally wide."""
    widths = [_width(cell) for cell in cells]
    widest = max(widths)
    blanks = (" " * (widest - width) for width in widths)
    return list(map(operator.add, blanks, cells) if to_right else map(operator.add, cells, blanks))


def _width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(_width_of_character, text))


def _width_of_character(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
