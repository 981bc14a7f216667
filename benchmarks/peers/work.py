"""All the work, and what is to be known of each piece to read its figures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.peers.document import Line, Table, compared, sizes_table, syncs_table
from benchmarks.peers.durability import count_syncs
from benchmarks.peers.files import VERSIONS, large_file, many_files, ten_versions
from benchmarks.peers.memory import EARLIER, OURS, Library, large_values, many_items
from benchmarks.peers.sheet import Sheets
from benchmarks.peers.snapshots import many_snapshots
from benchmarks.peers.store import Peer

__all__ = ["WORK", "all_tables"]

#: The parts that all the work falls into.
WORK = ("durability", "large files", "large values", "snapshots", "small items", "versions")
_SNAPSHOTS = 1000

#: At full size, what datafolio may take by what each peer takes, by the peer's name.
_ADDING = {"dvc": 0.6, "restic": 0.5}
_LISTING = {EARLIER.name: 0.2}
_CALLS = {
    "create_snapshot": ("`create_snapshot`, capture off", 0.05),
    "list_snapshots": ("`list_snapshots`", 0.5),
    "open and list_snapshots": ("opening the folio and `list_snapshots`", None),
    "compare_snapshots": ("`compare_snapshots` of two", None),
    "load": ("getting a small JSON value of the first snapshot", None),
    "add json": ("adding a small JSON value", 0.7),
    "get json": ("getting it", 0.7),
    "add table": ("adding a table of ten rows", 0.7),
    "get table": ("getting it", 0.7),
    "verify": ("`validate`", None),
}
#: The steps after which there is something to be written.
_WRITES = {"add", "edit", "restore", "snapshot", "add table", "edit table", "add model", "add many", "add one"}
_RESTORED = """\
The version before the edit, as a file of the user's own. Not so for git-annex, which gives a symbolic link to its only
copy, and for DVC with hard links, which gives a second name of it."""
_VERIFIED = """\
datafolio 2.3.0 verifies the items as they are now, with MD5, and none of the versions that only snapshots hold."""
_ONE_MORE = """\
One of the items has changed, and is taken in, with a snapshot. `cp` copies all twenty. DVC's and git-annex's snapshots
are commits of git."""
_DIFFERENCES = """\
Our `create_snapshot` returns when the snapshot is on the disk, theirs when it is in memory: two files made durable with
nothing else take nearly half of our time (`docs/benchmarks.md` has that row). `list_snapshots` of 2.3.0 gives five
fields of each snapshot, with the number of its items; ours gives all that was captured, with metadata and the version
of every item in dicts of the caller's own."""


def all_tables(
    peers: Sequence[Peer],
    libraries: Sequence[Library],
    folder: Path,
    rounds: int,
    size: float,
    *,
    parts: Collection[str] = WORK,
) -> Iterator[Table]:
    """Every table of those parts of the work, measured as it is asked for."""
    everywhere = [peer for peer in peers if peer.everywhere]
    tables: dict[str, Callable[[], Iterable[Table]]] = {
        "durability": lambda: [syncs_table(peers, count_syncs(peers, folder))],
        "large files": lambda: _large_files(peers, folder, rounds, size),
        "large values": lambda: _large_values(libraries, folder, rounds, size),
        "snapshots": lambda: _snapshots(everywhere, folder, rounds, _scaled(_SNAPSHOTS, size)),
        "small items": lambda: _many_items(everywhere, libraries, folder, rounds, _scaled(10_000, size)),
        "versions": lambda: [_versions(peers, folder, size)],
    }
    for part in WORK:
        if part in parts:
            yield from tables[part]()


def _scaled(number: int, size: float) -> int:
    return max(20, int(number * size))


def _others(peers: Sequence[Peer | Library], step: str, limits: Mapping[str, float] | None = None) -> list[Line]:
    """Every peer but datafolio itself; `limits` go by their names."""
    others = [peer for peer in peers if peer.name != OURS.name]
    return [Line(peer.label, step, peer.label, (limits or {}).get(peer.name)) for peer in others]


def _large_files(peers: Sequence[Peer], folder: Path, rounds: int, size: float) -> Iterator[Table]:
    sheets = large_file(peers, folder, rounds, size)

    def table(title: str, words: str, step: str, limits: Mapping[str, float] | None = None) -> Table:
        writes = step in _WRITES
        return compared(title, words, sheets, OURS.label, _others(peers, step, limits), writes=writes)

    file = f"a file of {500 * size:g} MB"
    words = "A Parquet file of random doubles, in the page cache, into a new store. datafolio makes a snapshot too."
    yield table(f"Adding {file}", words, "add", _ADDING if size == 1 else None)
    yield table(f"Adding {file} again, unchanged", "", "again")
    words = "1 % of the rows, which follow each other, have changed in every column but the first."
    yield table(f"Adding the edit of {file}", words, "edit")
    yield table(f"Restoring {file}", _RESTORED, "restore")
    yield table(f"Verifying everything: two versions of {file}", _VERIFIED, "verify")


