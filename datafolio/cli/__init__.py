"""The ``datafolio`` command: parses, calls, renders.

Alone in reading environment variables and in printing.  Results go to standard output; questions,
notes, progress and errors to standard error.  `docs/cli.md` describes every command.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

__all__ = ["main"]

#: So many new objects before the next look for garbage.  What a program loads stays, and a command is short: looking
#: as often as Python does by itself would take a tenth of its time.
_OBJECTS = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line, by default the program's own, and return its exit code."""
    kept = gc.get_threshold()
    gc.set_threshold(_OBJECTS)
    try:
        from datafolio.cli import run

        return run.main(arguments)
    finally:
        gc.set_threshold(*kept)
