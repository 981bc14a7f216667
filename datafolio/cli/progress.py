"""Progress on standard error: where somebody looks, and of what takes so long that they would wonder."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from datafolio.cli.terminal import is_terminal
from datafolio.text import format_size

if TYPE_CHECKING:
    from datafolio.store.transfer import Amount

__all__ = ["copying_bar", "progress_bar"]

#: In seconds.  Loading rich for less would itself be what takes the time.
_PATIENCE = 1.0


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Called with the bytes done and those to do, shows them; None where nobody would see it."""
    with _late_bar(label) as move:
        if move is None:
            yield None
        else:
            yield lambda done, total: move(done, total, f"{format_size(done)} of {format_size(total)}")


@contextlib.contextmanager
def copying_bar(label: str) -> Iterator[Callable[[Amount, Amount], None] | None]:
    """The same, called with objects and bytes."""
    with _late_bar(label) as move:
        yield None if move is None else lambda done, total: _move(move, done, total)


def _move(move: Callable[[int, int, str], None], done: Amount, total: Amount) -> None:
    # Each object takes some time, however small it is.
    words = f"{done.objects} of {total.objects} objects, {format_size(done.size)} of {format_size(total.size)}"
    move(done.size + done.objects * _OBJECT, total.size + total.objects * _OBJECT, words)


#: What an object takes besides its bytes, as so many bytes that take as long.
_OBJECT = 100_000


@contextlib.contextmanager
def _late_bar(label: str) -> Iterator[Callable[[int, int, str], None] | None]:
    """A bar that shows itself at the first call after `_PATIENCE`; None where there is no terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar: list[Callable[[int, int, str], None]] = []

        def move(done: int, total: int, words: str) -> None:
            if not bar:
                if time.monotonic() - began < _PATIENCE:
                    return
                from datafolio.cli.styled import moving_bar

                bar.append(stack.enter_context(moving_bar(label)))
            bar[0](done, total, words)

        yield move
