"""What a folio goes through in the proofs, and a model in plain dicts that goes through the same.

A step is one call on whatever it is given: a DataFolio, or a `Model`.  What is left of a folio after
something went wrong must be what the model shows after the steps that were acknowledged, or after
one more.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import hashlib
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from datafolio import DataFolio, ItemInUseError

__all__ = [
    "OFF",
    "Model",
    "Shown",
    "Step",
    "check_collected",
    "check_folio",
    "copy_folio",
    "large",
    "litter",
    "perform",
    "random_steps",
    "shown",
    "states",
    "steps",
    "table",
]

#: Snapshots of nothing but the folio.
OFF: dict[str, Any] = {"capture_git": False, "capture_environment": False, "capture_execution": False}

# Over the size from which on a payload is staged by a thread.
_LARGE = (1 << 20) + 4096

_TOP_LEVEL = frozenset(
    ("folio.json", "README.md", "log", "objects", "condemned", "tmp", "items.json", "snapshots.json")
)


class Shown(NamedTuple):
    """What a folio shows: items by name, metadata, and both of each snapshot by name."""

    items: dict[str, Any]
    metadata: dict[str, Any]
    snapshots: dict[str, tuple[dict[str, Any], dict[str, Any]]]


class Step(NamedTuple):
    """One thing to do."""

    words: str
    call: Callable[[Any], object]


class Model:
    """The methods of a DataFolio that steps call, on plain dicts."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.snapshots: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def add_data(self, name: str, value: Any, *, overwrite: bool = False) -> None:
        assert overwrite or name not in self.items
        self.items[name] = _seen(value)

    add_json = add_numpy = add_table = add_artifact = add_data

    def delete(self, name: str) -> None:
        if any(name in items for items, _ in self.snapshots.values()):
            raise ItemInUseError(name)
        del self.items[name]

    def __contains__(self, name: str) -> bool:
        return name in self.items

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        yield

    def create_snapshot(self, name: str, **_: bool) -> None:
        assert name not in self.snapshots
        self.snapshots[name] = (dict(self.items), copy.deepcopy(self.metadata))

    def restore_snapshot(self, name: str) -> None:
        items, metadata = self.snapshots[name]
        self.items, self.metadata = dict(items), copy.deepcopy(metadata)

    def delete_snapshot(self, name: str, cleanup_orphans: bool = False) -> None:
        del self.snapshots[name]

    def cleanup_orphaned_versions(self) -> None:
        """Nothing that a folio shows changes."""

    def shown(self) -> Shown:
        """What it shows now."""
        return Shown(dict(self.items), copy.deepcopy(self.metadata), dict(self.snapshots))


def _seen(value: Any) -> Any:
    """`value` as something to compare."""
    if isinstance(value, Path):
        return hashlib.blake2b(value.read_bytes()).hexdigest()
    if isinstance(value, np.ndarray):
        # Every array that is added is of one number throughout, so these tell all of it.
        return (value.dtype.str, value.shape, value.min(), value.max())
    if isinstance(value, pd.DataFrame):
        return value.to_csv()
    return value


def shown(folio: DataFolio) -> Shown:
    """What the folio shows, every value read."""
    snapshots = {name: folio.get_snapshot(name) for name in folio.snapshots}
    return Shown(
        _items(folio),
        folio.metadata.copy(),
        {name: (_items(snapshot), snapshot.metadata.copy()) for name, snapshot in snapshots.items()},
    )


def _items(folio: DataFolio) -> dict[str, Any]:
    return {name: _seen(folio.get_data(name)) for name in folio.items}


def large(number: int) -> np.ndarray:
    return np.full(_LARGE // 8, number, dtype="float64")


def table(number: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(number, number + 100), "s": [f"row {number}"] * 100})


def _batch(*calls: Callable[[Any], object]) -> Callable[[Any], object]:
    def call(target: Any) -> None:
        with target.batch():
            for inner in calls:
                inner(target)

    return call


def _set(target: Any, key: str, value: Any) -> None:
    target.metadata[key] = value


