"""Where the demo's folio goes: nothing but an earlier run's folio is ever removed to make room for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from datafolio import DataFolio, FolioError

__all__ = ["DEMO", "MADE_BY", "make_room"]

#: The entry of its metadata that tells the demo's folio from others.
MADE_BY, DEMO = "made by", "the demo of datafolio"

_FILES_OF_A_FOLIO = {"README.md", "folio.json", "log", "objects", "tmp", "items.json", "snapshots.json"}


def make_room(path: Path) -> str | None:
    """Remove an earlier run's folio from `path`, or say why what is there must stay."""
    if not os.path.lexists(path):
        return None
    reason = _reason_to_keep(path)
    if reason is None:
        shutil.rmtree(path)
    return reason


def _reason_to_keep(path: Path) -> str | None:
    if path.is_symlink() or not path.is_dir():
        return "is there, and is not a directory"
    strangers = {entry.name for entry in path.iterdir()} - _FILES_OF_A_FOLIO
    if strangers:
        return f"has things in it that are not this demo's ({', '.join(sorted(strangers)[:3])})"
    return None if not any(path.iterdir()) or _is_the_demos(path) else "is not a folio that this demo made"


def _is_the_demos(path: Path) -> bool:
    try:
        return bool(DataFolio.open(path, read_only=True).metadata.get(MADE_BY) == DEMO)
    except FolioError:
        return False
