"""Many processes at once: none loses another's work, and of those who want one name exactly one gets it.

python -m tests.reliability.many
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from datafolio import DataFolio, ItemInUseError, SnapshotExistsError

__all__ = ["Effects", "Mixed", "missing_effects", "mixed_work", "one_name"]

_OFF: dict[str, Any] = {"capture_git": False, "capture_environment": False, "capture_execution": False}
# Spawned, so that nothing is shared but the folio.
_processes = multiprocessing.get_context("spawn")
#: In seconds; a worker that takes longer hangs.
_DEADLINE = 1800
#: Opens the folio, in whatever process.
_Folio = Callable[[], DataFolio]


@dataclass
class Effects:
    """What one worker's acknowledged operations must have left, whatever all the others did."""

    operations: int = 0
    items: dict[str, Any] = field(default_factory=dict)
    deleted_items: set[str] = field(default_factory=set)
    metadata: dict[str, Any] = field(default_factory=dict)
    appended: list[str] = field(default_factory=list)
    nested: dict[str, int] = field(default_factory=dict)
    snapshots: dict[str, int] = field(default_factory=dict)
    deleted_snapshots: set[str] = field(default_factory=set)


class Mixed(NamedTuple):
    """What came of many workers and a collector."""

    operations: int
    collections: int
    seconds: float
    #: Effects that are not there, in words.
    missing: list[str]
    #: What fsck found.
    findings: list[str]


class _Worker:
    """Every tenth operation is the same kind again."""

    def __init__(self, folio: DataFolio, name: str) -> None:
        self._folio = folio
        self._name = name
        self.effects = Effects()

    def work(self, number: int) -> None:
        kinds: list[Callable[[int], None]] = [
            self._add,
            self._delete,
            self._overwrite,
            self._set_metadata,
            self._append,
            self._set_nested,
            self._create_snapshot,
            self._delete_snapshot,
            self._add_what_others_add,
            self._batch,
        ]
        kinds[number % 10](number)
        self.effects.operations += 1

    def _add(self, number: int) -> None:
        self._put(f"{self._name}-{number}", {"worker": self._name, "number": number})

    def _delete(self, number: int) -> None:
        name = f"{self._name}-{number - 1}"
        with contextlib.suppress(ItemInUseError):  # of a snapshot, which may be another worker's
            self._folio.delete(name)
            del self.effects.items[name]
            self.effects.deleted_items.add(name)

    def _overwrite(self, number: int) -> None:
        self._put(f"{self._name}-latest", f"{self._name} {number} " * 100)

    def _set_metadata(self, number: int) -> None:
        self._folio.metadata[f"{self._name}-{number // 10}"] = number
        self.effects.metadata[f"{self._name}-{number // 10}"] = number

    def _append(self, number: int) -> None:
        self._folio.metadata["list"].append(f"{self._name}-{number}")
        self.effects.appended.append(f"{self._name}-{number}")

    def _set_nested(self, number: int) -> None:
        self._folio.metadata["nested"]["scores"][f"{self._name}-{number % 40}"] = number
        self.effects.nested[f"{self._name}-{number % 40}"] = number

    def _create_snapshot(self, number: int) -> None:
        self._folio.create_snapshot(f"{self._name}-{number}", description=str(number), **_OFF)
        self.effects.snapshots[f"{self._name}-{number}"] = number

    def _delete_snapshot(self, number: int) -> None:
        """Of the two newest, the older one, so that half of them stay."""
        name = f"{self._name}-{number - 1}"
        if number % 20 == 17:
            self._folio.delete_snapshot(name)
            del self.effects.snapshots[name]
            self.effects.deleted_snapshots.add(name)
        else:
            kept = self._folio.get_snapshot(name).get_json(f"{self._name}-latest")
            assert kept == self.effects.items[f"{self._name}-latest"]
            self._put(f"{self._name}-read", kept)

    def _add_what_others_add(self, number: int) -> None:
        """Content that comes, goes and comes back, so that a collector condemns what another relies on."""
        self._put(f"{self._name}-shared", f"shared {number // 10 % 3} " * 100)

    def _batch(self, number: int) -> None:
        with self._folio.batch():
            self._put(f"{self._name}-{number}", number)
            self._set_metadata(number)

    def _put(self, name: str, value: Any) -> None:
        self._folio.add_json(name, value, overwrite=True)
        assert self._folio.get_json(name) == value
        self.effects.items[name] = value


def _work(opened: _Folio, name: str, operations: int, start: Any) -> Effects:
    worker = _Worker(opened(), name)
    start.wait(_DEADLINE)
    for number in range(operations):
        worker.work(number)
    return worker.effects


def _collect(opened: _Folio, start: Any, stop: Any) -> int:
    folio = opened()
    start.wait(_DEADLINE)
    count = 0
    while not stop.is_set():
        folio.cleanup_orphaned_versions()
        count += 1
    return count


