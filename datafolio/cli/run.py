"""Running a command line, and turning whatever comes out of it into an exit code and at most one line."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from datafolio.cli import looking
from datafolio.cli.terminal import BROKEN_PIPE, clean, complain, unwritten
from datafolio.errors import FolioError, StorageError

__all__ = ["main"]

_INTERRUPTED = 130
_BUG = 70


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the program's own, and return its exit code.

    Whatever goes wrong is one line on standard error; ``DATAFOLIO_DEBUG=1`` shows where as well.
    """
    for stream in (sys.stdout, sys.stderr):
        _write_anything_to(stream)
    try:
        return _finish(_invoke(arguments))
    except BrokenPipeError:
        _abandon(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user of a shell never sees a traceback
        return _report(error)


def _invoke(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    look = looking.find(words, os.environ)
    try:
        if look is not None:
            look()
            return 0
        from datafolio.cli.parser import run

        return run(words)
    except SystemExit as stop:
        # typer makes one of a pipe that was closed.
        code = BROKEN_PIPE if isinstance(stop.__context__, BrokenPipeError) else stop.code
        return code if isinstance(code, int) else 0


def _finish(code: int) -> int:
    """`code`, once everything that was printed is out."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            _abandon(sys.stdout)
            if isinstance(error, BrokenPipeError):
                raise
            raise unwritten(error) from error
    return code


def _report(error: Exception) -> int:
    if os.environ.get("DATAFOLIO_DEBUG", "0") not in {"", "0"}:
        import traceback

        traceback.print_exception(error)
    message, code = _explain(error)
    complain(message)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    """A sentence for people, and the exit code."""
    if isinstance(error, FolioError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        where = f"{clean(error.filename)}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}", StorageError.exit_code
    kind = type(error).__name__
    return f"{kind}: {error} (a fault of datafolio's own: please report it, with DATAFOLIO_DEBUG=1 set)", _BUG


def _write_anything_to(stream: TextIO | None) -> None:
    """Make a stream whose encoding lacks a character write its escape instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _abandon(stream: TextIO | None) -> None:
    """Drop what `stream` could not write, which Python would try, and complain of, once more at its end."""
    if stream is None:
        return
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # not a file of the system's
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
