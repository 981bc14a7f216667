"""Power loss: a workload's file operations, written down and then lost in all the ways that POSIX allows.

The operations of a workload are recorded while it runs, with a mark where each of its steps was
acknowledged.  A model disk goes through them, and at any point of the way says what may be left after
a power loss there.  Pessimistically: of a file's bytes what was synced, and of the rest nothing, all,
half, or zeros; of a folder's entries those that stood when the folder was last synced, and of the
changes since then none, all, only removals, only creations, or any.  Each such state is made a real
folder, which must be a folio in order that shows every acknowledged step.

After ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014), which explores what file
systems may reorder, and CrashMonkey (Mohan et al., "Finding Crash-Consistency Bugs with Bounded
Black-Box Crash Testing", OSDI 2018), which replays recorded operations up to a point.

    python -m tests.reliability.power
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from datafolio import DataFolio
from tests.reliability import workload
from tests.reliability.disk import (
    NOTHING_LOST,
    Acknowledged,
    Disk,
    Event,
    Image,
    Linked,
    Loss,
    MadeFolder,
    Opened,
    Renamed,
    Resized,
    Synced,
    Trace,
    Unlinked,
    Written,
    losses,
    worst_loss,
)
from tests.reliability.fileops import CHANGING, FileOperation, intercepted

__all__ = [
    "Found",
    "Recorded",
    "acknowledged_points",
    "all_points",
    "many_steps",
    "prove",
    "recorded",
    "scratch",
    "without",
]

FOLIO = "folio"


class _Recorder:
    """A hook that carries out each operation and writes it down, in one order for all threads."""

    def __init__(self, root: Path) -> None:
        self.events: list[Event] = []
        self._root = root
        self._lock = threading.Lock()
        self._folders = {PurePosixPath(".")}

    def __call__(self, operation: FileOperation, run: Callable[[], Any]) -> Any:
        with self._lock:
            is_folder = operation.name == "fsync" and stat.S_ISDIR(os.fstat(operation.args[0]).st_mode)
            result = run()
            self._note(operation, result, is_folder=is_folder)
            return result

    def acknowledge(self) -> None:
        with self._lock:
            self.events.append(Acknowledged())

    def _note(self, operation: FileOperation, result: Any, *, is_folder: bool) -> None:
        args, kwargs = operation.args, operation.kwargs
        assert not any(kwargs.get(name) for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")), operation
        match operation.name:
            case "open":
                mode = stat.S_IMODE(os.fstat(result).st_mode)
                self._note_at(args[0], lambda path: Opened(result, path, args[1], mode))
            case "write":
                self.events.append(Written(args[0], bytes(memoryview(args[1]).cast("B")[:result])))
            case "fsync":
                self.events.append(Synced(args[0], is_folder))
            case "ftruncate":
                self.events.append(Resized(args[0], args[1], may_shrink=True))
            case "posix_fallocate":
                self.events.append(Resized(args[0], args[1] + args[2], may_shrink=False))
            case "link":
                self._note_at(args[1], lambda path: Linked(self._inside(args[0]), path))
            case "replace" | "rename":
                self._note_at(args[1], lambda path: Renamed(self._inside(args[0]), path))
            case "unlink":
                self._note_at(args[0], Unlinked)
            case "mkdir":
                self._note_at(args[0], MadeFolder)

    def _note_at(self, path: Any, event: Callable[[str], Event]) -> None:
        """Write down what happened at `path`, unless that is elsewhere."""
        if not Path(os.path.abspath(path)).is_relative_to(self._root):
            return
        inside = PurePosixPath(self._inside(path))
        for folder in reversed(inside.parents):
            self._know(folder)
        made = event(str(inside))
        if isinstance(made, MadeFolder):
            self._know(inside)
        else:
            self.events.append(made)

    def _know(self, folder: PurePosixPath) -> None:
        # Some versions of pathlib make folders with a function that nobody could wrap.
        if folder not in self._folders:
            self._folders.add(folder)
            self.events.append(MadeFolder(str(folder)))

    def _inside(self, path: Any) -> str:
        return Path(os.path.abspath(path)).relative_to(self._root).as_posix()


class Recorded(NamedTuple):
    trace: Trace
    #: What is to be seen before the first acknowledged step, and after each.
    expected: list[workload.Shown]


def recorded(steps: list[workload.Step]) -> Recorded:
    """What making a folio and doing the steps does to the disk.

    Raises AssertionError if the operations that were seen do not explain every file that is there.
    """
    with scratch() as root:
        recorder = _Recorder(root)
        with intercepted(recorder, CHANGING):
            folio = DataFolio(root / FOLIO)
            recorder.acknowledge()
            for step in steps:
                step.call(folio)
                recorder.acknowledge()
        disk = Disk()
        for event in recorder.events:
            disk.apply(event)
        explained, there = disk.survivors(NOTHING_LOST), _image_of(root)
        unexplained = {path for path in explained.keys() | there if explained.get(path, 0) != there.get(path, 0)}
        assert not unexplained, unexplained
    states = workload.states(steps)
    return Recorded(recorder.events, [states[0], *states])


def _image_of(root: Path) -> Image:
    image: Image = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        image[name] = None if path.is_dir() else (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
    return image


class State(NamedTuple):
    """What may be on the disk after a power loss, and when."""

    image: Image
    words: str
    #: How many steps had been acknowledged, for each of the points at which this may be left.
    acknowledged: set[int]


class Found(NamedTuple):
    """What a proof came to."""

    points: int
    acknowledged: int
    states: int
    #: What was wrong after a loss, in words.
    problems: list[str]


def all_points(trace: Trace) -> list[int]:
    """Every point between two events, the beginning and the end."""
    return list(range(len(trace) + 1))


def acknowledged_points(trace: Trace) -> list[int]:
    """The points just after a step was acknowledged."""
    return [number + 1 for number, event in enumerate(trace) if isinstance(event, Acknowledged)]


def prove(
    of: Recorded,
    points: Sequence[int],
    loss: Callable[[int], Iterator[Loss]] = losses,
    *,
    most: int | None = None,
) -> Found:
    """Lose power at each of `points`, and look at what is left, or at `most` of the states that may be left."""
    states = _distinct_states(of.trace, set(points), loss)
    if most is not None and len(states) > most:
        states = random.Random(0).sample(states, most)
    problems: list[str] = []
    for state in states:
        problem = _problem(state, of.expected)
        if problem is not None:
            problems.append(f"{state.words}: {problem}")
    count = sum(isinstance(event, Acknowledged) for event in of.trace)
    return Found(len(set(points)), count, len(states), problems)


def _distinct_states(trace: Trace, points: set[int], loss: Callable[[int], Iterator[Loss]]) -> list[State]:
    found: dict[frozenset[Any], State] = {}
    disk, acknowledged = Disk(), 0
    for point in range(len(trace) + 1):
        if point:
            disk.apply(trace[point - 1])
            acknowledged += isinstance(trace[point - 1], Acknowledged)
        for each in loss(point) if point in points else ():
            image = disk.survivors(each)
            words = f"after {point} operations, {each.words}"
            state = found.setdefault(frozenset(image.items()), State(image, words, set()))
            state.acknowledged.add(acknowledged)
    return list(found.values())


def _problem(state: State, expected: list[workload.Shown]) -> str | None:
    with scratch() as root:
        _make(root, state.image)
        try:
            _check(root / FOLIO, state.acknowledged, expected)
        except Exception as error:  # noqa: BLE001 - whatever is raised is what the proof looks for
            return f"{type(error).__name__}: {error}"[:500]
    return None


def _make(root: Path, image: Image) -> None:
    for name, content in image.items():  # a folder stands before what is in it
        if content is None:
            (root / name).mkdir()
        else:
            data, mode = content
            (root / name).write_bytes(data)
            (root / name).chmod(mode & 0o644)


def _check(path: Path, acknowledged: set[int], expected: list[workload.Shown]) -> None:
    """Raise unless the folio shows what was acknowledged, or one step more, and is in order."""
    if max(acknowledged) or (path / "folio.json").exists():
        reader = DataFolio.open(path, read_only=True)
        _require_sound(reader)
        seen = workload.shown(reader)
    else:
        seen = expected[0]
    for count in acknowledged:
        assert seen in expected[count : count + 2], f"after {count} acknowledged steps it shows {seen}"
    folio = DataFolio(path)
    folio.add_json("next", 9)
    folio.cleanup_orphaned_versions()
    _require_sound(folio)
    after = workload.shown(folio)
    assert after.items.pop("next") == 9
    assert after == seen


def _require_sound(folio: DataFolio) -> None:
    errors = [finding for finding in folio.validate().findings if finding.severity == "error"]
    assert not errors, errors


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a while, in memory where the system has one there: power is lost on the model disk only."""
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(prefix="power-", dir=memory if os.access(memory, os.W_OK) else None)
    try:
        yield Path(os.path.realpath(folder))
    finally:
        shutil.rmtree(folder)


