"""The proofs as the programs that they are, from tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_program"]

_ROOT = Path(__file__).parents[2]


def run_program(name: str, folder: Path, *options: object) -> str:
    """Run ``python -m tests.reliability.<name>``, with its files in `folder`, to a good end; the last line it printed.

    In a process of its own, since it forks, and threads of a test run could not come along.
    """
    done = subprocess.run(
        [sys.executable, "-m", f"tests.reliability.{name}", *map(str, options)],
        cwd=_ROOT,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()[-1]