def _file(folder: Path) -> Path:
    """A file to add, always of the same bytes."""
    path = folder / "input.bin"
    if not path.exists():
        path.write_bytes(bytes(range(256)) * (_LARGE // 256))
    return path


def steps(folder: Path) -> list[Step]:
    """One of everything; `folder` is for the file that is added."""
    file = _file(folder)
    return [
        Step("add json", lambda f: f.add_json("a", {"x": 1})),
        Step("add a large array", lambda f: f.add_numpy("weights", large(1))),
        Step("add a table", lambda f: f.add_table("table", table(1))),
        Step("add a file", lambda f: f.add_artifact("file", file)),
        Step("set metadata", lambda f: _set(f, "runs", [{"loss": 0.5}])),
        Step("create v1", lambda f: f.create_snapshot("v1", **OFF)),
        Step("overwrite a large array", lambda f: f.add_numpy("weights", large(2), overwrite=True)),
        Step("change nested metadata", lambda f: f.metadata["runs"][0].update({"loss": 0.4, "epochs": [1, 2]})),
        Step("the same content", lambda f: f.add_numpy("copy", large(1))),
        Step(
            "batch",
            _batch(
                lambda f: f.add_json("b", [1, 2, 3]),
                lambda f: f.add_numpy("large", large(3)),
                lambda f: f.add_table("table", table(2), overwrite=True),
                lambda f: f.delete("copy"),
                lambda f: f.metadata["runs"].append("batch"),
                lambda f: f.add_json("a", {"x": 2}, overwrite=True),
            ),
        ),
        Step("create v2", lambda f: f.create_snapshot("v2", **OFF)),
        Step("delete metadata", lambda f: f.metadata.pop("runs")),
        Step("restore v1", lambda f: f.restore_snapshot("v1")),
        Step("delete v2", lambda f: f.delete_snapshot("v2")),
        Step("collect", lambda f: f.cleanup_orphaned_versions()),
        Step("content comes back", lambda f: f.add_numpy("weights", large(2), overwrite=True)),
        Step("delete v1 and collect", lambda f: f.delete_snapshot("v1", cleanup_orphans=True)),
        Step("delete", lambda f: f.delete("weights")),
        Step("collect again", lambda f: f.cleanup_orphaned_versions()),
        Step("content comes back again", lambda f: f.add_numpy("weights", large(2))),
    ]


def random_steps(seed: int, folder: Path) -> Iterator[Step]:
    """Steps without end, each of which the folio takes after those before it."""
    rng = random.Random(seed)
    model = Model()
    file = _file(folder)
    while True:
        step = _random_step(rng, model, file)
        step.call(model)
        yield step


def _random_step(rng: random.Random, model: Model, file: Path) -> Step:
    name, number, number_of_batch = rng.choice("abcd"), rng.randrange(4), rng.randrange(4)
    label = f"s{rng.randrange(3)}"
    held = any(name in items for items, _ in model.snapshots.values())
    made: list[Callable[[Any], object]] = [
        lambda f: f.add_json(name, {"n": number}, overwrite=True),
        lambda f: f.add_numpy(name, large(number), overwrite=True),
        lambda f: f.add_table(name, table(number), overwrite=True),
        lambda f: f.add_artifact(name, file, overwrite=True),
        lambda f: _set(f, name, [number]),
        lambda f: f.metadata.setdefault("list", []),
        _batch(
            lambda f: f.add_json(f"{name}1", number, overwrite=True),
            lambda f: f.add_numpy(f"{name}2", large(number_of_batch), overwrite=True),
            lambda f: _set(f, "batch", number),
        ),
        lambda f: f.cleanup_orphaned_versions(),
    ]
    if name in model.items and not held:
        made += [lambda f: f.delete(name)] * 3
    if label in model.snapshots:
        made += [lambda f: f.restore_snapshot(label), lambda f: f.delete_snapshot(label, cleanup_orphans=number > 1)]
    else:
        made += [lambda f: f.create_snapshot(label, **OFF)] * 2
    return Step("random", rng.choice(made))


def states(of: list[Step]) -> list[Shown]:
    """What is shown before the first step, and after each."""
    model = Model()
    found = [model.shown()]
    for step in of:
        step.call(model)
        found.append(model.shown())
    return found


def perform(path: Path, of: Iterator[Step] | list[Step], say: Callable[[str], object]) -> None:
    """Make a folio at `path` and do the steps, saying after each that it is done."""
    folio = DataFolio(path)
    for step in of:
        step.call(folio)
        say(step.words)


def copy_folio(source: Path, target: Path) -> None:
    """A copy without what is staged; the files that never change are shared with the source."""

    def copy(name: str, other: str) -> None:
        shutil.copy2(name, other) if os.stat(name).st_mode & stat.S_IWUSR else os.link(name, other)

    shutil.copytree(source, target, copy_function=copy, ignore=shutil.ignore_patterns("tmp"))


def check_folio(path: Path, allowed: list[Shown]) -> int:
    """Raise AssertionError unless the folio shows one of `allowed` and is in order; which of them, from the end.

    In order: an open needs nothing, nothing is damaged, the next write works, and the next collection
    leaves nothing that is not needed.
    """
    folio = DataFolio(path)
    found = shown(folio)
    assert found in allowed, f"shows {found}, expected one of {allowed}"
    assert shown(DataFolio.open(path, read_only=True)) == found
    assert folio.validate().findings == ()
    folio.add_numpy("next", large(9))
    folio.add_json("next too", {"x": 9})
    folio.cleanup_orphaned_versions()
    check_collected(folio)
    after = shown(folio)
    assert after.items.pop("next") == _seen(large(9))
    assert after.items.pop("next too") == {"x": 9}
    assert after == found
    return allowed.index(found) - len(allowed)


def check_collected(folio: DataFolio) -> None:
    """Raise AssertionError unless a collection, just made, left nothing that is not needed."""
    report = folio.validate()
    assert report.findings == ()
    assert report.unneeded == 0, f"{report.unneeded} objects that nothing needs"
    left = litter(folio.path)
    assert left == []


def litter(path: Path) -> list[str]:
    """Files of the folio that a collection should have removed: in tmp/ all but live locks and the reserve."""
    staging = path / "tmp"
    staged = os.listdir(staging) if staging.exists() else []
    rest = [name for name in staged if not name.startswith("reserve") and not _is_live_lock(staging / name)]
    return sorted([*(f"tmp/{name}" for name in rest), *(set(os.listdir(path)) - _TOP_LEVEL)])


def _is_live_lock(path: Path) -> bool:
    if path.suffix != ".lock":
        return False
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
