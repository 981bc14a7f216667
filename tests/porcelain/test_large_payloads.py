"""Large payloads: written in one pass from whatever gives them, and read back mapped or in part."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from datafolio import CorruptObjectError, DataFolio, MissingObjectError, UsageError

OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}


def stored(folio: DataFolio, name: str) -> Path:
    digest = folio.get_item_info(name)["digest"]
    return folio.path / "objects" / digest[:2] / digest[2:]


def damage(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


class Mixed:
    """Pickles into pieces of every size."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.parts = [random.bytes(size) for size in (10, 20_000, 3_000_000, 5, 9_000_000, 70_000, 1 << 20, 4 << 20, 1)]
        self.arrays = [random.standard_normal(size) for size in (3, 1000, 200_000, 2_000_000)]


def test_a_model_of_pieces_of_every_size_is_an_ordinary_pickle(folio):
    model = Mixed()
    folio.add_model("model", model)
    with stored(folio, "model").open("rb") as file:
        direct = pickle.load(file)
    for got in (folio.get_model("model"), direct):
        assert got.parts == model.parts
        assert all(np.array_equal(mine, other) for mine, other in zip(got.arrays, model.arrays, strict=True))
    assert folio.validate()


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_written_as_it_is(folio, order):
    array = np.asarray(np.random.default_rng(0).standard_normal((1000, 2000)), order=order)
    folio.add_numpy("array", array)
    assert np.array_equal(np.load(stored(folio, "array")), array)
    array[0, 0] = 7  # the folio has no hold on it, neither its memory
    array.resize((3, 3), refcheck=False)
    assert folio.validate()


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_mapped_array_is_written_whole_and_is_unharmed(folio, tmp_path, mode):
    np.save(tmp_path / "it.npy", np.arange(6_000_000.0))
    mapped = np.load(tmp_path / "it.npy", mmap_mode=mode)
    if mode != "r":
        mapped[[5, 4_000_000]] = -1
    expected = np.array(mapped)
    folio.add_numpy("whole", mapped)
    folio.add_numpy("part", mapped[3:])
    assert np.array_equal(mapped, expected)
    assert np.array_equal(folio.get_numpy("whole"), expected)
    assert np.array_equal(folio.get_numpy("part"), expected[3:])


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_can_be_had_as_the_stored_file(folio, order):
    array = np.asarray(np.random.default_rng(0).standard_normal((300, 500)), order=order)
    folio.add_numpy("array", array)
    folio.create_snapshot("s", **OFF)
    for reader in (folio, folio.get_snapshot("s"), folio.snapshots["s"]):
        mapped = reader.get_numpy("array", mmap=True)
        assert np.array_equal(mapped, array)
        assert (mapped.dtype, mapped.flags.fnc) == (array.dtype, array.flags.fnc)
        with pytest.raises(ValueError, match="read-only"):
            mapped[0, 0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            mapped.flags.writeable = True


@pytest.mark.skipif(sys.platform != "linux", reason="needs a system that lists what a process has mapped")
def test_a_mapped_array_is_no_copy(folio):
    folio.add_numpy("array", np.arange(3_000_000.0))
    mapped = folio.get_numpy("array", mmap=True)
    path = str(stored(folio, "array"))
    assert path in Path("/proc/self/maps").read_text()
    del mapped
    assert path not in Path("/proc/self/maps").read_text()


def test_a_mapped_array_outlives_its_item(folio):
    folio.add_numpy("array", np.arange(300_000.0))
    mapped = folio.get_numpy("array", mmap=True)
    folio.delete("array")
    folio.cleanup_orphaned_versions()
    assert mapped[-1] == 299_999


@pytest.mark.parametrize("array", [np.array(3.5), np.empty((0, 3)), np.zeros(2, [("größe", "i4")])], ids=str)
def test_what_has_nothing_to_map_can_not_be_written_to_either(folio, array):
    folio.add_numpy("array", array)
    got = folio.get_numpy("array", mmap=True)
    assert got.dtype == array.dtype
    assert got.tolist() == array.tolist()
    assert not got.flags.writeable


@pytest.mark.parametrize("mmap", [True, False])
def test_a_damaged_array_is_refused_before_any_of_it_is_used(folio, mmap):
    folio.add_numpy("array", np.arange(3_000_000.0))
    damage(stored(folio, "array"), -1)
    with pytest.raises(CorruptObjectError, match="array"):
        folio.get_numpy("array", mmap=mmap)


def test_any_other_value_for_mmap_is_refused(folio):
    folio.add_numpy("array", np.arange(3))
    with pytest.raises(UsageError, match="mmap='r' is neither True nor False"):
        folio.get_numpy("array", mmap="r")


def test_a_damaged_table_is_damaged_whatever_its_conversion_says(folio):
    folio.add_table("table", pd.DataFrame({"x": np.random.default_rng(0).standard_normal(300_000)}))
    path = stored(folio, "table")
    for position in (1000, path.stat().st_size - 30):
        damage(path, position)
        with pytest.raises(CorruptObjectError, match="table"):
            folio.get_table("table")
        damage(path, position)
    assert len(folio.get_table("table")) == 300_000


def test_a_stream_is_stored_batch_by_batch(folio):
    schema = pa.schema([("x", pa.int64())])

    def batches():
        for start in range(0, 3_000_000, 100_000):
            yield pa.record_batch([pa.array(range(start, start + 100_000))], schema=schema)

    folio.add_table("table", pa.RecordBatchReader.from_batches(schema, batches()))
    assert folio.get_table("table", as_="arrow")["x"].to_pylist() == list(range(3_000_000))


def test_what_fails_midway_leaves_nothing(folio):
    class Bad:
        def __reduce__(self):
            raise RuntimeError("no")

    before = sorted(folio.path.rglob("*"))
    with pytest.raises(UsageError, match="can't be pickled"):
        folio.add_model("model", [b"x" * 9_000_000, Bad()])
    assert [path for path in sorted(folio.path.rglob("*")) if path not in before and path.suffix != ".lock"] == []


class ReadOnce:
    """A stream that can be read once, while a part of the folio is gone for the time being."""

    def __init__(self, part: Path, reader: pa.RecordBatchReader) -> None:
        self.part, self.away, self.reader = part, part.with_name("away"), reader

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        self.move()
        return self.reader.__arrow_c_stream__(requested_schema)

    def move(self) -> None:
        if self.away.exists():
            self.away.rename(self.part)
        else:
            self.part.rename(self.away)


def test_a_stream_is_not_read_again_whatever_else_goes_wrong(folio):
    names = [f"item{number}" for number in range(500)]
    with folio.batch():
        for name in names:
            folio.add_json(name, name)
    with folio.batch():
        for name in names:
            folio.delete(name)
    folio.cleanup_orphaned_versions()
    stream = ReadOnce(folio.path / "condemned", pa.table({"x": [1, 2, 3]}).to_reader())
    with pytest.raises(MissingObjectError, match="condemned"):
        DataFolio(folio.path).add_table("table", stream)
    stream.move()
    assert folio.items == []
    assert folio.validate()


THREADS_IMPORT_NOTHING = """
import sys, threading
from datafolio import DataFolio

folio = DataFolio("folio")
wanted = []

class Watching:
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            wanted.append(name)

sys.meta_path.insert(0, Watching())
folio.add_artifact("it", "it.bin")
assert not wanted, wanted
"""


def test_the_thread_that_writes_imports_nothing(tmp_path):
    """A process forked meanwhile would wait for ever for the end of that import."""
    with (tmp_path / "it.bin").open("wb") as file:
        file.truncate(40 << 20)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", THREADS_IMPORT_NOTHING]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
