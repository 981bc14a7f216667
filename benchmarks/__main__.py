"""``python -m benchmarks``: measure, print, and write `docs/benchmarks.md` with its pictures.

The exit code is 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.captures import benchmark_captures
from benchmarks.files import benchmark_files
from benchmarks.machine import describe_machine
from benchmarks.memory import benchmark_memory
from benchmarks.pictures import draw
from benchmarks.report import Row, Section, read_notes, render
from benchmarks.scale import benchmark_scale
from benchmarks.snapshots import benchmark_small_items, benchmark_snapshots
from benchmarks.startup import benchmark_startup
from benchmarks.tables import benchmark_tables
from benchmarks.verification import benchmark_verification

_RESULTS = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_NOTES = Path(__file__).with_name("notes.md")

#: Each measures in a folder of its own, so many rounds, and large things at a fraction of their size.
_SECTIONS: dict[str, Callable[[Path, int, float], Section]] = {
    "Large tables": benchmark_tables,
    "Large files": benchmark_files,
    "Memory": lambda folder, _rounds, size: benchmark_memory(folder, size),
    "Snapshots": lambda folder, rounds, _size: benchmark_snapshots(folder, 5 * rounds),
    "Captures": lambda folder, rounds, _size: benchmark_captures(folder, rounds),
    "Growth": lambda folder, rounds, size: benchmark_scale(folder, 2 * rounds, size),
    "Small items": lambda folder, rounds, _size: benchmark_small_items(folder, 5 * rounds),
    "Verification": benchmark_verification,
    "Start-up": lambda folder, rounds, _size: benchmark_startup(folder, 2 * rounds),
}


def main() -> int:
    arguments = _parse_arguments()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=arguments.folder) as folder:
        machine = describe_machine(Path(folder))
        sections = _measure(Path(folder), arguments)
        out = _results_file(arguments, Path(folder))
        pictures = {title: _draw(out, title, section) for title, section in sections.items()}
        text = render(machine, arguments.rounds, sections, pictures, read_notes(_NOTES))
        out.write_text(text, encoding="utf-8")
    print(text)
    return int(any(isinstance(row, Row) and row.holds is False for rows in sections.values() for row in rows))


def _measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Section]:
    found = {}
    for number, (title, measure) in enumerate(_SECTIONS.items()):
        if arguments.only is None or title in arguments.only:
            place = folder / str(number)
            place.mkdir()
            found[title] = measure(place, arguments.rounds, arguments.size)
    return found


def _results_file(arguments: argparse.Namespace, folder: Path) -> Path:
    """Where the results go; those of a part, or of a smaller size, only where they are asked for."""
    if arguments.out is not None:
        return Path(arguments.out)
    return _RESULTS if arguments.only is None and arguments.size == 1 else folder / "results.md"


def _draw(out: Path, title: str, section: Section) -> list[str]:
    return [os.path.relpath(path, out.parent) for path in draw(out.with_suffix(""), title, section)]


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write docs/benchmarks.md.")
    parser.add_argument("--rounds", type=int, default=15, help="how often each large table is written and read (15)")
    parser.add_argument("--size", type=float, default=1, help="a fraction of the size of what is large")
    parser.add_argument("--only", action="append", choices=list(_SECTIONS), help="only this section; may be repeated")
    parser.add_argument("--folder", type=Path, help="where the folios go for the time; the system's own by default")
    parser.add_argument(
        "--out", type=Path, help="the file of results; docs/benchmarks.md if everything is measured at full size"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
