"""The document: for each piece of work a table of datafolio against each peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.peers.durability import CALLS, Synced
from benchmarks.peers.sheet import Sheet, Sheets
from benchmarks.peers.store import Peer
from benchmarks.report import Row, against, verdict
from benchmarks.report import table as markdown

__all__ = ["Line", "Table", "compared", "peers_table", "render", "sizes_table", "syncs_table"]

_INTRODUCTION = """\
# Benchmarks against other programs

This file is written by `make bench-peers`, which installs each peer in an environment of its own and takes about twenty
minutes; run it again on your own machine.

All peers do each piece of work in turn, once a round, in alternating order. A ratio is the median over the rounds of
datafolio's time by the peer's within each round; in brackets stands the range of the middle half of the rounds. Below 1
datafolio is the faster one. Before each step the system writes what it still holds back, so that nobody pays for what
was done before. For what is written, the column *until it is on the disk* adds the time that the system takes after the
step until it has written everything: for a program that syncs its files next to nothing, for one that does not what it
left undone. Where there is a limit, it is the project's own promise.

Programs are timed as whole processes, datafolio too, as a script or its command. The libraries are also timed by their
calls, each in a Python that stays, so that starting it does not count.
"""


_ON_DISK = "until it is on the disk: datafolio / it"


@dataclass(frozen=True)
class Table:
    """A title, what is to be known of it, and the lines with their header."""

    title: str
    words: str
    header: list[str]
    lines: list[list[str]]
    #: The lines of the figures with limits, in words, with whether each holds.
    verdicts: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Line:
    """One step against one peer, both by their names on the sheets; `what` stands in the document."""

    what: str
    step: str
    peer: str
    limit: float | None = None


def compared(
    title: str, words: str, sheets: Sheets, mine: str, lines: Iterable[Line], *, writes: bool = False
) -> Table:
    """Lines of the steps of `mine` against others; with `writes` also until what was written is on the disk."""
    header = ["", "datafolio / it", "medians", *([_ON_DISK] if writes else []), "limit", "holds"]
    rows, cells = [], []
    for line in lines:
        row, on_disk = _pair(line, sheets[mine], sheets[line.peer])
        rows.append(row)
        cells.append([row.what, row.figure, row.times, *([on_disk] if writes else []), row.limit, verdict(row.holds)])
    return Table(title, words, header, cells, tuple(row for row in rows if row.limit))


def _pair(line: Line, mine: Sheet, its: Sheet) -> tuple[Row, str]:
    if line.step not in its.times:
        return Row(line.what, its.reasons.get(line.step, "does not"), ""), ""
    row = against(line.what, mine.times[line.step], its.times[line.step], line.limit)
    return row, against("", mine.until_on_disk[line.step], its.until_on_disk[line.step]).figure


def sizes_table(title: str, words: str, found: Mapping[str, float | str]) -> Table:
    """Bytes by the bytes of one version."""
    lines = [[label, size if isinstance(size, str) else f"{size:.2f}"] for label, size in found.items()]
    return Table(title, words, ["", "times one version"], lines)


def peers_table(peers: Iterable[Peer], left_out: Mapping[str, str]) -> Table:
    lines = [[peer.label, peer.version] for peer in peers]
    lines += [[name, f"left out: {reason}"] for name, reason in left_out.items()]
    return Table("The programs", "", ["", "version"], lines)


def syncs_table(peers: Iterable[Peer], found: Mapping[str, Synced | str]) -> Table:
    words = """\
What each has made durable when it returns, and the system calls by which it does it, as `strace -f` counts them while
one file of 3 MB is added. A call counts only for the file or folder that it is made for, so the last column says where
those are, below the folder that the store is in: calls for a program's own database or settings make no data durable.
What was not synced the system writes within about half a minute; a power loss before that loses it, whatever the
program has said."""
    header = ["", "makes durable", *(f"`{call}`" for call in CALLS), "of what"]
    return Table("What is durable", words, header, [_syncs(peer, found[peer.label]) for peer in peers])


def _syncs(peer: Peer, found: Synced | str) -> list[str]:
    if isinstance(found, str):
        return [peer.label, found, *("" for _ in CALLS), ""]
    places = ", ".join(f"`{place}` {count}" for place, count in found.places.items())
    return [peer.label, peer.promise, *(str(found.calls.get(call, 0)) for call in CALLS), places]


def render(machine: Mapping[str, str], rounds: int, tables: Iterable[Table]) -> str:
    """The whole file."""
    tables = list(tables)
    figures = [[f"{table.title}, {row.what}", row.figure, row.limit, verdict(row.holds)]
               for table in tables for row in table.verdicts]  # fmt: skip
    facts = "## The machine\n\n" + markdown(["", ""], [list(fact) for fact in machine.items()])
    parts = [_INTRODUCTION, facts, f"Rounds: {rounds} for what is large, more for what is quick.\n"]
    if figures:
        parts.append("## The figures to reach\n\n" + markdown(["", "datafolio / it", "limit", "holds"], figures))
    for table in tables:
        words = f"{table.words}\n\n" if table.words else ""
        parts.append(f"## {table.title}\n\n{words}{markdown(table.header, table.lines)}")
    return "\n".join(parts)
