"""``python -m benchmarks.peers``: the same work with datafolio and with others, written to `docs/benchmarks-peers.md`.

The exit code is 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.peers.backup import borg, restic
from benchmarks.peers.document import Table, peers_table, render
from benchmarks.peers.folio import earlier, ours
from benchmarks.peers.installing import ROOT, Missing
from benchmarks.peers.memory import EARLIER, LIBRARIES, OURS
from benchmarks.peers.plain import plain
from benchmarks.peers.store import Peer
from benchmarks.peers.versioned import annex, dvc
from benchmarks.peers.work import WORK, all_tables

_RESULTS = ROOT / "docs" / "benchmarks-peers.md"
_INSTALLERS: dict[str, Callable[[], list[Peer]]] = {
    OURS.name: ours,
    EARLIER.name: earlier,
    "dvc": dvc,
    "git-annex": annex,
    "restic": restic,
    "borg": borg,
    "plain": plain,
}


def main() -> int:
    arguments = _parse_arguments()
    peers, left_out = _install(arguments.only)
    names = {peer.name for peer in peers}
    libraries = [library for library in LIBRARIES if library.name in names]
    with tempfile.TemporaryDirectory(prefix="peers-", dir=arguments.folder) as folder:
        machine = describe_machine(Path(folder))
        parts = arguments.work or WORK
        tables = all_tables(peers, libraries, Path(folder), arguments.rounds, arguments.size, parts=parts)
        found = [peers_table(peers, left_out), *_announced(tables)]
    text = render(machine, arguments.rounds, found)
    print(text)
    if arguments.size == 1 and not arguments.only and not arguments.work:
        arguments.out.write_text(text, encoding="utf-8")
    return 1 if any(row.holds is False for table in found for row in table.verdicts) else 0


def _install(only: list[str]) -> tuple[list[Peer], dict[str, str]]:
    """The peers that can be had, datafolio itself first, and why others can't."""
    peers, left_out = [], {}
    for name, install in _INSTALLERS.items():
        if only and name not in (OURS.name, *only):
            continue
        try:
            peers += install()
        except Missing as reason:
            left_out[name] = str(reason)
            print(f"{name} is left out: {reason}", file=sys.stderr)
    return peers, left_out


def _announced(tables: Iterable[Table]) -> Iterator[Table]:
    """The same tables, with the time since the start on the standard error as each is there."""
    start = time.monotonic()
    for table in tables:
        print(f"{time.monotonic() - start:5.0f} s  {table.title}", file=sys.stderr, flush=True)
        yield table


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Do the same work with datafolio and with others, and write docs/benchmarks-peers.md.",
        epilog="At full size it takes about 10 GB of memory and of room in the folder.",
    )
    parser.add_argument("--rounds", type=_at_least_two, default=3, help="how often what is large is done (3)")
    parser.add_argument("--size", type=float, default=1, help="a fraction of the work; then nothing is written")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PEER",
        choices=list(_INSTALLERS),
        help=f"one of {', '.join(_INSTALLERS)}; may be given more than once; then nothing is written",
    )
    parser.add_argument(
        "--work",
        action="append",
        default=[],
        metavar="PART",
        choices=WORK,
        help=f"one of {', '.join(WORK)}; may be given more than once; then nothing is written",
    )
    parser.add_argument("--folder", type=Path, help="where the stores go for the time; the system's own by default")
    parser.add_argument("--out", type=Path, default=_RESULTS, help="the file of results (docs/benchmarks-peers.md)")
    return parser.parse_args()


def _at_least_two(text: str) -> int:
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError("a range takes two rounds at least")
    return number


if __name__ == "__main__":
    sys.exit(main())
