"""Start-up: what importing datafolio adds to starting Python."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import Action, in_turns
from benchmarks.report import Row, against, alone

__all__ = ["benchmark_startup"]

_COMMAND = "import sys; from datafolio.cli import main; sys.argv[0] = 'datafolio'; main()"


def benchmark_startup(rounds: int) -> list[Row]:
    """Each in a Python of its own."""
    taken = in_turns(
        {
            "python": _starting("-c", "pass"),
            "import": _starting("-c", "import datafolio"),
            "help": _starting("-c", _COMMAND, "--help"),
            "pandas": _starting("-c", "import pandas"),
        },
        rounds,
    )
    return [
        alone("`python -c pass`", taken["python"]),
        against("`import datafolio` / `python -c pass`", taken["import"], taken["python"]),
        against("`datafolio --help` / `python -c pass`", taken["help"], taken["python"]),
        against("`import datafolio` / `import pandas`", taken["import"], taken["pandas"]),
    ]


def _starting(*arguments: str) -> Action:
    return Action(lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL))
