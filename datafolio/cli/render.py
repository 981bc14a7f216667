"""For people: lines and tables, in colour where there is colour.

rich lays them out.  It never sees markup: every text is a `Text` that `clean` has been over.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from datafolio.cli.terminal import clean, has_colour, is_terminal, write
from datafolio.text import format_size

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["count", "fields", "format_time", "format_value", "line", "progress_bar", "show", "table"]

#: Where nobody looks, lines are as long as they have to be: `grep` and `awk` want them whole.
_UNLIMITED = 100_000
_LONGEST_VALUE = 500


def show(*parts: RenderableType | str) -> None:
    """Print each part on standard output; a text as one line."""
    from rich.text import Text

    page = io.StringIO()
    console = _console(page)
    for part in parts:
        rendered = line((part, "")) if isinstance(part, str) else part
        # A terminal wraps a long line itself, and gives it back whole when it is copied.
        console.print(rendered, soft_wrap=isinstance(rendered, Text))
    write("\n".join(text.rstrip() for text in page.getvalue().removesuffix("\n").split("\n")))


def _console(page: TextIO) -> Console:
    from rich.console import Console

    # rich writes to the page alone: errors of standard output are `write`'s to explain.
    return Console(
        file=page,
        force_terminal=is_terminal(sys.stdout),
        color_system="auto" if has_colour(sys.stdout) else None,
        width=None if is_terminal(sys.stdout) else _UNLIMITED,
        markup=False,
        highlight=False,
        emoji=False,
    )


def line(*words: tuple[object, str]) -> Text:
    """One line of ``(text, style)``, each text cleaned."""
    from rich.text import Text

    return Text.assemble(*((clean(text), style) for text, style in words))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> RenderableType:
    """Rows under a heading; the columns whose name begins with ``>`` stand to the right."""
    from rich.table import Table

    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        result.add_column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        result.add_row(*(line((cell, "")) for cell in row))
    return result


def fields(pairs: Mapping[Any, object], indent: int = 0) -> RenderableType:
    """Names and values, one pair a line."""
    from rich.padding import Padding
    from rich.table import Table

    result = Table.grid(padding=(0, 2, 0, 0))
    result.add_column(style="cyan", overflow="fold")
    result.add_column(overflow="fold")
    for name, value in pairs.items():
        result.add_row(line((name, "")), line((value, "")))
    return Padding(result, (0, 0, 0, indent), expand=False)


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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(file=sys.stderr, color_system="auto" if has_colour(sys.stderr) else None)
    columns = (TextColumn(label), BarColumn(), TextColumn("{task.fields[size]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, size="")
        yield lambda done, total: progress.update(
            task, completed=done, total=total, size=f"{format_size(done)} of {format_size(total)}"
        )
