"""The long forms of the programs that try to break folios on an object store: `python -m tests.remote [NAME ...]`.

Each starts a server of its own, prints its figures, and ends with an error if one is not as promised.
"""

from __future__ import annotations

from tests.reliability.longforms import run_all

PROGRAMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "many_remote": ((),),
    "cut": ((), ("--every",)),
    "kill_remote": ((),),
}


if __name__ == "__main__":
    run_all("tests.remote", PROGRAMS)
