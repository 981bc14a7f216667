"""Running programs that try to break folios in their long forms, one after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

__all__ = ["run_all"]


def run_all(package: str, programs: Mapping[str, Sequence[Sequence[str]]]) -> None:
    """Run those that the command line names, or all, each in a process of its own, with each of its sets of options."""
    failed = []
    for name in sys.argv[1:] or programs:
        for options in programs[name]:
            began = time.monotonic()
            print("==", name, *options, flush=True)
            command = [sys.executable, "-m", f"{package}.{name}", *options]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"not as promised: {', '.join(failed)}")
