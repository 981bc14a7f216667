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

__all__ = ["Move", "copying_bar", "late_bar", "writing_bar"]

#: Called with what is done, what there is to do, and both in words.
Move = Callable[[int, int, str], None]

# In seconds.  For less, to load rich would itself be what takes the time.
_PATIENCE = 1.0
# What an object takes besides its bytes, as so many bytes that take as long.
_OBJECT = 100_000


@contextlib.contextmanager
def copying_bar(label: str) -> Iterator[Callable[[Amount, Amount], None] | None]:
    """Called with what was copied and what there is to copy, shows both; None where nobody would see it."""
    with late_bar(label) as move:
        yield None if move is None else lambda done, total: _show(move, done, total)


def _show(move: Move, done: Amount, total: Amount) -> None:
    words = f"{done.objects} of {total.objects} objects, {format_size(done.size)} of {format_size(total.size)}"
    move(done.size + done.objects * _OBJECT, total.size + total.objects * _OBJECT, words)


@contextlib.contextmanager
def writing_bar(label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Called with the bytes that were written and those there are, shows both; None where nobody would see it."""
    with late_bar(label) as move:
        yield (
            None
            if move is None
            else lambda done, total: move(done, total, f"{format_size(done)} of {format_size(total)}")
        )


@contextlib.contextmanager
def late_bar(label: str) -> Iterator[Move | None]:
    """A bar that shows itself at the first call after a second; None where there is no terminal."""
    if not is_terminal(sys.stderr):
        yield None
        return
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        shown: list[Move] = []

        def move(done: int, total: int, words: str) -> None:
            if not shown:
                if time.monotonic() - began < _PATIENCE:
                    return
                from datafolio.cli.styled import moving_bar

                shown.append(stack.enter_context(moving_bar(label)))
            shown[0](done, total, words)

        yield move