def many_steps(count: int) -> list[workload.Step]:
    """Enough small steps that old records are trimmed, and overwritten content is collected."""
    made = []
    for number in range(count):
        made.append(workload.Step("set", lambda f, n=number: f.metadata.update({"n": n, "s": str(n)})))
        if number % 10 == 5:
            made.append(workload.Step("add", lambda f, n=number: f.add_json("a", n, overwrite=True)))
        if number % 25 == 20:
            made.append(workload.Step("collect", lambda f: f.cleanup_orphaned_versions()))
    return made


def without(trace: Trace, is_left_out: Callable[[Synced], bool]) -> Trace:
    """The same events but for some syncs."""
    return [event for event in trace if not (isinstance(event, Synced) and is_left_out(event))]


def each_sync_left_out(of: Recorded) -> tuple[int, int]:
    """How many syncs there are, and without how many something is lost at the next acknowledged point."""
    acknowledged = acknowledged_points(of.trace)
    syncs = [number for number, event in enumerate(of.trace) if isinstance(event, Synced) and number < acknowledged[-1]]
    noticed = 0
    for number in syncs:
        trace = [*of.trace[:number], *of.trace[number + 1 :]]
        point = next(point for point in acknowledged if point > number) - 1
        noticed += bool(prove(Recorded(trace, of.expected), [point], worst_loss).problems)
    return len(syncs), noticed


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was lost, or if a loss was not seen."""
    with scratch() as folder:
        runs = {"one of everything": workload.steps(folder), "trimming and collecting": many_steps(130)}
        good = [_report(words, recorded(steps)) for words, steps in runs.items()]
    if not all(good):
        sys.exit(1)


def _report(words: str, of: Recorded) -> bool:
    """Print the figures; whether nothing was lost, and something without syncs."""
    began = time.monotonic()
    found = prove(of, all_points(of.trace))
    print(
        f"power loss, {words}: {found.points} points, {found.acknowledged} acknowledged, {found.states} states: "
        f"{len(found.problems)} with a loss or an error ({time.monotonic() - began:.0f} s)"
    )
    for problem in found.problems[:10]:
        print(f"  {problem}")
    good = not found.problems
    for kind, is_folder in (("file", False), ("folder", True)):
        trace = without(of.trace, lambda event, is_folder=is_folder: event.is_folder is is_folder)
        missing = prove(Recorded(trace, of.expected), acknowledged_points(trace), worst_loss)
        print(f"the same with no {kind} synced: {len(missing.problems)} of {missing.states} states with a loss")
        good = good and bool(missing.problems)
    syncs, noticed = each_sync_left_out(of)
    print(f"the same with one sync left out, each of {syncs} in turn: {noticed} noticed at the next acknowledged point")
    return good


if __name__ == "__main__":
    main()