def mixed_work(path: str | Path, workers: int, operations: int, **options: Any) -> Mixed:
    """`workers` processes of `operations` each, and one that collects all the while, in the folio at `path`.

    `options` are those with which each of them opens it.
    """
    opened = partial(DataFolio, path, **options)
    folio = opened()
    folio.metadata = {"list": [], "nested": {"scores": {}}}
    start, stop = _processes.Barrier(workers + 2), _processes.Event()
    with contextlib.ExitStack() as stack:
        working = [stack.enter_context(_running(_work, opened, f"w{n}", operations, start)) for n in range(workers)]
        collecting = stack.enter_context(_running(_collect, opened, start, stop))
        start.wait(_DEADLINE)
        began = time.monotonic()
        try:
            effects = [result() for result in working]
            seconds = time.monotonic() - began
        finally:
            stop.set()
        collections = collecting()
    missing = [words for each in effects for words in missing_effects(folio, each)]
    appended = [text for each in effects for text in each.appended]
    if sorted(folio.metadata["list"]) != sorted(appended):
        missing.append("the list in the metadata is not what was appended to it")
    findings = [str(finding) for finding in folio.validate().findings]
    return Mixed(sum(each.operations for each in effects), collections, seconds, missing, findings)


@contextlib.contextmanager
def _running(function: Callable[..., Any], *args: Any) -> Iterator[Callable[[], Any]]:
    """`function` in a process of its own; calling what this gives waits for what it returned, or raises."""
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_report, args=(theirs, function, *args), daemon=True)
    process.start()
    theirs.close()

    def result() -> Any:
        assert ours.poll(_DEADLINE), f"{function.__name__} hangs"
        value = ours.recv()
        if isinstance(value, BaseException):
            raise value
        return value

    try:
        with ours:
            yield result
    finally:
        if process.exitcode is None:
            process.join(10)
            process.kill()
        process.join()


def _report(connection: Any, function: Callable[..., Any], *args: Any) -> None:
    try:
        value = function(*args)
    except BaseException as error:  # noqa: BLE001 - raised again where it is asked for
        value = error
        for barrier in args:
            if hasattr(barrier, "abort"):
                barrier.abort()
    connection.send(value)
    connection.close()


def missing_effects(folio: DataFolio, effects: Effects) -> Iterator[str]:
    """What the folio does not show of a worker's effects, in words."""
    items, metadata, snapshots = set(folio.items), folio.metadata.copy(), set(folio.snapshots)
    for name, value in effects.items.items():
        if name not in items or folio.get_json(name) != value:
            yield f"item {name!r} is not {value!r}"
    yield from (f"item {name!r} is still there" for name in effects.deleted_items & items)
    for name, value in effects.metadata.items():
        if metadata.get(name) != value:
            yield f"metadata[{name!r}] is not {value!r}"
    for name, value in effects.nested.items():
        if metadata["nested"]["scores"].get(name) != value:
            yield f"metadata['nested']['scores'][{name!r}] is not {value!r}"
    for name, number in effects.snapshots.items():
        if name not in snapshots or folio.get_snapshot_info(name)["description"] != str(number):
            yield f"snapshot {name!r} is not that of {number}"
    yield from (f"snapshot {name!r} is still there" for name in effects.deleted_snapshots & snapshots)


def _create_each(path: Path, name: str, rounds: int, start: Any) -> list[bool]:
    """Whether this process was the one to create the snapshot of each round."""
    folio = DataFolio(path)
    won = []
    for number in range(rounds):
        start.wait(_DEADLINE)
        try:
            folio.create_snapshot(f"round-{number}", description=name, **_OFF)
            won.append(True)
        except SnapshotExistsError:
            won.append(False)
    return won


def one_name(path: Path, processes: int, rounds: int) -> list[list[str]]:
    """The names of those that created the snapshot in each round, where all tried at once, and of what it says."""
    folio = DataFolio(path)
    start = _processes.Barrier(processes)
    names = [f"p{number}" for number in range(processes)]
    with contextlib.ExitStack() as stack:
        creating = [stack.enter_context(_running(_create_each, path, name, rounds, start)) for name in names]
        won = [result() for result in creating]
    winners = [[name for name, each in zip(names, won, strict=True) if each[number]] for number in range(rounds)]
    for number, names_of_round in enumerate(winners):
        assert [folio.get_snapshot_info(f"round-{number}")["description"]] == names_of_round
    assert len(folio.snapshots) == rounds
    assert folio.validate().findings == ()
    return winners


def main() -> None:
    """Run it, print the figures, and exit with 1 if anything was not as it should be."""
    with tempfile.TemporaryDirectory(prefix="many-") as folder:
        mixed = mixed_work(Path(folder) / "mixed", 8, 500)
        print(
            f"8 processes x 500 operations beside {mixed.collections} collections: {mixed.operations} acknowledged, "
            f"{len(mixed.missing)} effects missing, {len(mixed.findings)} fsck findings; "
            f"{mixed.operations / mixed.seconds:.0f} operations/s ({mixed.seconds:.0f} s)"
        )
        for words in [*mixed.missing[:10], *mixed.findings[:10]]:
            print(f"  {words}")
        began = time.monotonic()
        winners = one_name(Path(folder) / "name", 32, 200)
        single = sum(len(names) == 1 for names in winners)
        print(
            f"32 processes create one snapshot name: exactly 1 won in {single} of {len(winners)} rounds, "
            f"all others got SnapshotExistsError ({time.monotonic() - began:.0f} s)"
        )
    if mixed.missing or mixed.findings or single != len(winners):
        sys.exit(1)


if __name__ == "__main__":
    main()
