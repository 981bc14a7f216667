"""The connection is cut, before a request is carried out or after it was, at each request of a workload in turn.

    python -m tests.remote.cut [--every] [--stride N] [--offset N] [--seed N]

Only the requests that create something, unless `--every`.  Whatever is cut, the workload goes on, and in
the end the folio shows what it should, made by as many commits as without any cut: nothing is a conflict
that is none, nothing is done twice, and nothing is lost.  Then several processes work on one folio while
connections are cut at random.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from datafolio import DataFolio
from tests.reliability.many import Mixed, mixed_work
from tests.reliability.workload import Step, shown, states, steps
from tests.remote.places import Place, new_place, operations, without_cache
from tests.remote.proxy import CONFLICT, SLOW_DOWN, Action, Answer, Cut, Pass, Proxy, Rule
from tests.remote.recording import Request
from tests.remote.servers import Server, seaweed

__all__ = ["Cuts", "every_request", "is_creation", "refusals", "storm"]

#: Picks the requests that may be cut.
Picks = Callable[[Request], bool]


def is_creation(request: Request) -> bool:
    """Whether the request makes something on the condition that it is not there."""
    return request.is_conditional_write


def every_request(_: Request) -> bool:
    """Any request at all."""
    return True


class Cuts:
    """The same workload over and over, with one cut in each, and what came of it."""

    def __init__(self, server: Server, proxy: Proxy, of: list[Step]) -> None:
        self._server = server
        self._proxy = proxy
        self.steps = of
        self._expected = states(of)[-1]
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []
        undisturbed = self._perform()
        self._operations = operations(undisturbed)
        self._check("without a cut", undisturbed)

    def at(self, number: int, picks: Picks, *, after: bool) -> bool:
        """Cut the request with this number among those that `picks` takes; whether there were so many."""
        once = _Once(number, picks, Cut(after=after))
        when = f"{'after' if after else 'before'} request {number}"
        self._proxy.rule = once
        try:
            place = self._perform()
        except Exception:  # noqa: BLE001 - any error is one that users would have seen
            self.failures.append(f"{when}, {once.taken}:\n{traceback.format_exc()}")
            return once.taken is not None
        if once.taken is not None:
            self.count["cuts"] += 1
            self._check(f"{when}, {once.taken}", place)
        return once.taken is not None

    def under(self, rule: Rule, words: str, of: list[Step] | None = None) -> None:
        """Perform the workload, or other steps, under any rule."""
        self._proxy.rule = rule
        place = self._perform(of)
        self._check(words, place)

    def _perform(self, of: list[Step] | None = None) -> Place:
        place = new_place(self._server)
        folio = place.through(self._proxy).open()
        for step in of or self.steps:
            step.call(folio)
        return place

    def _check(self, when: str, place: Place) -> None:
        """Directly, past the proxy."""
        folio = place.open(read_only=True)
        found = {
            "shows what it should not": shown(folio) != self._expected,
            f"was made by {operations(place)}, not {self._operations}": operations(place) != self._operations,
            f"is damaged: {folio.validate().findings}": folio.validate().findings != (),
        }
        self.failures += [f"{when}: it {words}" for words, is_so in found.items() if is_so]


class _Once:
    """A rule that does something to one request."""

    def __init__(self, number: int, picks: Picks, action: Action) -> None:
        self._left = number
        self._picks = picks
        self._action = action
        #: The one that it did it to.
        self.taken: Request | None = None

    def __call__(self, request: Request) -> Action:
        if self.taken is not None or not self._picks(request):
            return Pass()
        self._left -= 1
        if self._left >= 0:
            return Pass()
        self.taken = request
        return self._action


def refusals(answer: Answer, in_a_row: int, picks: Picks) -> Rule:
    """A rule: each key that is asked for is answered so the first few times, in each way of asking."""
    seen: Counter[tuple[str, str]] = Counter()

    def rule(request: Request) -> Action:
        if not picks(request):
            return Pass()
        seen[request.method, request.path] += 1
        return answer if seen[request.method, request.path] <= in_a_row else Pass()

    return rule


def storm(server: Server, workers: int, operations_each: int, seed: int, share: float = 0.05) -> Mixed:
    """Many processes, and a collector, while a `share` of all requests is cut, or answered that it is too much."""
    rng = random.Random(seed)
    wrongs = [Cut(), Cut(after=True), SLOW_DOWN]

    def rule(request: Request) -> Action:
        if rng.random() >= share:
            return Pass()
        return rng.choice([*wrongs, CONFLICT] if is_creation(request) else wrongs)

    place = new_place(server)
    with Proxy(server.endpoint) as proxy:
        through = place.through(proxy)
        DataFolio(place.url, storage_options=place.options)
        proxy.rule = rule
        return mixed_work(through.url, workers, operations_each, storage_options=through.options)


def _numbers(offset: int, stride: int) -> Iterator[int]:
    number = offset
    while True:
        yield number
        number += stride


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", action="store_true", help="cut requests of every kind, not only creations")
    parser.add_argument("--stride", type=int, default=1, help="try each N-th request only")
    parser.add_argument("--offset", type=int, default=0, help="the first request to try")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="of the random cuts")
    options = parser.parse_args()
    without_cache()
    with tempfile.TemporaryDirectory(prefix="cut-") as folder, seaweed(Path(folder) / "server") as server:
        with Proxy(server.endpoint) as proxy:
            cuts = Cuts(server, proxy, steps(Path(folder)))
            picks = every_request if options.every else is_creation
            for number in _numbers(options.offset, options.stride):
                if not all(cuts.at(number, picks, after=after) for after in (False, True)):
                    break
        print("\n".join(cuts.failures), file=sys.stderr)
        print(f"{cuts.count['cuts']} cuts of one request: {len(cuts.failures)} with anything lost, twice or refused")
        mixed = storm(server, 4, 50, options.seed)
    print(
        f"4 processes x 50 operations and {mixed.collections} collections while 1 in 20 requests was cut or refused "
        f"(seed {options.seed}): {mixed.operations} acknowledged, {len(mixed.missing)} effects missing, "
        f"{len(mixed.findings)} fsck findings"
    )
    for words in [*mixed.missing[:10], *mixed.findings[:10]]:
        print(f"  {words}")
    sys.exit(bool(cuts.failures or mixed.missing or mixed.findings))


if __name__ == "__main__":
    main()
