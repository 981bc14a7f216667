"""A folio driven at random beside a model of it that is made of plain dicts.

Through two handles: items, metadata, batches, snapshots, collections of both kinds, undo, writers that are
killed in the middle, new handles.  After every step both handles agree with the model, and the files on
the disk are sound.  `python -m tests.reliability.machine [MINUTES]` goes on for an hour.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from datafolio import (
    DataFolio,
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
    NotKeptError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck
from datafolio.store.gc import collect
from datafolio.store.log import Log
from datafolio.store.repository import Repository
from tests.reliability.fileops import FileOperation, intercepted

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}

#: What is added, by the type it is added as; a number stands for one of a few contents.
MAKERS: dict[str, Callable[[int], Any]] = {
    "json": lambda number: {"n": number, "list": [number] * 3},
    "numpy": lambda number: np.full(3, number),
    "model": lambda number: frozenset({number}),
    "table": lambda number: pd.DataFrame({"n": [number, 1], "s": ["a", None]}),
}

item_names = st.sampled_from(["a", "b", "c/d", "Ü"])
contents = st.tuples(st.sampled_from(sorted(MAKERS)), st.integers(0, 3))
keys = st.sampled_from(["x", "y", "z"])
values = st.sampled_from([2, 3, -4, True, False, 2**70, 0.5, "ü", None, (2, 3)])
snapshot_names = st.sampled_from(["s1", "s2", "s3"])


@dataclass(frozen=True)
class Item:
    """An item of the model."""

    content: tuple[str, int]
    version: int
    #: How many snapshots had been made when the content was written.
    generation: int


@dataclass
class Model:
    """What a folio is meant to be."""

    items: dict[str, Item] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, tuple[dict[str, Item], dict[str, Any]]] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    generation: int = 0

    def back_to(self, past: Model) -> None:
        self.items, self.metadata = dict(past.items), copy.deepcopy(past.metadata)
        self.snapshots = copy.deepcopy(past.snapshots)
        self.take(past.highest)

    def take(self, versions: dict[str, int]) -> None:
        """Never give these version numbers to other content."""
        for name, version in versions.items():
            self.highest[name] = max(version, self.highest.get(name, 0))

    def add(self, name: str, content: tuple[str, int], *, overwrite: bool) -> None:
        current = self.items.get(name)
        if current is not None and not overwrite:
            raise ItemExistsError
        if current is not None and current.content == content:
            return
        new = current is None or current.generation < self.generation
        version = self.highest.get(name, 0) + 1 if new else current.version
        self.items[name] = Item(content, version, self.generation)
        self.highest[name] = max(version, self.highest.get(name, 0))

    def delete(self, name: str) -> None:
        if name not in self.items:
            raise ItemNotFoundError
        if any(name in items for items, _ in self.snapshots.values()):
            raise ItemInUseError
        del self.items[name], self.highest[name]

    def create_snapshot(self, name: str) -> None:
        if name in self.snapshots:
            raise SnapshotExistsError
        self.generation += 1
        self.snapshots[name] = (dict(self.items), copy.deepcopy(self.metadata))

    def delete_snapshot(self, name: str) -> None:
        if name not in self.snapshots:
            raise SnapshotNotFoundError
        del self.snapshots[name]

    def restore_snapshot(self, name: str) -> None:
        if name not in self.snapshots:
            raise SnapshotNotFoundError
        items, metadata = self.snapshots[name]
        self.items, self.metadata = dict(items), copy.deepcopy(metadata)
        for item, version in ((item, entry.version) for item, entry in items.items()):
            self.highest[item] = max(version, self.highest.get(item, 0))


#: One step: the same call on a folio and on the model.
Step = Callable[[Any], None]


def adding(name: str, content: tuple[str, int], overwrite: bool) -> Step:
    kind, number = content

    def step(target: Any) -> None:
        if isinstance(target, Model):
            target.add(name, content, overwrite=overwrite)
        else:
            getattr(target, f"add_{kind}")(name, MAKERS[kind](number), overwrite=overwrite)

    return step


def nesting(key: str, value: Any) -> Step:
    def step(target: Any) -> None:
        target.metadata.setdefault("nested", {}).setdefault(key, []).append(value)

    return step


steps = st.one_of(
    st.builds(adding, item_names, contents, st.just(True) | st.booleans()),
    st.builds(lambda name: lambda target: target.delete(name), item_names),
    st.builds(lambda key, value: lambda target: target.metadata.__setitem__(key, value), keys, values),
    st.builds(lambda key: lambda target: target.metadata.pop(key, None), keys),
    st.builds(nesting, keys, values),
    st.builds(lambda key: lambda target: target.metadata.get("nested", {}).pop(key, None), keys),
    st.builds(
        lambda name: lambda target: target.create_snapshot(name, **({} if isinstance(target, Model) else OFF)),
        snapshot_names,
    ),
    st.builds(lambda name: lambda target: target.delete_snapshot(name), snapshot_names),
    st.builds(lambda name: lambda target: target.restore_snapshot(name), snapshot_names),
)

REFUSALS = (ItemExistsError, ItemInUseError, ItemNotFoundError, SnapshotExistsError, SnapshotNotFoundError)


def outcome(step: Step, target: Any) -> type[BaseException] | None:
    try:
        step(target)
    except REFUSALS as error:
        return type(error)
    return None


def told(folio: DataFolio) -> dict[str, tuple[tuple[str, int], int]]:
    """The items of what a handle shows: content, as the model has it, and version."""
    return {name: (recognised(folio, name), folio.get_item_info(name)["version"]) for name in folio.items}


def recognised(folio: DataFolio, name: str) -> tuple[str, int]:
    kind, value = folio.data[name].type, folio.get_data(name)
    number = {
        "json": lambda: value["n"],
        "numpy": lambda: int(value[0]),
        "model": lambda: next(iter(value)),
        "table": lambda: int(value["n"][0]),
    }[kind]()
    same = pd.testing.assert_frame_equal if kind == "table" else np.testing.assert_equal
    same(value, MAKERS[kind](number))
    return kind, number


def expected(items: dict[str, Item]) -> dict[str, tuple[tuple[str, int], int]]:
    return {name: (item.content, item.version) for name, item in sorted(items.items())}


class FolioMachine(RuleBasedStateMachine):
    """Two handles on one folio; every step goes through one of them, and is looked at through both."""

    @initialize()
    def begin(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="datafolio-test-"))
        self.handles = [DataFolio(self.place / "folio"), DataFolio(self.place / "folio")]
        self.model = Model()
        self.disk = LocalBackend(self.place / "folio")
        #: What the folio held after an operation, by its number, as far as that is known.
        self.past = {0: Model()}
        #: The newest operation that what came before may be lost to.
        self.collected = 0

    def newest(self) -> int:
        return Log(self.disk).sequence()[-1]

    @rule(which=st.integers(0, 1), step=steps)
    def one_step(self, which: int, step: Step) -> None:
        assert outcome(step, self.handles[which]) == outcome(step, self.model)

    @rule(step=steps, operations=st.integers(0, 40), after=st.booleans())
    def a_step_that_is_killed(self, step: Step, operations: int, after: bool) -> None:
        """In a process of its own, at one of its file operations, if it has so many."""
        before, newest = copy.deepcopy(self.model), self.newest()
        outcome(step, self.model)
        if killed_at(operations, lambda: outcome(step, DataFolio(self.place / "folio")), after=after):
            # A step of several operations was killed between two of them, or at the first, or after the last.
            found = DataFolio(self.place / "folio")
            if not self.agrees(found):
                self.model = before
                if self.newest() > newest:
                    found.undo(newest + 1)
                assert self.agrees(found)

    @precondition(lambda self: max(self.past) > 0)
    @rule(which=st.integers(0, 1), data=st.data())
    def undo_to_before(self, which: int, data: st.DataObject) -> None:
        past = data.draw(st.sampled_from(sorted(self.past)[-12:]))
        if past == self.newest():
            return
        try:
            self.handles[which].undo(past + 1)
        except NotKeptError:
            assert past < self.collected or past < Log(self.disk).sequence()[0]
        else:
            self.model.back_to(self.past[past])

    @rule(which=st.integers(0, 1))
    def undo_and_undo_that(self, which: int) -> None:
        folio = self.handles[which]
        with contextlib.suppress(NotKeptError):
            done = folio.undo()
            if done is not None:
                # The numbers of what came back for a moment stay taken.
                self.model.take(self.past.get(done["restores"], Model()).highest)
                self.model.take({name: folio.get_item_info(name)["version"] for name in folio.items})
                folio.undo(done["operation"])

    @rule(which=st.integers(0, 1), batch=st.lists(steps, max_size=5), fails=st.booleans())
    def a_batch(self, which: int, batch: list[Step], fails: bool) -> None:
        folio, model = self.handles[which], copy.deepcopy(self.model)
        with contextlib.suppress(ZeroDivisionError):
            with folio.batch():
                for step in batch:
                    assert outcome(step, folio) == outcome(step, model)
                assert told(folio) == expected(model.items)
                assert folio.metadata == model.metadata
                _ = 1 / (not fails)
            self.model = model

    @rule(which=st.integers(0, 1), dry_run=st.booleans())
    def collect(self, which: int, dry_run: bool) -> None:
        folio = self.handles[which]
        would = folio.cleanup_orphaned_versions(dry_run=True)
        assert folio.cleanup_orphaned_versions(dry_run=dry_run) == would
        # An orphan may share its number with a version that replaced it, and never its content.
        digests = {folio.get_item_info(name)["digest"] for name in folio.items}
        assert digests.isdisjoint(orphan["digest"] for orphan in would)
        if not dry_run:
            self.collected = self.newest()

    @rule()
    def collect_what_the_log_does_not_need(self) -> None:
        collect(Repository.open(self.disk), keep_log=True)

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.handles[which] = DataFolio(self.place / "folio")

    @precondition(lambda self: len(self.model.snapshots) > 1)
    @rule(which=st.integers(0, 1))
    def compare(self, which: int) -> None:
        (old, (before, _)), *_, (new, (after, _)) = self.model.snapshots.items()
        diff = self.handles[which].compare_snapshots(old, new)
        both = set(before) & set(after)
        assert diff["added_items"] == sorted(set(after) - set(before))
        assert diff["removed_items"] == sorted(set(before) - set(after))
        assert diff["modified_items"] == sorted(name for name in both if before[name].content != after[name].content)
        assert diff["shared_items"] == sorted(name for name in both if before[name].content == after[name].content)

    def agrees(self, folio: DataFolio) -> bool:
        """Whether a handle shows what the model has."""
        try:
            self.compare_with_model(folio)
        except AssertionError:
            return False
        return True

    def compare_with_model(self, folio: DataFolio) -> None:
        assert folio.metadata == self.model.metadata
        assert repr(folio.metadata) == repr(self.model.metadata)
        assert folio.items == sorted(self.model.items)
        assert list(folio.snapshots) == list(self.model.snapshots)
        assert told(folio) == expected(self.model.items)

    @invariant()
    def both_handles_agree_with_the_model(self) -> None:
        for folio in self.handles:
            self.compare_with_model(folio)
        self.past.setdefault(self.newest(), copy.deepcopy(self.model))

    @invariant()
    def every_snapshot_is_as_it_was_made(self) -> None:
        folio = self.handles[0]
        infos = {info["name"]: info for info in folio.list_snapshots()}
        assert list(infos) == list(self.model.snapshots)
        for name, (items, metadata) in self.model.snapshots.items():
            snapshot = folio.get_snapshot(name)
            assert told(snapshot) == expected(items)
            assert snapshot.metadata == infos[name]["metadata_snapshot"] == metadata
            assert infos[name]["item_versions"] == {item: entry.version for item, entry in items.items()}

    @invariant()
    def what_is_on_the_disk_is_sound(self) -> None:
        assert fsck(self.disk).findings == ()

    def teardown(self) -> None:
        if hasattr(self, "place"):
            shutil.rmtree(self.place)


def killed_at(operations: int, call: Callable[[], Any], *, after: bool) -> bool:
    """Make the call in a process that is killed at one of its file operations; whether that came so far."""
    child = os.fork()
    if not child:

        def hook(operation: FileOperation, carry_out: Callable[[], Any]) -> Any:
            if operation.number < operations:
                return carry_out()
            if after:
                carry_out()
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("unreachable")

        try:
            with intercepted(hook):
                call()
        except BaseException:  # noqa: BLE001 - nothing of the test may run on in the child
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def main() -> None:
    """The long form: so many minutes, an hour by default."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    begin, runs = time.monotonic(), 0
    while time.monotonic() - begin < 60 * minutes:
        run_state_machine_as_test(
            FolioMachine,
            settings=settings(
                max_examples=20, stateful_step_count=50, deadline=None, database=None, suppress_health_check=CHECKS
            ),
        )
        runs += 20
    print(f"machine: {runs} runs of up to 50 steps in {minutes:g} minutes, 0 failures")


if __name__ == "__main__":
    main()
