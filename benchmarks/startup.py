"""Start-up: what whole processes take that import datafolio, or run its command, beside one that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Action, in_turns
from benchmarks.report import Row, against, alone
from datafolio import DataFolio

__all__ = ["benchmark_startup", "process_environment"]

_SNAPSHOTS = 1000
_ROOT = Path(__file__).parents[1]


def benchmark_startup(folder: Path, rounds: int) -> list[Row]:
    """Each in a process of its own."""
    folio = _folio(folder / "folio")
    taken = in_turns(
        {
            "python": _starting(folder, "-c", "pass"),
            "import": _starting(folder, "-c", "import datafolio"),
            "open": _starting(folder, "-c", f"from datafolio import DataFolio; DataFolio({str(folio)!r})"),
            "list": _command(folder, "--folio", str(folio), "snapshot", "list"),
            "show": _command(folder, "--folio", str(folio), "snapshot", "show", "s0500"),
            "help": _command(folder, "--help"),
            "complete": _command(folder, **_completion(f"datafolio --folio {folio} snapshot show s05")),
            "pandas": _starting(folder, "-c", "import pandas"),
        },
        rounds,
    )
    python = taken["python"]
    return [
        alone("`python -c pass`", python),
        against("`import datafolio` / `python -c pass`", taken["import"], python, 3),
        against(f"`datafolio snapshot list`, {_SNAPSHOTS:,} snapshots / `python -c pass`", taken["list"], python, 8),
        against(f"`datafolio snapshot show`, {_SNAPSHOTS:,} snapshots / `python -c pass`", taken["show"], python),
        against("`DataFolio(path)`, with its import / `python -c pass`", taken["open"], python),
        against("`datafolio --help` / `python -c pass`", taken["help"], python),
        against("completing the name of a snapshot / `python -c pass`", taken["complete"], python),
        against("`import datafolio` / `import pandas`", taken["import"], taken["pandas"]),
    ]


def _folio(path: Path) -> Path:
    folio = DataFolio(path)
    folio.add_json("value", 1)
    folio.metadata["rate"] = 0.1
    for number in range(_SNAPSHOTS):
        folio.create_snapshot(
            f"s{number:04}", f"the run number {number}", ["run"], capture_git=False, capture_environment=False
        )
    return path


def _starting(folder: Path, *arguments: str) -> Action:
    return _running(folder, [sys.executable, *arguments])


def _command(folder: Path, *arguments: str, **variables: str) -> Action:
    """The command as it is installed; where it is not, as a module."""
    script = Path(sys.executable).with_name("datafolio")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "datafolio"]
    return _running(folder, [*program, *arguments], variables)


def process_environment(folder: Path) -> dict[str, str]:
    """The environment for a Python that finds datafolio, and its modules compiled, as after any installation."""
    compiled = {"PYTHONPATH": str(_ROOT), "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | compiled


def _running(folder: Path, command: list[str], variables: Mapping[str, str] = {}) -> Action:
    environment = {**process_environment(folder), **variables}
    return Action(lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL))


def _completion(line: str) -> dict[str, str]:
    """What bash tells a command that it wants to complete `line`."""
    return {"_DATAFOLIO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
