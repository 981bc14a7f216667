"""For programs: JSON on standard output.

Metadata, which can hold what JSON can't, are in the packed form of `datafolio.canonical`.  The text
is ASCII, so that it does nothing to a terminal, and means the same whatever the terminal's encoding.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datafolio.canonical import pack
from datafolio.cli.terminal import write

if TYPE_CHECKING:
    from datafolio.porcelain.folio import DataFolio
    from datafolio.store.findings import Finding, Report
    from datafolio.store.gc import Collection
    from datafolio.store.repair import Repair

__all__ = [
    "collection_document",
    "difference_document",
    "emit",
    "folio_document",
    "listing_document",
    "repair_document",
    "report_document",
    "snapshot_document",
    "text_of",
]


def emit(document: Mapping[str, Any]) -> None:
    """Print `document`, which is made of what JSON can hold."""
    import json

    write(json.dumps(document, indent=2, allow_nan=False))


def text_of(path: Path | str) -> str:
    """A path, or URL, as Unicode: bytes in it that are none are escapes."""
    return os.fsencode(path).decode(errors="backslashreplace")


def snapshot_document(info: Mapping[str, Any]) -> dict[str, Any]:
    """All that a snapshot captured."""
    return {**info, "metadata_snapshot": pack(info["metadata_snapshot"], "the metadata")}


def listing_document(info: Mapping[str, Any]) -> dict[str, Any]:
    """The same, without the list of packages, which is long and the same for many snapshots."""
    environment = info["environment"]
    if environment is not None:
        environment = {key: value for key, value in environment.items() if key != "packages"}
    return {**snapshot_document(info), "environment": environment}


def folio_document(folio: DataFolio) -> dict[str, Any]:
    """The folio's items with all that a listing knows of them, its metadata and its snapshots' names."""
    return {
        "path": text_of(folio.path),
        "items": folio.list_items(),
        "metadata": pack(dict(folio.metadata), "the metadata"),
        "snapshots": list(folio.snapshots),
    }


def difference_document(old: str, new: str | None, difference: Mapping[str, Any]) -> dict[str, Any]:
    """What `compare_snapshots` gives; `new` is None for the folio as it is."""
    changes = {key: list(values) for key, values in difference["metadata_changes"].items()}
    return {"old": old, "new": new, **difference, "metadata_changes": pack(changes, "the metadata")}


def collection_document(collection: Collection, *, dry_run: bool) -> dict[str, Any]:
    """What a collection freed, or would free."""
    return {
        "dry_run": dry_run,
        "orphans": [dict(orphan) for orphan in collection.orphans],
        "objects": collection.objects,
        "bytes": collection.size,
    }


def report_document(path: Path | str, report: Report) -> dict[str, Any]:
    """What a verification found."""
    import dataclasses

    return {
        "path": text_of(path),
        "sound": report.is_sound,
        **dataclasses.asdict(report),
        "findings": _findings(report),
    }


def repair_document(path: Path | str, done: Repair, *, dry_run: bool) -> dict[str, Any]:
    """What a repair did, or would do, and what a verification finds before and after."""
    import dataclasses

    return {
        "path": text_of(path),
        "dry_run": dry_run,
        "actions": [dataclasses.asdict(action) for action in done.actions],
        "sound_before": done.before.is_sound,
        "sound_after": done.after.is_sound,
        "findings_before": _findings(done.before),
        "findings_after": _findings(done.after),
    }


def _findings(report: Report) -> list[dict[str, Any]]:
    return [_finding(finding) for finding in report.findings]


def _finding(finding: Finding) -> dict[str, Any]:
    import dataclasses

    items = [item._asdict() for item in finding.items]
    return {**dataclasses.asdict(finding), "items": items, "severity": finding.severity}
