"""Folios on a server, for the programs that try to break them: where they are, and what must be left of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from datafolio import DataFolio
from datafolio.backend.places import open_backend
from datafolio.store.repository import Repository
from tests.reliability.workload import Shown, Step, large, shown, steps
from tests.remote.proxy import Proxy
from tests.remote.servers import Server

__all__ = [
    "QUICK",
    "Place",
    "check_place",
    "chosen",
    "new_place",
    "operations",
    "perform_when_told",
    "without_cache",
]

#: Enough of the workload for a quick look, by the words of its steps.
QUICK = ("add json", "set metadata", "create v1", "delete v1 and collect")

_TOP_LEVEL = frozenset(("folio.json", "README.md", "log", "objects", "condemned", "items.json", "snapshots.json"))


@dataclass(frozen=True)
class Place:
    """Where a folio is, and how it is reached, in whatever process."""

    url: str
    options: Mapping[str, Any]

    def open(self, **more: Any) -> DataFolio:
        """The folio, which is made if there is none."""
        return DataFolio(self.url, storage_options=self.options, **more)

    def through(self, proxy: Proxy) -> Place:
        """The same, reached through `proxy`."""
        return dataclasses.replace(self, options={**self.options, "endpoint_url": proxy.endpoint})


def new_place(server: Server) -> Place:
    """A place that nobody else has."""
    return Place(server.url(), server.options)


def without_cache() -> None:
    """Let this process, and those that it starts, read everything from the server."""
    os.environ["DATAFOLIO_CACHE_SIZE"] = "0"


def chosen(folder: Path, words: Collection[str] | None) -> list[Step]:
    """The steps of the workload that bear these words, or all."""
    return [step for step in steps(folder) if words is None or step.words in words]


def perform_when_told(place: Place, folder: Path, words: Collection[str] | None, connection: Connection) -> None:
    """Once anything comes over the connection, do the chosen steps, and tell each that is done."""
    connection.recv()
    folio = place.open()
    for step in chosen(folder, words):
        step.call(folio)
        connection.send(step.words)


def operations(place: Place) -> list[str]:
    """What the log says was done, the first thing first."""
    log = Repository.open(open_backend(place.url, place.options)).log
    return [logged.record.operation for logged in log.retained()][::-1]


def check_place(place: Place, allowed: list[Shown]) -> int:
    """Raise AssertionError unless the folio shows one of `allowed` and is in order; which of them, from the end.

    In order: an open needs nothing, nothing is damaged, the next write works, and the next collection
    leaves nothing that is not needed.
    """
    folio = place.open()
    found = shown(folio)
    assert found in allowed, f"shows {found}, expected one of {allowed}"
    assert folio.validate().findings == ()
    folio.add_numpy("next", large(9))
    folio.cleanup_orphaned_versions()
    report = folio.validate()
    assert report.findings == ()
    assert report.unneeded == 0, f"{report.unneeded} objects that nothing needs"
    assert _litter(place) == set()
    folio.delete("next")
    assert shown(folio) == found
    return allowed.index(found) - len(allowed)


def _litter(place: Place) -> set[str]:
    backend = open_backend(place.url, place.options)
    return {listed.key.partition("/")[0] for listed in backend.list("")} - _TOP_LEVEL
