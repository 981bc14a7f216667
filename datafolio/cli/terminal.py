"""The two streams and the keyboard: what may be shown, and when to ask."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from datafolio.errors import StorageError
from datafolio.text import printable

__all__ = ["BROKEN_PIPE", "clean", "complain", "confirm", "has_colour", "is_terminal", "note", "unwritten", "write"]

#: The exit code when nobody reads standard output any more: as of a program that SIGPIPE ended.
BROKEN_PIPE = 141


def clean(value: object) -> str:
    """`value` as text that does nothing to a terminal: every character that does not print is an escape.

    Newlines, ANSI sequences and marks that reverse the writing direction among them.  All that comes
    from a folio, and all that an error says, goes through here.
    """
    if isinstance(value, str):
        return printable(value)
    text = os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)
    return printable(text)


def write(text: str) -> None:
    """`text` and a newline, on standard output."""
    try:
        print(text)
    except BrokenPipeError:
        raise  # the reader has had enough: not an error
    except OSError as error:
        raise unwritten(error) from error


def unwritten(error: OSError) -> StorageError:
    """The error of standard output that can't be written."""
    return StorageError.during("writing to standard output", error)


def note(text: str) -> None:
    """A line about what is being done, on standard error, where it is in nobody's way."""
    print(clean(text), file=sys.stderr)


def complain(message: str) -> None:
    """The one line of an error."""
    try:
        print(f"datafolio: {clean(message)}", file=sys.stderr)
    except OSError:  # nobody listens, and the exit code says it too
        return


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end of `stream`."""
    return stream is not None and not stream.closed and stream.isatty()


def has_colour(stream: TextIO | None) -> bool:
    """Whether to write styles to `stream`: it is a terminal that has them, and NO_COLOR is not set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def confirm(question: str, *, yes: bool) -> None:
    """Ask, if somebody is there to answer and `yes` was not said before; ends the command with 1 on a no."""
    if yes or not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        return
    print(f"{clean(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        note("nothing was changed")
        raise SystemExit(1)
