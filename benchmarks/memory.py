"""Peak memory of adding what is much larger: each in a Python of its own, which says what it took.

What counts is the most that was resident at once, as Linux tells it of a process (`VmHWM`): with the imports, and
with the pages of mapped files, though those are the page cache's and can be taken back at any time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.report import Row

__all__ = ["benchmark_memory"]

LIMIT = 400

_GB = 1 << 30

_PEAK = """
import pathlib, sys
from datafolio import DataFolio

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

folio, size = DataFolio(sys.argv[1]), int(sys.argv[2])
"""

_FILE = """
folio.add_artifact("file", sys.argv[3])
print(peak())
"""

_ARRAY = """
import numpy as np
folio.add_numpy("array", np.memmap(sys.argv[3], "f8", "r"))
print(peak())
"""

_STREAM = """
import numpy as np, pyarrow as pa
chunk = 1 << 16
numbers = np.random.default_rng(0).standard_normal(17 * chunk)
schema = pa.schema([(f"x{i}", pa.float64()) for i in range(16)])

def batches():
    for turn in range(size // (16 * 8 * chunk)):
        columns = [pa.array(numbers[(i * chunk + turn) % (16 * chunk):][:chunk]) for i in range(16)]
        yield pa.record_batch(columns, schema=schema)

folio.add_table("table", pa.RecordBatchReader.from_batches(schema, batches()))
print(peak())
"""

_IMPORTS = """
folio.add_json("nothing", None)
import numpy, pandas, pyarrow.parquet
print(peak())
"""


def benchmark_memory(folder: Path, size: float) -> list[Row]:
    """A file, a mapped array and an Arrow stream of 4 GB times `size`; nothing to measure where Linux is not."""
    if not Path("/proc/self/status").exists():
        return []
    amount = int(4 * _GB * size)
    source = folder / "source.bin"
    with source.open("wb") as file:
        piece = os.urandom(1 << 22)
        for _ in range(0, amount, len(piece)):
            file.write(piece)
    kinds = {
        "`add_artifact` of a file": _FILE,
        "`add_numpy` of a memory-mapped array": _ARRAY,
        "`add_table` of an Arrow stream": _STREAM,
    }
    rows = [_row(f"{words} of {amount / _GB:.1f} GB", code, folder, amount) for words, code in kinds.items()]
    source.unlink()
    imports = _peak(_IMPORTS, folder, 0)
    return [*rows, Row("importing numpy, pandas and pyarrow, and adding nothing", f"{imports / 1e6:.0f} MB", "")]


def _row(words: str, code: str, folder: Path, amount: int) -> Row:
    peak = _peak(code, folder, amount) / 1e6
    return Row(words, f"**{peak:.0f} MB**", "", f"at most {LIMIT} MB", peak <= LIMIT)


def _peak(code: str, folder: Path, amount: int) -> int:
    folio = folder / "folio"
    arguments = [str(folio), str(amount), str(folder / "source.bin")]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK + code, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    shutil.rmtree(folio)
    return int(done.stdout)
