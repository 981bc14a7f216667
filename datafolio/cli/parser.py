"""Command lines as typer reads them: every command, help, completion, and what is wrong with a line."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import typer

from datafolio.cli.app import app
from datafolio.errors import UsageError

__all__ = ["run"]

# Older typers parse with click, newer ones with a copy of their own; the root of either's errors is
# the last ancestor of BadParameter that can format itself.
_ParserError: Any = [kind for kind in typer.BadParameter.__mro__ if hasattr(kind, "format_message")][-1]


def run(words: Sequence[str]) -> int:
    """Run one command line and return its exit code.  Raises UsageError for one that makes no sense."""
    try:
        code = _command().main(list(words), prog_name="datafolio", standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except _ParserError as error:
        raise UsageError(_usage(error)) from error
    return code if isinstance(code, int) else 0


@functools.cache
def _command() -> Any:
    # typer reads the signatures of all commands for this.
    return typer.main.get_command(app)


def _usage(error: Any) -> str:
    """What the parser says, in one line, and where to look."""
    message = " ".join(error.format_message().split()).rstrip(".")
    if message == "No such option: --folio":
        message += "; it goes before the command, as in `datafolio --folio PATH snapshot list`"
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path if context else 'datafolio'} --help`"
