"""The long forms of the programs that try to break datafolio: `python -m tests.reliability [NAME ...]`.

Each prints its figures, and fails if one is not what `docs/reliability.md` promises.
"""

from __future__ import annotations

import importlib
import sys
import time

#: In the order of the document.
PROGRAMS = (
    "protocol",
    "kill",
    "power",
    "oserror",
    "full_disk",
    "stop",
    "many",
    "damage",
    "repairs",
    "machine",
)


def main() -> None:
    """Run those that are named, or all."""
    names = sys.argv[1:] or PROGRAMS
    del sys.argv[1:]
    for name in names:
        begin = time.monotonic()
        print(f"== {name}", flush=True)
        importlib.import_module(f"tests.reliability.{name}").main()
        print(f"   {time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
