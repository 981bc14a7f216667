"""``python -m benchmarks.remote``: measure folios on an object store, and write `docs/benchmarks-remote.md`.

The server is SeaweedFS on this machine.  Where it says so, a proxy keeps every request and every reply back
for a while, as a long way would.  The exit code is 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import s3fs

from benchmarks.machine import describe_machine
from benchmarks.measure import Action, in_turns
from benchmarks.peers.installing import Missing, virtual
from benchmarks.peers.worker import Worker
from benchmarks.report import Row, against, alone, table, verdict
from datafolio import DataFolio
from tests.remote.proxy import Proxy
from tests.remote.servers import Server, seaweed

_RESULTS = Path(__file__).parents[1] / "docs" / "benchmarks-remote.md"

#: In seconds, each way.
_DELAY = 0.02
_GIGABYTE = 1_000_000_000
_SMALL_OBJECTS = 10_000
_ITEMS = _SNAPSHOTS = 20

_OFF = {"capture_git": False, "capture_environment": False, "capture_execution": False}

_INTRODUCTION = """\
# Benchmarks on an object store

This file is written by `make bench-remote`; run it again on your own machine.

The server is SeaweedFS, on the same machine, so it takes part of the processor from those that it serves. Where a row
says "20 ms each way", a proxy keeps each request and each reply back for so long. Each figure is a ratio of two things
timed within one run, in turns: the median over the rounds of the ratio within each round; in brackets stands the range
of the middle half of the rounds. Nothing is read from the cache. Milliseconds are there for scale only.
"""


class _Bench:
    """The server, and how to reach it."""

    def __init__(self, server: Server, proxy: Proxy, folder: Path, rounds: int, size: float) -> None:
        self.server = server
        self.proxy = proxy
        self.folder = folder
        self.rounds = rounds
        self.size = size

    def options(self, *, far: bool) -> dict[str, Any]:
        return {**self.server.options, "endpoint_url": self.proxy.endpoint if far else self.server.endpoint}

    def folio(self, url: str, *, far: bool) -> DataFolio:
        return DataFolio(url, storage_options=self.options(far=far))

    def files(self, *, far: bool) -> s3fs.S3FileSystem:
        return s3fs.S3FileSystem(use_listings_cache=False, **self.options(far=far))


def _latency(bench: _Bench) -> list[Row]:
    url = bench.server.url()
    near = bench.folio(url, far=False)
    near.add_json("a", {"x": 1})
    folio = bench.folio(url, far=True)
    files = bench.files(far=True)
    key = f"{url.removeprefix('s3://')}/folio.json"
    numbers = itertools.count()
    taken = in_turns(
        {
            "request": Action(lambda: files.cat_file(key, start=0)),
            "open and get": Action(lambda: bench.folio(url, far=True).get_json("a")),
            "add": Action(lambda: folio.add_json(f"new {next(numbers)}", {"x": secrets.token_hex(8)})),
            "snapshot": Action(lambda: folio.create_snapshot(f"s{next(numbers)}", **_OFF)),
        },
        3 * bench.rounds,
    )
    request = taken["request"]
    return [
        alone("one small GET, 20 ms each way: what the next rows are multiples of", request),
        against("open the folio and get a small item", taken["open and get"], request, 3),
        against("add a small item", taken["add"], request, 4),
        against("`create_snapshot`, captures off", taken["snapshot"], request, 4),
    ]


def _large(bench: _Bench) -> list[Row]:
    size = int(_GIGABYTE * bench.size)
    file, copy = bench.folder / "large.bin", bench.folder / "copy.bin"
    _fill(file, size)
    files = bench.files(far=False)
    places = {"ours": bench.server.url(), "theirs": bench.server.url().removeprefix("s3://")}

    def forget() -> None:
        for url in places.values():
            if files.exists(url):
                files.rm(url, recursive=True)

    def add() -> None:
        bench.folio(places["ours"], far=False).add_artifact("large", file, overwrite=True)

    up = in_turns(
        {
            "ours": Action(add, before=forget),
            "theirs": Action(lambda: files.put_file(str(file), f"{places['theirs']}/x"), before=forget),
        },
        bench.rounds,
    )
    add()
    files.put_file(str(file), f"{places['theirs']}/x")
    down = in_turns(
        {
            "ours": Action(lambda: bench.folio(places["ours"], far=False).get_artifact_path("large").unlink()),
            "theirs": Action(lambda: files.get_file(f"{places['theirs']}/x", str(copy)), after=copy.unlink),
        },
        bench.rounds,
    )
    forget()
    file.unlink()
    what = f"{size / 1e9:g} GB, against `s3fs`"
    return [
        against(f"upload of {what} `.put`", up["ours"], up["theirs"], 1.15),
        against(f"download of {what} `.get`", down["ours"], down["theirs"], 1.15),
    ]


def _fill(file: Path, size: int) -> None:
    with file.open("wb") as out:
        for start in range(0, size, 1 << 20):
            out.write(os.urandom(min(1 << 20, size - start)))


def _clone(bench: _Bench) -> list[Row]:
    number = int(_SMALL_OBJECTS * bench.size)
    url, target = bench.server.url(), bench.folder / "clone"
    folio = bench.folio(url, far=False)
    with folio.batch():
        for each in range(number):
            folio.add_json(f"item {each}", {"number": each})
    files = bench.files(far=False)
    root = url.removeprefix("s3://")
    copy = bench.folder / "copy"
    taken = in_turns(
        {
            "clone": Action(
                lambda: DataFolio.clone(url, target, storage_options=bench.options(far=False)),
                after=lambda: shutil.rmtree(target),
            ),
            "copy": Action(
                lambda: files.get(f"{root}/objects/", f"{copy}/", recursive=True), after=lambda: shutil.rmtree(copy)
            ),
        },
        max(2, bench.rounds // 2),
    )
    what = f"clone of {number:,} small objects, against `s3fs.get` of the same keys"
    return [against(what, taken["clone"], taken["copy"], 1.5)]


def _earlier(bench: _Bench) -> list[Row]:
    try:
        python = virtual("datafolio-2.3.0", "datafolio==2.3.0") / "python"
    except Missing as reason:
        return [Row(f"datafolio 2.3.0 is left out: {reason}", "", "")]
    home = bench.folder / "earlier"
    _give_credentials(home / "home" / ".cloudvolume" / "secrets", bench.server)
    url, its_url = bench.server.url(), f"s3://{bench.proxy.endpoint}/bucket/{secrets.token_hex(6)}"
    folio = bench.folio(url, far=False)
    for each in range(_ITEMS):
        folio.add_json(f"item{each}", {"index": each})
    for each in range(_SNAPSHOTS):
        folio.create_snapshot(f"s{each:04}", **_OFF)
    with Worker(python, "earlier.py", home) as worker:
        bench.proxy.delay = 0
        worker.call("open", its_url)
        worker.call("add_many", _ITEMS)
        worker.call("snapshots", _SNAPSHOTS)
        bench.proxy.delay = _DELAY
        taken = in_turns(
            {
                "ours": Action(lambda: bench.folio(url, far=True).list_snapshots()),
                "theirs": Action(lambda: worker.call("open_and_list", its_url)),
            },
            2 * bench.rounds,
        )
    what = f"open a folio of {_ITEMS} items and list its {_SNAPSHOTS} snapshots, 20 ms each way, against 2.3.0"
    return [against(what, taken["ours"], taken["theirs"], 0.5)]


def _give_credentials(folder: Path, server: Server) -> None:
    folder.mkdir(parents=True)
    credentials = {"AWS_ACCESS_KEY_ID": server.key, "AWS_SECRET_ACCESS_KEY": server.secret}
    (folder / "aws-secret.json").write_text(json.dumps({**credentials, "AWS_DEFAULT_REGION": "us-east-1"}), "utf-8")


_SECTIONS: dict[str, Callable[[_Bench], list[Row]]] = {
    "Round trips": _latency,
    "datafolio 2.3.0": _earlier,
    "Large files": _large,
    "Clones": _clone,
}


def _render(machine: Mapping[str, str], rounds: int, sections: Mapping[str, Sequence[Row]]) -> str:
    parts = [_INTRODUCTION, "## The machine\n", table(["", ""], [list(fact) for fact in machine.items()])]
    parts.append(f"Rounds: {rounds} for large files, more for what is quick.\n")
    for title, rows in sections.items():
        cells = [[row.what, row.figure, row.times, row.limit, verdict(row.holds)] for row in rows]
        parts += [f"## {title}\n", table(["", "figure", "medians", "limit", "holds"], cells)]
    return "\n".join(parts)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.remote", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often the large file goes up and down (5)")
    parser.add_argument("--size", type=float, default=1, help="a fraction of the size of what is large")
    parser.add_argument("--only", action="append", choices=list(_SECTIONS), help="only this section; may be repeated")
    return parser.parse_args()


def main() -> int:
    arguments = _parse_arguments()
    os.environ["DATAFOLIO_CACHE_SIZE"] = "0"
    with tempfile.TemporaryDirectory(prefix="benchmarks-remote-") as name:
        folder = Path(name)
        with seaweed(folder / "server") as server, Proxy(server.endpoint, delay=_DELAY) as proxy:
            bench = _Bench(server, proxy, folder, arguments.rounds, arguments.size)
            titles = arguments.only or _SECTIONS
            sections = {title: _SECTIONS[title](bench) for title in titles}
        text = _render(describe_machine(folder), arguments.rounds, sections)
    print(text)
    if arguments.only is None and arguments.size == 1:
        _RESULTS.write_text(text, encoding="utf-8")
    return int(any(row.holds is False for rows in sections.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
