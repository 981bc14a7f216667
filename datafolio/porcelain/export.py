"""Exporting: a snapshot as ordinary named files."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from datafolio.canonical import pack
from datafolio.errors import DestinationExistsError, StorageError
from datafolio.porcelain.snapshots import snapshot_info
from datafolio.store.changes import require_snapshot
from datafolio.store.model import Entry
from datafolio.store.names import filename
from datafolio.store.repository import Repository
from datafolio.store.state import State

__all__ = ["Progress", "export_snapshot"]

MANIFEST = "snapshot.json"

#: Called with the bytes of payload that were written so far, and of all.
Progress = Callable[[int, int], object]


def export_snapshot(
    repository: Repository, state: State, name: str, directory: Path, progress: Progress | None = None
) -> list[Path]:
    """Write every item of the snapshot to `directory` under its file name, and `snapshot.json` beside them.

    Each file is checked on the way.  Raises DestinationExistsError, before anything is written, if
    the directory is not empty.
    """
    items = state.snapshot_items(require_snapshot(state, name)).items()
    info = snapshot_info(state, name)
    _make_empty(directory)
    names = _distinct_names(items)
    info["metadata_snapshot"] = pack(info["metadata_snapshot"], "metadata")
    manifest = {**info, "items": {item: _manifest_entry(entry, names[item]) for item, entry in items}}
    written: list[Path] = []
    total, done = sum(entry.size for _, entry in items), 0
    try:
        for item, entry in items:
            payload = repository.payload(entry, item=f"item {item!r} version {entry.version}", filename=names[item])
            written.append(payload.copy_to(directory / names[item]))
            done += entry.size
            if progress is not None:
                progress(done, total)
        written.append(_write(directory / MANIFEST, manifest))
    except BaseException:
        # All or nothing, so that it can be tried again.
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _make_empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise DestinationExistsError(f"{directory} is not empty; choose a new directory to export to")
    except FileExistsError as error:
        if isinstance(error, DestinationExistsError):
            raise
        raise DestinationExistsError(f"{directory} is a file; choose a new directory to export to") from error
    except OSError as error:
        raise StorageError.during(f"making {directory}", error) from error


def _distinct_names(items: list[tuple[str, Entry]]) -> dict[str, str]:
    """A file name for each item, no two alike even where case or the form of accents does not count."""
    taken = {_folded(MANIFEST)}
    # A stranger may have thousands of names that are alike, so each search goes on where the last one ended.
    attempts: dict[str, int] = {}
    names: dict[str, str] = {}
    for item, entry in items:
        name = filename(item, entry)
        base, folded = Path(name), _folded(name)
        while _folded(name) in taken:
            attempts[folded] = attempts.get(folded, 1) + 1
            name = f"{base.stem}~{attempts[folded]}{base.suffix}"
        taken.add(_folded(name))
        names[item] = name
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _manifest_entry(entry: Entry, file: str) -> dict[str, Any]:
    return {"file": file, **msgspec.to_builtins(entry)}


def _write(path: Path, document: dict[str, Any]) -> Path:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    except OSError as error:
        raise StorageError.during(f"writing {path}", error) from error
    return path
