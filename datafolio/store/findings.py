"""What a verification finds, as data.  What each id means, and what to do, is in `docs/fsck.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["FINDING_IDS", "Affected", "Finding", "ItemVersion", "Report", "Severity"]

Severity = Literal["error", "warning"]

#: Every id a finding can have, and its severity.  An error means that something can't be read.
FINDING_IDS: dict[str, Severity] = {
    "format-newer": "error",
    "folio-file-damaged": "error",
    "log-empty": "error",
    "record-damaged": "error",
    "record-missing": "error",
    "record-chain-broken": "error",
    "record-unreadable": "error",
    "object-missing": "error",
    "object-damaged": "error",
    "object-misread": "error",
    "object-unreadable": "error",
    "log-gap": "warning",
    "marker-damaged": "warning",
    "view-damaged": "warning",
    "unknown-file": "warning",
}


class ItemVersion(NamedTuple):
    """One version of an item."""

    item: str
    version: int


@dataclass(frozen=True)
class Affected:
    """What can't be read because of some damage."""

    #: In words, one thing each.
    words: tuple[str, ...] = ()
    #: The versions of items, current ones or of snapshots.
    items: tuple[ItemVersion, ...] = ()
    #: The snapshots that can't be read, whole or in part.
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    id: str
    #: The file, as a path inside the folio.
    where: str
    #: What was expected and what was found.
    message: str
    #: The items and snapshots that can't be read because of it, in words.
    affects: tuple[str, ...] = ()
    items: tuple[ItemVersion, ...] = ()
    snapshots: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """``"error"`` or ``"warning"``."""
        return FINDING_IDS[self.id]


@dataclass(frozen=True)
class Report:
    """What a verification found, and how much it looked at."""

    findings: tuple[Finding, ...]
    records: int
    #: Objects that the newest state needs.
    objects: int
    #: Bytes of payload whose digest was checked.
    checked_bytes: int
    #: Stored objects that the newest state does not need, and their size.  `snapshot gc` frees them.
    unneeded: int
    unneeded_bytes: int

    @property
    def is_sound(self) -> bool:
        """Whether everything that is needed can be read."""
        return not any(finding.severity == "error" for finding in self.findings)

    def __bool__(self) -> bool:
        return self.is_sound
