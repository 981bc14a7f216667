"""The ``datafolio`` command: parses, calls, renders.

Alone in reading environment variables and in printing.  Results go to standard output; questions,
notes, progress and errors to standard error.  `docs/cli.md` describes every command.
"""

from __future__ import annotations

from datafolio.cli.run import main

__all__ = ["main"]
