"""Large files, arrays and models: datafolio against what writes the same bytes durably, and does no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from benchmarks.measure import Action, in_turns
from benchmarks.report import Row, against
from datafolio import DataFolio

__all__ = ["benchmark_files"]

#: What adding may take, as a multiple of writing the same bytes and syncing them.
LIMIT = 1.1

_MB = 1 << 20


def benchmark_files(folder: Path, rounds: int, size: float) -> list[Row]:
    """Files of 1 GB, and models and arrays of 100 MB, times `size`."""
    return [*_files(folder, rounds, size), *_objects(folder, rounds, size)]


def _files(folder: Path, rounds: int, size: float) -> list[Row]:
    source, copy = folder / "source.bin", folder / "copy.bin"
    megabytes = max(int(1000 * size), 2)
    _write_random(source, megabytes)
    settled, got = folder / "settled.bin", folder / "got"
    shutil.copy(source, settled)
    time.sleep(2.1)  # a file that was written a moment ago is read again
    folio = DataFolio(folder / "known")
    folio.add_artifact("file", settled)
    folio.create_snapshot("all", capture_git=False, capture_environment=False, capture_execution=False)
    taken = in_turns(
        {
            # Touched each time, so that it is a file that was never added before.
            "add": _adding(folder, lambda folio: folio.add_artifact("file", source), lambda: _touch(source)),
            "cp": Action(lambda: _copy(source, copy), after=copy.unlink),
            "again": Action(lambda: folio.add_artifact("file", settled, overwrite=True)),
            "export": Action(lambda: folio.export_snapshot("all", got), after=lambda: shutil.rmtree(got)),
            "plain cp": Action(lambda: subprocess.run(["cp", source, copy], check=True), after=copy.unlink),
        },
        rounds,
    )
    shutil.rmtree(folder / "known")
    settled.unlink()
    source.unlink()
    return [
        against(f"`add_artifact` of a file of {megabytes} MB / `cp`, fsync", taken["add"], taken["cp"], LIMIT),
        against("the same file again, unchanged / `cp`, fsync", taken["again"], taken["cp"]),
        against("`export_snapshot` of it, verified / `cp`", taken["export"], taken["plain cp"]),
    ]


def _objects(folder: Path, rounds: int, size: float) -> list[Row]:
    numbers = np.random.default_rng(0).standard_normal(int(13 * _MB * size))
    models = {
        "one array of 100 MB": {"weights": numbers},
        "1,000 arrays of 100 kB": dict(enumerate(np.array_split(numbers, 1000))),
    }
    rows = [_model(folder, rounds, words, model) for words, model in models.items()]
    taken = in_turns(
        {
            "add": _adding(folder, lambda folio: folio.add_numpy("array", numbers)),
            "save": _writing(folder / "array.npy", lambda file: np.save(file, numbers)),
        },
        rounds,
    )
    return [*rows, against("`add_numpy` of 100 MB / `numpy.save`, fsync", taken["add"], taken["save"], LIMIT)]


def _model(folder: Path, rounds: int, words: str, model: dict[Any, Any]) -> Row:
    taken = in_turns(
        {
            "add": _adding(folder, lambda folio: folio.add_model("model", model)),
            "dump": _writing(folder / "model.pickle", lambda file: cloudpickle.dump(model, file, protocol=5)),
        },
        rounds,
    )
    return against(f"`add_model`, {words} / `cloudpickle.dump`, fsync", taken["add"], taken["dump"], LIMIT)


def _adding(folder: Path, add: Callable[[DataFolio], None], before: Callable[[], Any] = lambda: None) -> Action:
    """Adding to a new folio."""
    path = folder / "folio"

    def prepare() -> None:
        DataFolio(path)
        before()

    return Action(lambda: add(DataFolio.open(path)), before=prepare, after=lambda: shutil.rmtree(path))


def _writing(path: Path, write: Callable[[Any], Any]) -> Action:
    def run() -> None:
        with path.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())

    return Action(run, after=path.unlink)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", source, target], check=True)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


def _write_random(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(_MB))
        os.fsync(file.fileno())
