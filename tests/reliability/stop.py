"""A writer, or a collector, that stops at every one of its file operations in turn while others go on.

    python -m tests.reliability.stop [--stride N] [--offset N]

While it is stopped, another process deletes, overwrites and collects three times, and the content that the
stopped one relies on comes and goes.  Woken, its commit is right, or raises an error after which a second
attempt works; and nothing is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from datafolio import DataFolio, FolioError, ItemInUseError, SnapshotExistsError
from tests.reliability.fileops import CHANGING, READING, FileOperation, intercepted
from tests.reliability.forks import Child, Say, in_child, stop_here
from tests.reliability.workload import OFF, Model, Shown, check_collected, copy_folio, large, shown, table

__all__ = ["main"]

#: One call on a DataFolio or a model.
Call = Callable[[Any], object]

_SHARED: dict[str, Any] = {"array": large(1), "table": table(1), "json": {"x": 1}}


def _begin(target: Any) -> None:
    """What is there before: content that only a snapshot holds, that only an item holds, and that nothing does."""
    target.add_numpy("old", large(2))
    target.create_snapshot("kept", **OFF)
    target.add_numpy("old", large(3), overwrite=True)
    _add_shared("")(target)
    target.add_numpy("garbage", large(4))
    target.delete("garbage")


def _add_shared(prefix: str) -> Call:
    """Add all of the content that comes and goes, as items of other names."""

    def call(target: Any) -> None:
        target.add_numpy(f"{prefix}array", _SHARED["array"], overwrite=True)
        target.add_table(f"{prefix}table", _SHARED["table"], overwrite=True)
        target.add_json(f"{prefix}json", _SHARED["json"], overwrite=True)

    return call


def _in_batch(inner: Call) -> Call:
    def call(target: Any) -> None:
        with target.batch():
            inner(target)

    return call


def _collect(target: Any) -> None:
    target.cleanup_orphaned_versions()


class Scenario(NamedTuple):
    """What the process does that is stopped; done twice, it has the same outcome as done once."""

    words: str
    call: Call


_WRITERS = (
    Scenario("adds content that is there", lambda f: f.add_numpy("mine", large(1), overwrite=True)),
    Scenario("adds a table that is there", lambda f: f.add_table("mine", table(1), overwrite=True)),
    Scenario("adds content that is garbage", lambda f: f.add_numpy("mine", large(4), overwrite=True)),
    Scenario("adds new content", lambda f: f.add_numpy("mine", large(5), overwrite=True)),
    Scenario("overwrites", lambda f: f.add_json("old", {"x": 1}, overwrite=True)),
    Scenario("adds a batch", _in_batch(_add_shared("mine "))),
    Scenario("sets metadata", lambda f: f.metadata.update({"mine": {"nested": [1, 2]}})),
    Scenario("creates a snapshot", lambda f: f.create_snapshot("mine", **OFF)),
    Scenario("restores a snapshot", lambda f: f.restore_snapshot("kept")),
)
_COLLECTOR = Scenario("collects", _collect)


def _put_aside(name: str) -> Call:
    """Delete the item, or overwrite it if a snapshot holds it."""

    def call(target: Any) -> None:
        try:
            if name in target:
                target.delete(name)
        except ItemInUseError:
            target.add_json(name, 0, overwrite=True)

    return call


def _meddling(*, leaves: bool) -> list[Call]:
    """What happens meanwhile: three times the shared content goes, is collected, and (or not, at last) comes back."""
    goes = [_in_batch(lambda f: [_put_aside(name)(f) for name in _SHARED]), _collect]
    comes = [_in_batch(_add_shared("")), lambda f: f.add_numpy("garbage", large(4), overwrite=True)]
    goes_too = [_put_aside("garbage"), _collect]
    turn = [*goes, *comes, *goes_too]
    return [*turn, *turn, *turn, *([] if leaves else goes)]


@functools.cache
def _allowed(scenario: Scenario, leaves: bool) -> list[Shown]:
    """What may be shown in the end: the scenario's call took effect at some moment of the meddling."""
    meddling = _meddling(leaves=leaves)
    found: list[Shown] = []
    for moment in range(len(meddling) + 1):
        model = Model()
        for call in (_begin, *meddling[:moment], scenario.call, *meddling[moment:]):
            call(model)
        if model.shown() not in found:
            found.append(model.shown())
    return found


