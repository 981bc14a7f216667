"""SIGKILL at every file operation of a workload in turn, and at random moments.

    python -m tests.reliability.kill [--stride N] [--offset N] [--trials N] [--seed N]

Afterwards nothing that was acknowledged is lost, `fsck` finds nothing, the next open needs nothing, and
the next collection removes what was left behind.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.reliability.fileops import CHANGING, FileOperation, intercepted
from tests.reliability.forks import Child, Ended, Say, in_child
from tests.reliability.workload import Shown, check_folio, perform, random_steps, states, steps

__all__ = ["main"]

# A random moment is within this many seconds of the start.
_LONGEST = 0.8


class _Trials:
    """What was tried so far, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Copies of artifacts that were read, which processes that are killed leave behind.
        self._scratch = folder / "scratch"
        self._scratch.mkdir()
        tempfile.tempdir = str(self._scratch)
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []
        self._steps = steps(folder)
        self._states = states(self._steps)

    def at_operation(self, number: int, *, after: bool) -> bool:
        """Kill the workload at its file operation `number`; whether it came so far."""
        ended = self._run(lambda say: _until(number, after, lambda: perform(self._place, self._steps, say)))
        if ended.code == 0:
            self._check(f"the workload of {number} operations", ended, self._states[-1:])
            return False
        self.count["points"] += 1
        done = len(ended.said)
        self._check(f"{'after' if after else 'before'} operation {number}", ended, self._states[done : done + 2])
        return True

    def at_random(self, seed: int) -> None:
        """Kill random steps at a random moment."""
        child = Child(lambda say: perform(self._place, random_steps(seed, self.folder), say))
        time.sleep(random.Random(seed).uniform(0, _LONGEST))
        child.kill()
        ended = child.end()
        self.count["trials"] += 1
        done = len(ended.said)
        made = list(itertools.islice(random_steps(seed, self.folder), done + 1))
        self._check(f"random trial {seed}", ended, states(made)[done:])

    @property
    def _place(self) -> Path:
        return self.folder / "folio"

    def _run(self, function: Callable[[Say], object]) -> Ended:
        shutil.rmtree(self._place, ignore_errors=True)
        return in_child(function)

    def _check(self, when: str, ended: Ended, allowed: list[Shown]) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        assert ended.code in {0, -signal.SIGKILL}, f"{when}: {ended}"
        self.count["acknowledged"] += len(ended.said)
        checked = in_child(lambda say: say(str(check_folio(self._place, allowed))))
        if checked.code:
            self.failures.append("\n".join([f"{when}, after {ended.said[-1:]}:", *checked.said]))
        elif checked.said == ["-1"] and len(allowed) > 1:
            self.count["in flight and there"] += 1
        shutil.rmtree(self._place, ignore_errors=True)


def _until(number: int, after: bool, work: Callable[[], None]) -> None:
    def hook(operation: FileOperation, carry_out: Callable[[], Any]) -> Any:
        if operation.number == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return carry_out()
        finally:  # also one that was to fail, such as the making of a folder that is there
            if operation.number == number:
                os.kill(os.getpid(), signal.SIGKILL)

    with intercepted(hook, CHANGING):
        work()


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was lost or found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="try each N-th operation only")
    parser.add_argument("--offset", type=int, default=0, help="the first operation to try")
    parser.add_argument("--trials", type=int, default=500, help="the number of random moments")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the first random trial")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datafolio-kill-") as folder:
        trials = _Trials(Path(folder))
        for number in itertools.count(options.offset, options.stride):
            if not all(trials.at_operation(number, after=after) for after in (False, True)):
                break
        for seed in range(options.seed, options.seed + options.trials):
            trials.at_random(seed)
    print("\n".join(trials.failures), file=sys.stderr)
    count = trials.count
    print(
        f"SIGKILL at {count['points']} points and in {count['trials']} random trials (from seed {options.seed}): "
        f"{count['acknowledged']} acknowledged operations, {count['in flight and there']} more in flight and there; "
        f"{len(trials.failures)} trials with anything lost or found"
    )
    sys.exit(bool(trials.failures))


if __name__ == "__main__":
    main()
