"""What would run code when it is read, and what of: found out without reading it so."""

from __future__ import annotations

from typing import Any, NamedTuple

from datafolio.digest import Digest
from datafolio.errors import FolioError
from datafolio.items import by_tag
from datafolio.items.pickles import PickleReport, inspect_pickle
from datafolio.store.model import Entry
from datafolio.store.names import filename
from datafolio.store.repository import Repository
from datafolio.store.state import State
from datafolio.store.views import snapshots_in_order

__all__ = ["audit"]


class _Version(NamedTuple):
    """One version of an item."""

    name: str
    version: int
    type: str
    digest: Digest


class _Found:
    """What is known of one version: its entry, and who holds it."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.is_current = False
        #: The names of the snapshots, the oldest first.
        self.snapshots: list[str] = []


def audit(repository: Repository, state: State) -> list[dict[str, Any]]:
    """The versions of items, of `state` and of its snapshots, that run code when they are read.

    Each once, by name and version.  Payloads are checked against their digests, and never loaded.  Raises
    DamageError where the maps that name the items can't be read: what they hold would be hidden otherwise.
    """
    reports: dict[Digest, PickleReport] = {}
    documents = []
    for version, found in sorted(_versions(state).items(), key=lambda pair: pair[0]):
        if version.digest not in reports:
            reports[version.digest] = _inspect(repository, version, found.entry)
        documents.append(_document(version, found, reports[version.digest]))
    return documents


def _versions(state: State) -> dict[_Version, _Found]:
    """Every version of an item that may run code."""
    versions: dict[_Version, _Found] = {}
    for name, entry in state.items.items():
        if _may_run_code(entry):
            versions.setdefault(_version(name, entry), _Found(entry)).is_current = True
    trees: dict[Digest, list[tuple[_Version, Entry]]] = {}
    for snapshot_name, snapshot, tree in snapshots_in_order(state):
        if snapshot.tree not in trees:
            trees[snapshot.tree] = [(_version(n, entry), entry) for n, entry in tree.items() if _may_run_code(entry)]
        for version, entry in trees[snapshot.tree]:
            versions.setdefault(version, _Found(entry)).snapshots.append(snapshot_name)
    return versions


def _version(name: str, entry: Entry) -> _Version:
    return _Version(name, entry.version, entry.type, entry.digest)


def _may_run_code(entry: Entry) -> bool:
    """Whether reading the item runs code of its payload, here or where its type is installed."""
    try:
        return by_tag(entry.type).runs_code
    except FolioError:
        return True


def _inspect(repository: Repository, version: _Version, entry: Entry) -> PickleReport:
    words = f"item {version.name!r} version {version.version}"
    try:
        by_tag(entry.type)
        data = repository.payload(entry, item=words, filename=filename(version.name, entry)).read()
    except FolioError as error:
        return PickleReport((), (str(error),), ())
    return inspect_pickle(data)


def _document(version: _Version, found: _Found, report: PickleReport) -> dict[str, Any]:
    return {
        "item": version.name,
        "version": version.version,
        "current": found.is_current,
        "snapshots": found.snapshots,
        "type": version.type,
        "class": found.entry.facts.get("class"),
        "bytes": found.entry.size,
        "digest": version.digest,
        "imports": list(report.imports),
        "calls": list(report.calls),
        "unknown": list(report.unknown),
    }