class _Trials:
    def __init__(self, folder: Path) -> None:
        self._base, self._place = folder / "base", folder / "folio"
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []
        ended = in_child(lambda _say: _begin(DataFolio(self._base)))
        assert ended.code == 0, ended.said

    def points(self) -> Iterator[tuple[Scenario, bool, int]]:
        """Every operation of every scenario, with the shared content there in the end, and gone."""
        for scenario, leaves in itertools.product((*_WRITERS, _COLLECTOR), (True, False)):
            for number in range(self._operations(scenario)):
                yield scenario, leaves, number

    @functools.cache  # noqa: B019 - there is one of these in the life of the program
    def _operations(self, scenario: Scenario) -> int:
        """How many file operations it makes when it is left alone."""
        copy_folio(self._base, self._place)
        ended = in_child(lambda say: say(str(_count(self._place, scenario))))
        shutil.rmtree(self._place)
        assert ended.code == 0, ended
        return int(ended.said[-1])

    def run(self, scenario: Scenario, leaves: bool, number: int) -> None:
        """Stop the scenario at its operation `number`."""
        meddling, allowed = _meddling(leaves=leaves), _allowed(scenario, leaves)
        copy_folio(self._base, self._place)
        # In a process of its own, since whoever forks must not have hashed anything.
        ended = in_child(lambda say: self._trial(scenario, number, meddling, allowed, say))
        shutil.rmtree(self._place)
        self.count["points"] += "stopped" in ended.said
        self.count["second attempts"] += "raised" in ended.said
        if ended.code:
            then = f"the shared content {'there' if leaves else 'gone'} in the end"
            self.failures.append("\n".join([f"{scenario.words}, stopped at operation {number}, {then}:", *ended.said]))

    def _trial(self, scenario: Scenario, number: int, meddling: list[Call], allowed: list[Shown], say: Say) -> None:
        child = Child(lambda tell: _stopping(self._place, scenario, number, tell))
        stopped = child.stops()
        folio = DataFolio.open(self._place)
        for call in meddling:
            call(folio)
        if stopped:  # else its threads took other turns, and it came to its end with fewer operations
            say("stopped")
            child.resume()
        ended = child.end()
        assert ended.code == 0, ended
        for line in ended.said:
            say(line)
        found = shown(DataFolio.open(self._place))
        assert found in allowed, f"shows {found}, expected one of {allowed}"
        assert folio.validate().findings == ()
        folio.add_json("next", 1)
        folio.cleanup_orphaned_versions()
        check_collected(folio)
        after = shown(folio)
        assert after.items.pop("next") == 1
        assert after == found


def _count(place: Path, scenario: Scenario) -> int:
    seen = []
    with intercepted(lambda operation, carry_out: (seen.append(operation), carry_out())[1], CHANGING + READING):
        scenario.call(DataFolio.open(place))
    return len(seen)


def _stopping(place: Path, scenario: Scenario, number: int, say: Say) -> None:
    """The process that is stopped."""

    def hook(operation: FileOperation, carry_out: Callable[[], Any]) -> Any:
        if operation.number == number:
            stop_here()
        return carry_out()

    with intercepted(hook, CHANGING + READING):
        folio = DataFolio.open(place)
        try:
            scenario.call(folio)
        except FolioError:
            say("raised")
            with contextlib.suppress(SnapshotExistsError):
                scenario.call(folio)


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was missing or not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="stop at each N-th operation only")
    parser.add_argument("--offset", type=int, default=0, help="the first operation to stop at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datafolio-stop-") as folder:
        trials = _Trials(Path(folder))
        for point in itertools.islice(trials.points(), options.offset, None, options.stride):
            trials.run(*point)
    print("\n".join(trials.failures), file=sys.stderr)
    print(
        f"SIGSTOP at {trials.count['points']} points: {trials.count['second attempts']} commits that raised and "
        f"worked at the second attempt; {len(trials.failures)} with anything missing or amiss"
    )
    sys.exit(bool(trials.failures))


if __name__ == "__main__":
    main()
