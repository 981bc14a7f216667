"""A folio driven at random beside a model of it that is made of plain dicts.

``HYPOTHESIS_PROFILE=long`` looks at many more and longer runs.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from datafolio import (
    DataFolio,
    ItemExistsError,
    ItemInUseError,
    ItemNotFoundError,
    SnapshotExistsError,
    SnapshotNotFoundError,
)

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"

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
    held: bool = False


@dataclass
class Model:
    """What a folio is meant to be."""

    items: dict[str, Item] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    snapshots: dict[str, tuple[dict[str, Item], dict[str, Any]]] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, content: tuple[str, int], *, overwrite: bool) -> None:
        current = self.items.get(name)
        if current is not None and not overwrite:
            raise ItemExistsError
        if current is not None and current.content == content:
            return
        new = current is None or current.held
        version = self.highest.get(name, 0) + 1 if new else current.version
        self.items[name] = Item(content, version)
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
        self.items = {name: replace(item, held=True) for name, item in self.items.items()}
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

    @rule(which=st.integers(0, 1), step=steps)
    def one_step(self, which: int, step: Step) -> None:
        assert outcome(step, self.handles[which]) == outcome(step, self.model)

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

    @invariant()
    def both_handles_agree_with_the_model(self) -> None:
        for folio in self.handles:
            assert folio.metadata == self.model.metadata
            assert repr(folio.metadata) == repr(self.model.metadata)
            assert folio.items == sorted(self.model.items)
            assert list(folio.snapshots) == list(self.model.snapshots)
        assert told(folio) == expected(self.model.items)

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

    def teardown(self) -> None:
        if hasattr(self, "place"):
            assert DataFolio(self.place / "folio").validate()
            shutil.rmtree(self.place)


TestFolioMachine = FolioMachine.TestCase
TestFolioMachine.settings = settings(
    max_examples=400 if LONG else 20,
    stateful_step_count=50 if LONG else 16,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
