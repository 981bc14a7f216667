"""Verification: `fsck` against hashing the same files, in as many threads, with nothing else done."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blake3 import blake3

from benchmarks.measure import Action, in_turns
from benchmarks.report import Row, against
from datafolio import DataFolio
from datafolio.backend import LocalBackend
from datafolio.store.fsck import fsck

__all__ = ["benchmark_verification"]

#: What `fsck` may take, as a multiple of hashing alone.
LIMIT = 1.15

_MB = 1 << 20


def benchmark_verification(folder: Path, rounds: int, size: float) -> list[Row]:
    """One large file, and many that are not."""
    shapes = {
        "5 GB: a file of 2 GB, 250 of 8 MB, 10,000 of 100 kB": [2000] + [8] * 250 + [0.1] * 10_000,
        "one file of 512 MB": [512],
        "64 files of 8 MB": [8] * 64,
        "2,000 files of 50 kB": [0.05] * 2000,
    }
    return [
        _row(folder / str(index), words, sizes, rounds, size, None if index else LIMIT)
        for index, (words, sizes) in enumerate(shapes.items())
    ]


def _row(folder: Path, words: str, sizes: list[float], rounds: int, size: float, limit: float | None) -> Row:
    folio = DataFolio(folder / "folio")
    source = folder / "source.bin"
    with folio.batch():
        for number, megabytes in enumerate(sizes):
            source.write_bytes(os.urandom(int(megabytes * size * _MB)))
            folio.add_artifact(f"file {number}", source)
    files = [path for path in (folder / "folio" / "objects").rglob("*") if path.is_file()]
    backend = LocalBackend(folder / "folio")
    taken = in_turns({"fsck": Action(lambda: fsck(backend)), "hash": Action(lambda: _hash_all(files))}, rounds)
    return against(
        f"`fsck`, {words} / BLAKE3 of the same files, mapped, with every core", taken["fsck"], taken["hash"], limit
    )


def _hash_all(files: list[Path]) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(_hash, files))


def _hash(file: Path) -> str:
    return blake3(max_threads=blake3.AUTO).update_mmap(file).hexdigest()
