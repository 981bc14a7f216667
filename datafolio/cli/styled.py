"""For a terminal: in colour, and fitted to its width.  rich lays it out, and never sees markup."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TextIO

from rich import table as grid
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from datafolio.cli.render import Fields, Line, Part, Table
from datafolio.cli.terminal import has_colour

__all__ = ["moving_bar", "page"]


def page(parts: Iterable[Part]) -> list[str]:
    """The lines of the parts, one below the other."""
    # rich writes to the page alone: errors of standard output are for those who print it.
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, color_system=_colours(sys.stdout), highlight=False, emoji=False)
    for part in parts:
        # A terminal wraps a long line itself, and gives it back whole when it is copied.
        console.print(_rendered(part), soft_wrap=isinstance(part, Line), markup=False)
    return text.getvalue().removesuffix("\n").split("\n")


def _rendered(part: Part) -> RenderableType:
    if isinstance(part, Line):
        return Text.assemble(*part.words)
    return _table(part) if isinstance(part, Table) else _fields(part)


def _table(part: Table) -> RenderableType:
    result = grid.Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, right in zip(part.columns, part.right, strict=True):
        result.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in part.rows:
        result.add_row(*map(Text, row))
    return result


def _fields(part: Fields) -> RenderableType:
    result = grid.Table.grid(padding=(0, 2, 0, 0))
    result.add_column(style="cyan", overflow="fold")
    result.add_column(overflow="fold")
    for name, value in part.pairs:
        result.add_row(Text(name), Text(value))
    return Padding(result, (0, 0, 0, part.indent), expand=False)


@contextlib.contextmanager
def moving_bar(label: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on standard error, moved by a call with what is done, what there is to do, and both in words."""
    console = Console(file=sys.stderr, color_system=_colours(sys.stderr))
    columns = (TextColumn(label), BarColumn(), TextColumn("{task.fields[size]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, size="")
        yield lambda done, total, size: progress.update(task, completed=done, total=total, size=size)


def _colours(stream: TextIO) -> Literal["auto"] | None:
    return "auto" if has_colour(stream) else None
