"""What each step took, for each peer: measured in turns."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Series
from benchmarks.peers.store import Cannot, Peer, Steps, Store

__all__ = ["Sheet", "Sheets", "flush", "in_turns"]


@dataclass
class Sheet:
    """The seconds of one peer by step, round by round; or why it does not do the step."""

    times: dict[str, Series] = field(default_factory=dict)
    #: The same, each with the time until the system had written everything that it still held back.
    until_on_disk: dict[str, Series] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def run(self, step: str, store: Store, commands: Callable[[], Steps]) -> None:
        """Time the commands, and what they leave for the system to write."""
        try:
            steps = commands()
        except Cannot as reason:
            self.reasons[step] = str(reason)
            return
        flush(store.work)
        self.note(step, store.run(steps), store.work)

    def call(self, step: str, folder: Path, action: Callable[[], list[float]]) -> None:
        """The same for an action that times itself; of several repetitions the median counts."""
        flush(folder)
        self.note(step, statistics.median(action()), folder)

    def note(self, step: str, seconds: float, folder: Path) -> None:
        self.times.setdefault(step, []).append(seconds)
        self.until_on_disk.setdefault(step, []).append(seconds + flush(folder))


#: By the label of the peer.
Sheets = dict[str, Sheet]


def flush(folder: Path) -> float:
    """Have the system write what it holds back, so that nobody pays for what was done before; the seconds it took."""
    start = time.perf_counter()
    subprocess.run(["sync", "--file-system", folder], check=True)
    return time.perf_counter() - start


def in_turns(peers: Sequence[Peer], rounds: int, tell: Callable[[Peer, Sheet], None]) -> Sheets:
    """Every peer once a round; every second round goes backwards."""
    sheets = {peer.label: Sheet() for peer in peers}
    for number in range(rounds):
        for peer in peers if number % 2 else peers[::-1]:
            tell(peer, sheets[peer.label])
    return sheets
