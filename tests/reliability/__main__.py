"""The long forms of the programs that try to break datafolio: `python -m tests.reliability [NAME ...]`.

Each prints its figures, and ends with an error if one is not what `docs/reliability.md` promises.
"""

from __future__ import annotations

from tests.reliability.longforms import run_all

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


if __name__ == "__main__":
    run_all("tests.reliability", PROGRAMS)
