"""The long forms of the programs that try to break datafolio: `python -m tests.reliability [NAME ...]`.

Each prints its figures, and ends with an error if one is not what `docs/reliability.md` promises.
"""

from __future__ import annotations

import subprocess
import sys
import time

#: In the order of the document.
PROGRAMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "protocol": ((),),
    "kill": ((),),
    "power": ((),),
    "oserror": ((), ("--stays",)),
    "full_disk": ((),),
    "stop": ((),),
    "many": ((),),
    "damage": ((),),
    "repairs": ((),),
    "hostile": ((),),
    "machine": ((),),
}


def main() -> None:
    """Run those that are named, or all, each in a process of its own."""
    failed = []
    for name in sys.argv[1:] or PROGRAMS:
        for options in PROGRAMS[name]:
            began = time.monotonic()
            print("==", name, *options, flush=True)
            command = [sys.executable, "-m", f"tests.reliability.{name}", *options]
            if subprocess.run(command, check=False).returncode:
                failed.append(name)
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        sys.exit(f"not as promised: {', '.join(failed)}")


if __name__ == "__main__":
    main()
