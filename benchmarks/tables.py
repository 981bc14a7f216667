"""Large tables: datafolio against the library that it writes and reads them with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import Action, Series, in_turns
from benchmarks.report import Row, against
from datafolio import DataFolio

__all__ = ["benchmark_tables"]

#: What adding and getting may take, as multiples of what pyarrow takes.
ADDING, GETTING = 1.05, 1.10


def benchmark_tables(folder: Path, rounds: int, size: float) -> list[Row]:
    """Adding and getting tables whose Parquet files are about 100 MB times `size`."""
    rows: list[Row] = []
    for kind, make in (("mixed columns", mixed), ("random doubles", doubles)):
        frame = make(size)
        stored = f"{kind}, {_stored_size(frame, folder) / 1e6:.0f} MB stored"
        rows += _adding(frame, stored, folder, rounds)
        rows += _getting(frame, stored, folder, rounds)
    return rows


def mixed(size: float) -> pd.DataFrame:
    """What tables usually are: numbers, times, flags, words that repeat, and words that do not."""
    rows, random = int(2_200_000 * size), np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "price": random.standard_normal(rows),
            "weight": random.standard_normal(rows).astype("float32"),
            "shop": random.integers(0, 1000, rows),
            "returned": random.random(rows) < 0.3,
            "sold_at": pd.to_datetime(random.integers(1_600_000_000, 1_700_000_000, rows), unit="s"),
            "country": random.choice(np.array(["DE", "FR", "IT", "ES", "PL"]), rows),
            "customer": pd.Series(random.integers(0, 10**9, rows)).astype(str),
            "score": random.standard_normal(rows),
        }
    )


def doubles(size: float) -> pd.DataFrame:
    """The hardest case: nothing to compress and next to nothing to decode, so that every pass over the bytes shows."""
    rows, random = int(1_250_000 * size), np.random.default_rng(0)
    return pd.DataFrame({f"x{number}": random.standard_normal(rows) for number in range(10)})


def _adding(frame: pd.DataFrame, stored: str, folder: Path, rounds: int) -> list[Row]:
    table = pa.Table.from_pandas(frame)
    taken = in_turns(
        {
            "pyarrow": _writing(folder / "plain.parquet", lambda: table),
            "add arrow": _add_to_new_folio(folder / "folio", table),
            "pandas": _writing(folder / "plain.parquet", lambda: pa.Table.from_pandas(frame)),
            "add pandas": _add_to_new_folio(folder / "folio", frame),
        },
        rounds,
    )
    return [
        _row(
            "`add_table` of a pyarrow table / `pq.write_table`, fsync",
            stored,
            taken["add arrow"],
            taken["pyarrow"],
            ADDING,
        ),
        _row(
            "`add_table` of a pandas frame / `Table.from_pandas`, `pq.write_table`, fsync",
            stored,
            taken["add pandas"],
            taken["pandas"],
            ADDING,
        ),
    ]


def _getting(frame: pd.DataFrame, stored: str, folder: Path, rounds: int) -> list[Row]:
    folio = DataFolio(folder / "folio")
    folio.add_table("table", frame)
    file = stored_file(folio, "table")
    taken = in_turns(
        {
            "read": Action(lambda: pq.read_table(file).to_pandas()),
            "get": Action(lambda: folio.get_table("table")),
            "read pandas": Action(lambda: pd.read_parquet(file)),
            "read arrow": Action(lambda: pq.read_table(file)),
            "get arrow": Action(lambda: folio.get_table("table", as_="arrow")),
        },
        2 * rounds,
    )
    shutil.rmtree(folder / "folio")
    return [
        _row(
            "`get_table` / `pq.read_table` of the same file, `to_pandas`", stored, taken["get"], taken["read"], GETTING
        ),
        against(f"`get_table` / `pd.read_parquet` of the same file ({stored})", taken["get"], taken["read pandas"]),
        against(
            f'`get_table(as_="arrow")` / `pq.read_table` of the same file ({stored})',
            taken["get arrow"],
            taken["read arrow"],
        ),
    ]


def _row(what: str, stored: str, series: Series, reference: Series, limit: float) -> Row:
    return against(f"{what} ({stored})", series, reference, limit)


def _writing(path: Path, make: Callable[[], pa.Table]) -> Action:
    """Writing a new Parquet file durably, with datafolio's options: page checksums, else pyarrow's own."""

    def write() -> None:
        pq.write_table(make(), path, write_page_checksum=True)
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    return Action(write, after=path.unlink)


def _add_to_new_folio(path: Path, table: pa.Table | pd.DataFrame) -> Action:
    return Action(
        lambda: DataFolio.open(path).add_table("table", table),
        before=lambda: DataFolio(path),
        after=lambda: shutil.rmtree(path),
    )


def _stored_size(frame: pd.DataFrame, folder: Path) -> int:
    folio = DataFolio(folder / "folio")
    folio.add_table("table", frame)
    size = stored_file(folio, "table").stat().st_size
    shutil.rmtree(folder / "folio")
    return size


def stored_file(folio: DataFolio, item: str) -> Path:
    """Where the item's bytes are, as `docs/format.md` says."""
    digest = str(folio.get_item_info(item)["digest"])
    return folio.path / "objects" / digest[:2] / digest[2:]
