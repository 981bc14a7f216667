"""The long forms of the programs that try to break folios on an object store: `python -m tests.remote [NAME ...]`.

Each starts a server of its own, prints its figures, and ends with an error if one is not as promised.
"""

from __future__ import annotations

import subprocess
import sys
import time

PROGRAMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "many_remote": ((),),
    "cut": ((), ("--every",)),
    "kill_remote": ((),),
}


def main() -> None:
    """Run those that are named, or all, each in a process of its own."""
    failed = []
    for name in sys.argv[1:] or PROGRAMS:
        for options in PROGRAMS[name]:
            began = time.monotonic()
            print("==", name, *options, flush=True)
            command = [sys.executable, "-m", f"tests.remote.{name}", *options]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"not as promised: {', '.join(failed)}")


if __name__ == "__main__":
    main()
