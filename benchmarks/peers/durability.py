"""What each peer makes durable: the calls of fsync and its like while it adds one file, as strace counts them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.files import remove
from benchmarks.peers.installing import Missing, debian
from benchmarks.peers.store import Cannot, Peer, Steps

__all__ = ["CALLS", "Synced", "count_syncs"]

CALLS = ("fsync", "fdatasync", "syncfs", "sync_file_range")
_BYTES = 3_000_000


@dataclass(frozen=True)
class Synced:
    """How often each call was made, and of what."""

    calls: dict[str, int]
    #: By folder, as seen from the one that the store is in, how many calls were for it or for what is in it.
    places: dict[str, int]


def count_syncs(peers: Sequence[Peer], folder: Path) -> dict[str, Synced | str]:
    """For each peer's label the count, or in words why there is none."""
    try:
        strace = debian("strace", "strace")
    except Missing as reason:
        return {peer.label: str(reason) for peer in peers}
    return {peer.label: _count(peer, strace, folder) for peer in peers}


def _count(peer: Peer, strace: str, folder: Path) -> Synced | str:
    place = folder / "place"
    try:
        store = peer.make(place)
        store.run(store.create())
        (store.work / "file.bin").write_bytes(bytes(range(250)) * (_BYTES // 250))
        traced = _traced(store.add(["file.bin"], "v1"), strace, folder / "trace")
        store.run(traced)
        return _read(sorted(folder.glob("trace*")), place)
    except Cannot as reason:
        return str(reason)
    finally:
        remove(place)
        for path in folder.glob("trace*"):
            path.unlink()


def _traced(steps: Steps, strace: str, log: Path) -> Steps:
    options = ["-f", "-y", "-qq", "-e", f"trace={','.join(CALLS)}", "-e", "signal=none"]
    return [[strace, *options, "-o", f"{log}{number}", *step] for number, step in enumerate(steps)]


def _read(logs: list[Path], place: Path) -> Synced:
    text = "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
    found = re.findall(rf"\b({'|'.join(CALLS)})\(\d+<([^>]*)>", text)
    places = Counter(_folder_of(path, place) for _, path in found)
    return Synced(dict(Counter(call for call, _ in found)), dict(places.most_common(4)))


def _folder_of(path: str, place: Path) -> str:
    """The first two steps of the way from the store to the file's folder, which say what kind of file it is."""
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    return "/".join(folder.relative_to(place).parts[:2]) if folder.is_relative_to(place) else "elsewhere"
