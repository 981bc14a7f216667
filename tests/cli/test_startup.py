"""The command starts without the libraries that only data need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["pandas", "pyarrow", "numpy", "fsspec", "polars", "matplotlib", "cloudpickle"]
PROGRAM = f"""
import sys
from datafolio.cli import main
code = main(sys.argv[1:])
loaded = [name for name in {HEAVY} if name in sys.modules]
sys.exit(f"loaded {{loaded}}" if loaded else code)
"""


@pytest.mark.parametrize(
    "words", [("--help",), ("snapshot", "list"), ("snapshot", "show", "v1.0"), ("status",)], ids=" ".join
)
def test_looking_loads_nothing_heavy(words, story, environment) -> None:
    command = [sys.executable, "-c", PROGRAM, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_loads_no_rich(environment) -> None:
    program = PROGRAM.replace("['pandas'", "['rich', 'pandas'")
    done = subprocess.run([sys.executable, "-c", program, "--help"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
