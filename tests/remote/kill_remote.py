"""SIGKILL at every request of a workload in turn, before the server carries it out and after it did.

    python -m tests.remote.kill_remote [--stride N] [--offset N]

Afterwards nothing that was acknowledged is lost, `fsck` finds nothing, the next open needs nothing, and the
next collection removes what was left behind.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Collection
from multiprocessing.connection import Connection
from pathlib import Path

from tests.reliability.workload import Shown, states
from tests.remote.places import Place, check_place, chosen, new_place, perform_when_told, without_cache
from tests.remote.proxy import Pass, Proxy
from tests.remote.servers import Server, seaweed

__all__ = ["Kills"]

# A process that is forked from one which has imported everything and started no thread begins at once.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["s3fs", "tests.remote.places"])
#: In seconds; a worker that is silent for longer hangs.
_DEADLINE = 120


class Kills:
    """The same workload over and over, killed once in each, and what was left of it.

    `words` name the steps that it has; else it has all of them.
    """

    def __init__(self, server: Server, proxy: Proxy, folder: Path, words: Collection[str] | None = None) -> None:
        self._server = server
        self._proxy = proxy
        self._folder = folder
        self._words = words
        self._states = states(chosen(folder, words))
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []

    def at(self, number: int, *, after: bool) -> bool:
        """Kill the workload at its request `number`; whether it came so far."""
        place = new_place(self._server)
        code, done = self._run(place, number, after=after)
        when = f"{'after' if after else 'before'} request {number}, after {done} steps"
        assert code in {0, -signal.SIGKILL}, f"{when}: exit code {code}"
        self.count["acknowledged"] += done
        self.count["points"] += code != 0
        self._check(when, place, self._states[done : done + 2])
        return code != 0

    def _run(self, place: Place, number: int, *, after: bool) -> tuple[int | None, int]:
        """Its exit code, and how many steps it said were done."""
        ours, theirs = _processes.Pipe()
        arguments = (place.through(self._proxy), self._folder, self._words, theirs)
        worker = _processes.Process(target=perform_when_told, args=arguments)
        worker.start()
        theirs.close()
        self._proxy.kill_at(number, worker.kill, after=after)
        with ours:
            ours.send("go")
            done = _count_until_the_end(ours)
        worker.join(_DEADLINE)
        self._proxy.rule = lambda _: Pass()
        self._proxy.settle()  # what it sent at the same time is carried out
        code = worker.exitcode
        worker.close()
        return code, done

    def _check(self, when: str, place: Place, allowed: list[Shown]) -> None:
        try:
            found = check_place(place, allowed)
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            self.failures.append(f"{when}:\n{traceback.format_exc()}")
        else:
            self.count["in flight and there"] += found == -1 and len(allowed) > 1


def _count_until_the_end(connection: Connection) -> int:
    for count in itertools.count():
        assert connection.poll(_DEADLINE), f"silent after {count} steps"
        try:
            connection.recv()
        except EOFError:
            return count
    raise AssertionError("unreachable")


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was lost or found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="try each N-th request only")
    parser.add_argument("--offset", type=int, default=0, help="the first request to try")
    options = parser.parse_args()
    without_cache()
    with (
        tempfile.TemporaryDirectory(prefix="kill-remote-") as folder,
        seaweed(Path(folder) / "server") as server,
        Proxy(server.endpoint) as proxy,
    ):
        kills = Kills(server, proxy, Path(folder))
        for number in itertools.count(options.offset, options.stride):
            if not all(kills.at(number, after=after) for after in (False, True)):
                break
    print("\n".join(kills.failures), file=sys.stderr)
    print(
        f"SIGKILL at {kills.count['points']} points: {kills.count['acknowledged']} acknowledged operations, "
        f"{kills.count['in flight and there']} more in flight and there; "
        f"{len(kills.failures)} trials with anything lost or found"
    )
    sys.exit(bool(kills.failures))


if __name__ == "__main__":
    main()
