"""``python -m benchmarks``: measure, print, and write `docs/benchmarks.md`.

The exit code is 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.report import Row, render
from benchmarks.snapshots import benchmark_small_items, benchmark_snapshots
from benchmarks.startup import benchmark_startup
from benchmarks.tables import benchmark_tables
from benchmarks.verification import benchmark_verification

_RESULTS = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> int:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=arguments.folder) as folder:
        machine = describe_machine(Path(folder))
        sections = _measure(Path(folder), arguments.rounds, arguments.size)
    text = render(machine, arguments.rounds, sections)
    print(text)
    if arguments.size == 1:
        arguments.out.write_text(text, encoding="utf-8")
    return 1 if any(row.holds is False for rows in sections.values() for row in rows) else 0


def _measure(folder: Path, rounds: int, size: float) -> dict[str, list[Row]]:
    return {
        "Large tables": benchmark_tables(folder, rounds, size),
        "Snapshots": benchmark_snapshots(folder, 5 * rounds),
        "Small items": benchmark_small_items(folder, 5 * rounds),
        "Verification": benchmark_verification(folder, rounds, size),
        "Start-up": benchmark_startup(rounds),
    }


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=15, help="how often each large table is written and read (15)")
    parser.add_argument("--size", type=float, default=1, help="a fraction of the tables' size; then nothing is written")
    parser.add_argument("--folder", type=Path, help="where the folios go for the time; the system's own by default")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="the file of results (docs/benchmarks.md)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
