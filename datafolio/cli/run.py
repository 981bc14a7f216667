"""Running a command line, and turning whatever comes out of it into an exit code and at most one line."""

from __future__ import annotations

import functools
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TextIO

import typer

from datafolio.cli.app import app
from datafolio.cli.terminal import BROKEN_PIPE, clean, complain, unwritten
from datafolio.errors import FolioError, StorageError, UsageError

__all__ = ["main"]

_INTERRUPTED = 130
_BUG = 70

# Older typers parse with click, newer ones with a copy of their own; the root of either's errors is
# the last ancestor of BadParameter that can format itself.
_ParserError: Any = [kind for kind in typer.BadParameter.__mro__ if hasattr(kind, "format_message")][-1]


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
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort: a user of a shell never sees a traceback
        return _report(error)


def _invoke(arguments: Sequence[str] | None) -> int:
    words = None if arguments is None else list(arguments)
    try:
        code = _command().main(words, prog_name="datafolio", standalone_mode=False)
    except SystemExit as stop:  # from typer itself, as after installing a completion
        code = BROKEN_PIPE if isinstance(stop.__context__, BrokenPipeError) else stop.code
    return code if isinstance(code, int) else 0


@functools.cache
def _command() -> Any:
    # typer reads the signatures of all commands for this.
    return typer.main.get_command(app)


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
        traceback.print_exception(error)
    message, code = _explain(error)
    complain(message)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    """A sentence for people, and the exit code."""
    if isinstance(error, FolioError):
        return str(error), error.exit_code
    if isinstance(error, _ParserError):
        return _usage(error), UsageError.exit_code
    if isinstance(error, OSError):
        where = f"{clean(error.filename)}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}", StorageError.exit_code
    kind = type(error).__name__
    return f"{kind}: {error} (a fault of datafolio's own: please report it, with DATAFOLIO_DEBUG=1 set)", _BUG


def _usage(error: Any) -> str:
    """What the parser says, in one line, and where to look."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if message == "No such option: --folio":
        message += "; it goes before the command, as in `datafolio --folio PATH snapshot list`"
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path if context else 'datafolio'} --help`"


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
