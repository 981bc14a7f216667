"""Verification: is everything that the folio needs there, and is it what was written?

Findings are data.  What their ids mean, and what to do, is in `docs/fsck.md`; the command renders them.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from datafolio.backend import Backend, Key
from datafolio.digest import Digest
from datafolio.errors import (
    CorruptObjectError,
    DamageError,
    FolioNotFoundError,
    FormatError,
    KeyMissingError,
    MissingObjectError,
    StorageError,
)
from datafolio.store.log import LOG, Log, record_key
from datafolio.store.objects import OBJECTS, condemned_key, object_key, parse_key
from datafolio.store.repository import FOLIO_FILE, Repository, Tip, read_folio_file
from datafolio.store.walk import Needed, Walk

__all__ = ["FINDING_IDS", "Finding", "Report", "fsck"]

Severity = Literal["error", "warning"]

#: Every id a finding can have, and its severity.  An error means that something can't be read.
FINDING_IDS: dict[str, Severity] = {
    "folio-file-damaged": "error",
    "log-empty": "error",
    "record-damaged": "error",
    "record-chain-broken": "error",
    "log-gap": "warning",
    "object-missing": "error",
    "object-damaged": "error",
    "object-misread": "error",
    "object-unreadable": "error",
    "unknown-file": "warning",
}


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


#: Told of progress: bytes of payload checked so far, and to be checked.
Progress = Callable[[int, int], None]


def fsck(backend: Backend, *, payloads: bool = True, progress: Progress | None = None) -> Report:
    """Check the structure of the folio at `backend`, and with `payloads` every payload's digest.

    Reads only.  Raises FolioNotFoundError where there is no folio.
    """
    check = _Check(backend)
    check.run(payloads=payloads, progress=progress or (lambda _done, _total: None))
    return check.report()


class _Check:
    """One verification under way."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._findings: dict[tuple[str, str], Finding] = {}
        self._walk = Walk(functools.partial(self._guard, self._where))
        self._map = Walk(functools.partial(self._guard, self._where_in_map))
        self._records = 0
        self._checked = 0
        self._unneeded: list[int] = []
        self._tip: Tip | None = None

    def report(self) -> Report:
        return Report(
            findings=tuple(sorted(self._findings.values(), key=lambda finding: (finding.severity, finding.where))),
            records=self._records,
            objects=len(self._walk.needed) + len(self._map.needed),
            checked_bytes=self._checked,
            unneeded=len(self._unneeded),
            unneeded_bytes=sum(self._unneeded),
        )

    def run(self, *, payloads: bool, progress: Progress) -> None:
        self._check_folio_file()
        self._check_log()
        repository = Repository(self._backend)
        try:
            self._tip = repository.tip()
        except DamageError:
            return  # the log's findings say it
        state = self._tip.state
        self._map.condemned(state)
        self._walk.state(state)
        self._check_payloads(repository, payloads=payloads, progress=progress)
        self._check_strangers()

    def _check_folio_file(self) -> None:
        try:
            info = read_folio_file(self._backend)
        except FormatError as error:
            self._find("folio-file-damaged", FOLIO_FILE, str(error))
            return
        if info is None:
            if not Log(self._backend).sequence():
                raise FolioNotFoundError(f"no folio at {self._backend.location} (it has no {FOLIO_FILE} and no {LOG})")
            self._find("folio-file-damaged", FOLIO_FILE, "the file is missing")

    def _find(self, kind: str, where: str, message: str, affects: tuple[str, ...] = ()) -> None:
        known = self._findings.get((kind, where))
        affects = tuple(dict.fromkeys((*(known.affects if known else ()), *affects)))
        self._findings[kind, where] = Finding(kind, where, message, affects)

    def _check_log(self) -> None:
        log = Log(self._backend)
        sequence = log.sequence()
        if not sequence:
            self._find("log-empty", LOG, "there is no record, so the folio's state is not known")
        previous = None
        for before, seq in zip([None, *sequence], sequence, strict=False):
            if before is not None and seq != before + 1:
                self._find("log-gap", record_key(seq), f"the record before is number {before}")
                previous = None
            try:
                logged = log.read(seq)
            except FormatError as error:
                self._find("record-damaged", record_key(seq), str(error), ("the whole folio",) * (seq == sequence[-1]))
                previous = None
                continue
            except KeyMissingError:
                continue  # trimmed since it was listed
            self._records += 1
            if previous is not None and logged.record.previous != previous:
                message = f"record {before} has the digest {previous}, expected {logged.record.previous}"
                self._find("record-chain-broken", record_key(seq - 1), message)
            previous = logged.digest

    @contextlib.contextmanager
    def _guard(self, where: Callable[[Digest | None], Key], digest: Digest | None, by: str) -> Iterator[None]:
        try:
            yield
        except CorruptObjectError as error:
            self._find("object-damaged", where(digest), str(error), (by,))
        except MissingObjectError as error:
            self._find("object-missing", where(digest), str(error), (by,))
        except DamageError as error:
            self._find("object-misread", where(digest), str(error), (by,))
        except StorageError as error:
            self._find("object-unreadable", where(digest), str(error), (by,))

    def _where(self, digest: Digest | None) -> Key:
        assert self._tip is not None
        if digest is None:
            return record_key(self._tip.seq)
        with contextlib.suppress(DamageError):  # of the map that tells where objects are
            return self._tip.state.key_of(digest)
        return object_key(digest, 0)

    def _where_in_map(self, digest: Digest | None) -> Key:
        return self._where(None) if digest is None else condemned_key(digest)

    def _check_payloads(self, repository: Repository, *, payloads: bool, progress: Progress) -> None:
        wanted = {digest: needed for digest, needed in self._walk.needed.items() if needed.role != "node"}
        total = sum(needed.size or 0 for needed in wanted.values())
        progress(0, total)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            messages = pool.map(lambda item: self._check_object(repository, *item, read=payloads), wanted.items())
            done = 0
            for (digest, needed), fault in zip(wanted.items(), messages, strict=True):
                done += needed.size or 0
                progress(done, total)
                if fault is not None:
                    self._find(fault[0], self._where(digest), fault[1], (needed.by,))
                elif payloads:
                    self._checked += needed.size or 0

    def _check_object(
        self, repository: Repository, digest: Digest, needed: Needed, *, read: bool
    ) -> tuple[str, str] | None:
        try:
            size = repository.objects.size(digest)
            if size is None:
                return "object-missing", "the file is missing"
            if needed.size is not None and size != needed.size:
                return "object-damaged", f"expected {needed.size} bytes, found {size}"
            if read and not repository.objects.is_sound(self._where(digest), digest):
                return "object-damaged", f"the {size} bytes do not hash to the name"
        except DamageError as error:  # of the map that tells where objects are
            return "object-missing", str(error)
        except StorageError as error:
            return "object-unreadable", str(error)
        return None

    def _check_strangers(self) -> None:
        """Stored files that the state does not need: garbage, or nothing that datafolio wrote."""
        for key, size in self._backend.list(OBJECTS):
            stored = parse_key(key)
            if stored is None:
                self._find("unknown-file", key, f"not the name of an object ({size} bytes)")
            elif key != self._where(stored.digest) or stored.digest not in self._walk.needed:
                self._unneeded.append(size)
