"""What capturing git, the environment and the execution adds to a snapshot: in a new process, and later in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Series
from benchmarks.report import Row, more
from benchmarks.startup import process_environment
from datafolio import DataFolio

__all__ = ["benchmark_captures"]

_FIRST_LIMIT, _LATER_LIMIT = 0.040, 0.012
_LATER = 9

# Two folios and one process: a snapshot in each in turn, so that both find the machine alike.
_PROGRAM = f"""
import json, sys, time
from datafolio import DataFolio
folio, captured = DataFolio(sys.argv[1]), json.loads(sys.argv[2])
taken = []
for number in range({_LATER + 1}):
    start = time.perf_counter()
    folio.create_snapshot(f"{{sys.argv[3]}}-{{number}}", **captured)
    taken.append(time.perf_counter() - start)
print(json.dumps([taken[0], sorted(taken[1:])[{_LATER // 2}]]))
"""


def benchmark_captures(folder: Path, rounds: int) -> list[Row]:
    """In a repository of a few hundred files, with the packages that are installed here."""
    repository = _repository(folder / "code")
    first: dict[bool, Series] = {True: [], False: []}
    later: dict[bool, Series] = {True: [], False: []}
    for capture in (True, False):
        DataFolio(folder / f"folio-{capture}")
    for number in range(rounds + 1):
        for capture in (True, False) if number % 2 else (False, True):
            taken = _snapshots(repository, folder / f"folio-{capture}", number, capture=capture)
            if number:  # the first round warms up
                first[capture].append(taken[0])
                later[capture].append(taken[1])
    what = "`create_snapshot` with git, environment and execution over without"
    return [
        more(f"{what}, the first in a process", first[True], first[False], _FIRST_LIMIT),
        more(f"{what}, each after it", later[True], later[False], _LATER_LIMIT),
    ]


def _snapshots(repository: Path, folio: Path, number: int, *, capture: bool) -> tuple[float, float]:
    """The seconds that the first snapshot of a process takes, and those that later ones do."""
    wanted = {f"capture_{part}": capture for part in ("git", "environment", "execution")}
    command = [sys.executable, "-c", _PROGRAM, str(folio), json.dumps(wanted), f"round{number}"]
    environment = process_environment(folio.parent)
    done = subprocess.run(command, cwd=repository, env=environment, check=True, capture_output=True, text=True)
    first, later = json.loads(done.stdout)
    return first, later


def _repository(path: Path) -> Path:
    """Code as people have it: 300 files in 20 folders, most committed, some changed and some new."""
    for number in range(300):
        file = path / f"part{number % 20}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# module {number}\n" * 50)
        os.utime(file, (1.7e9, 1.7e9))  # git reads a file again whose time is as new as its own index
    _git(path, "init", "--quiet", "--initial-branch=main")
    _git(path, "remote", "add", "origin", "git@example.org:lab/experiment.git")
    _git(path, "add", ".")
    _git(path, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=all of it")
    for number in range(10):
        (path / f"part{number}" / f"module{number}.py").write_text("changed = True\n")
    return path


def _git(path: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=path, check=True, stdout=subprocess.DEVNULL)
