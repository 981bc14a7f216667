"""Pieces of programs that fork, as processes of their own.

From Python 3.12 on a fork in a process with threads is warned of, since the locks of others may be held
in the child.  That this library's are not is what these programs are to show, so here that is no error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

__all__ = ["needs_fork", "run_snippet"]

ROOT = Path(__file__).parents[2]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

#: Run `work` in a forked child; how it ended.  One that hangs is ended by a signal.
FORKED = """
import os, signal, sys, threading, time, traceback
from datafolio import DataFolio, UsageError

def forked(work):
    pid = os.fork()
    if not pid:
        signal.alarm(15)
        code = 1
        try:
            code = work() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return pid

def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def run_snippet(folder: Path, code: str, *args: object) -> str:
    """Run a program, as a file in `folder`, to its end, which must be a good one and quiet; what it printed."""
    program = folder / "program.py"
    program.write_text(FORKED + textwrap.dedent(code), encoding="utf-8")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error,ignore:This process:DeprecationWarning",
    }
    done = subprocess.run(
        [sys.executable, program, *map(str, args)],
        env=environment,
        text=True,
        encoding="utf-8",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.rstrip("\n")