def _large_values(libraries: Sequence[Library], folder: Path, rounds: int, size: float) -> Iterator[Table]:
    sheets = large_values(libraries, folder, rounds, size)

    def table(title: str, words: str, step: str) -> Table:
        writes = step in _WRITES
        return compared(title, words, sheets, OURS.label, _others(libraries, step), writes=writes)

    value = f"of {500 * size:g} MB in memory"
    yield table(f"Adding a table {value}", "A pandas frame of random doubles; the time of the call.", "add table")
    yield table("Adding its edit", "1 % of its rows have changed.", "edit table")
    yield table("Getting the table", "datafolio verifies what it reads; the others do not.", "get table")
    yield table(f"Adding a model {value}", "A dict of twenty numpy arrays.", "add model")
    yield table("Getting the model", "datafolio verifies what it reads; the others do not.", "get model")


def _snapshots(peers: Sequence[Peer], folder: Path, rounds: int, number: int) -> Iterator[Table]:
    processes, calls, counts = many_snapshots(peers, folder, rounds + 2, number)
    have = f"{number:,} snapshots of 20 items"
    if EARLIER.label in calls:
        lines = [
            Line(words, step, EARLIER.label, limit if number == _SNAPSHOTS else None)
            for step, (words, limit) in _CALLS.items()
        ]
        words = f"Calls in Pythons that stay, against {EARLIER.label}. {_DIFFERENCES}"
        yield compared(f"The calls with {have}", words, calls, OURS.label, lines)
    few = [f"{label} has {count:,}" for label, count in counts.items() if count < number]
    note = f"Since each takes long to make, {', '.join(few)}." if few else ""
    yield from _processes(peers, processes, have, note, _LISTING if number == _SNAPSHOTS else {})


def _processes(
    peers: Sequence[Peer], sheets: Sheets, have: str, note: str, limits: Mapping[str, float]
) -> Iterator[Table]:
    def table(title: str, words: str, step: str, limits: Mapping[str, float] | None = None) -> Table:
        writes = step in _WRITES
        return compared(title, words, sheets, OURS.label, _others(peers, step, limits), writes=writes)

    yield table(f"One more snapshot with {have}", f"{_ONE_MORE} {note}".strip(), "snapshot")
    yield table(f"Listing {have}", note, "list", limits)
    yield table(f"Comparing the first with the last of {have}", "", "compare")
    yield table(f"Restoring one item of the first of {have}", "", "restore")
    words = "`datafolio --help`, and the version of the others."
    yield table("Starting the program", words, "start")


def _many_items(
    peers: Sequence[Peer], libraries: Sequence[Library], folder: Path, rounds: int, number: int
) -> Iterator[Table]:
    calls = many_items(libraries, folder, rounds, number)
    items = f"{number:,} small items"
    words = "Calls in Pythons that stay: JSON values; both implementations of datafolio in one batch."
    yield compared(f"Adding {items} in memory", words, calls, OURS.label, _others(libraries, "add many"), writes=True)
    for title, step in {"Listing": "list items", "Adding one to": "add one", "Getting one of": "get one"}.items():
        lines = _others(libraries, step)
        yield compared(f"{title} {items}", "", calls, OURS.label, lines, writes=step in _WRITES)
    files = many_files(peers, folder, max(2, rounds - 1), number)
    words = "Whole processes. DVC, restic, borg and git-annex take the folder; for datafolio each file is an item."
    yield compared(f"Adding {number:,} small files", words, files, OURS.label, _others(peers, "add"), writes=True)
    titles = {"edit": "Adding one that changed of", "restore": "Restoring one of", "verify": "Verifying"}
    for step, title in titles.items():
        lines = _others(peers, step)
        yield compared(f"{title} {number:,} small files", "", files, OURS.label, lines, writes=step in _WRITES)


def _versions(peers: Sequence[Peer], folder: Path, size: float) -> Table:
    fraction = 0.2 * size
    words = f"""\
The bytes of the store after {VERSIONS} versions of a Parquet file of {500 * fraction:g} MB, each the one before with
1 % of its rows edited, by the bytes of one version. restic and borg cut files into chunks and store equal ones once."""
    return sizes_table(f"Bytes on the disk after {VERSIONS} versions", words, ten_versions(peers, folder, fraction))
