"""Verification: is everything that the folio needs there, and is it what was written?"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from datafolio.backend import Backend, Key
from datafolio.digest import Digest
from datafolio.errors import (
    CorruptObjectError,
    DamageError,
    FolioNotFoundError,
    FormatError,
    KeyMissingError,
    MissingObjectError,
    NewerFormatError,
    StorageError,
    UsageError,
)
from datafolio.store.affected import affected_by
from datafolio.store.findings import FINDING_IDS, Finding, ItemVersion, Report
from datafolio.store.foliofile import FOLIO_FILE, read_folio_file
from datafolio.store.log import LOG, MARKER, Log, record_key, record_number
from datafolio.store.objects import OBJECTS, TO_FSCK, condemned_key, object_key, parse_key
from datafolio.store.record import Logged
from datafolio.store.repository import Repository, Tip
from datafolio.store.views import check_views
from datafolio.store.walk import Needed, Walk

__all__ = ["FINDING_IDS", "Finding", "ItemVersion", "Progress", "Report", "fsck"]

#: Told of progress: bytes of payload checked so far, and to be checked.
Progress = Callable[[int, int], None]

# A folio that others write to all the time may look damaged to one who is slow; so many looks are taken.
_ATTEMPTS = 5

_CORES = os.cpu_count() or 1
# What a thread is given at a time: a handing over takes about as long as a small file.
_SHARE_FILES = 64
_SHARE_BYTES = 8 << 20


def fsck(backend: Backend, *, share: float = 1.0, progress: Progress | None = None) -> Report:
    """Check the structure of the folio at `backend`, and the digests of a `share` of its payloads, drawn by lot.

    A payload that is not read is looked for, and its size is checked.  Reads only.  Raises
    FolioNotFoundError where there is no folio.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"the share of payloads to read is a number from 0 to 1, not {share!r}")
    for _ in range(_ATTEMPTS):
        check = _Check(backend, share, progress or (lambda _done, _total: None))
        check.run()
        if not check.was_overtaken():
            break
    return check.report()


class _Work(NamedTuple):
    """One object to be checked: where it is, the size that its user expects, and whether to read it too."""

    digest: Digest
    key: Key
    size: int | None
    read: bool


def _shares(work: Iterable[_Work]) -> list[list[_Work]]:
    """The work in shares, the large objects first, so that no core is left with one at the end."""
    shares: list[list[_Work]] = []
    room = 0
    for each in sorted(work, key=lambda each: -(each.size or 0)):
        size = each.size or 0
        if not shares or room < size or len(shares[-1]) == _SHARE_FILES:
            shares.append([])
            room = _SHARE_BYTES
        shares[-1].append(each)
        room -= size
    return shares


class _Check:
    """One verification under way."""

    def __init__(self, backend: Backend, share: float, progress: Progress) -> None:
        self._backend = backend
        self._share = share
        self._progress = progress
        self._log = Log(backend)
        self._findings: dict[tuple[str, str], Finding] = {}
        #: Which finding each damaged object is.
        self._damaged: dict[Digest, tuple[str, str]] = {}
        #: Where all that was looked for is, but for nodes.
        self._placed_keys: set[Key] = set()
        self._walk = Walk(functools.partial(self._guard, self._where))
        self._map = Walk(functools.partial(self._guard, self._where_in_map))
        self._records = 0
        self._checked = 0
        self._unneeded: list[int] = []
        self._tip: Tip | None = None
        #: Of what is stored, where to ask for each takes longer than to list them all.
        self._sizes: dict[Key, int] | None = None

    def report(self) -> Report:
        return Report(
            findings=tuple(sorted(self._findings.values(), key=lambda finding: (finding.severity, finding.where))),
            records=self._records,
            objects=len(self._walk.needed) + len(self._map.needed),
            checked_bytes=self._checked,
            unneeded=len(self._unneeded),
            unneeded_bytes=sum(self._unneeded),
        )

    def was_overtaken(self) -> bool:
        """Whether what was found may be the work of a collection that came after the state looked at."""
        return bool(self._findings) and self._tip is not None and not self._log.is_newest(self._tip.logged)

    def run(self) -> None:
        if self._backend.is_distant:
            self._backend.exists(FOLIO_FILE)  # raises if nobody answers there, which is no damage
        self._check_folio_file()
        with self._finding("record-unreadable", LOG):
            self._check_log()
        repository = Repository(self._backend)
        try:
            self._tip = repository.tip()
        except (DamageError, StorageError):
            return  # the log's findings say it
        state = self._tip.state
        self._map.condemned(state)
        self._walk.state(state)
        self._check_objects(repository)
        with self._finding("object-unreadable", OBJECTS):
            self._check_strangers()
        self._say_what_is_affected()
        for view, message in check_views(self._backend, self._tip.seq):
            self._find("view-damaged", view, message)

    def _check_folio_file(self) -> None:
        try:
            info = read_folio_file(self._backend)
        except NewerFormatError as error:
            self._find("format-newer", FOLIO_FILE, str(error))
            return
        except (DamageError, StorageError) as error:
            self._find("folio-file-damaged", FOLIO_FILE, str(error))
            return
        if info is None:
            if not self._has_records():
                raise FolioNotFoundError(f"no folio at {self._backend.location} (it has no {FOLIO_FILE} and no {LOG})")
            self._find("folio-file-damaged", FOLIO_FILE, "the file is missing")

    def _has_records(self) -> bool:
        with contextlib.suppress(StorageError):
            return bool(self._log.sequence())
        return True  # something is there

    @contextlib.contextmanager
    def _finding(self, kind: str, folder: str) -> Iterator[None]:
        """What keeps a whole folder from being listed is a finding too."""
        try:
            yield
        except StorageError as error:
            self._find(kind, folder, str(error), ("the whole folio",))

    def _find(self, kind: str, where: str, message: str, affects: tuple[str, ...] = ()) -> None:
        known = self._findings.get((kind, where))
        affects = tuple(dict.fromkeys((*(known.affects if known else ()), *affects)))
        # The finding says where it is, and is what the others point to.
        message = message.removeprefix(f"{where}: ").removesuffix(TO_FSCK)
        self._findings[kind, where] = Finding(kind, where, message, affects)

    # The log.

    def _check_log(self) -> None:
        marked = self._marked()  # first: what it names is in the log by then
        sequence = self._log.sequence()
        numbers = set(sequence)
        if isinstance(marked, str):
            # Most often it is one file with the newest record, which then is a finding of its own.
            if not sequence or not self._is_same_file(MARKER, record_key(sequence[-1])):
                self._find("marker-damaged", MARKER, marked)
        elif marked is not None and (not sequence or marked > sequence[-1]):
            newest = f"the newest is {sequence[-1]}" if sequence else "there is none at all"
            message = f"{MARKER} shows that record {marked} was there, and {newest}"
            self._find("record-missing", record_key(marked), message, ("the whole folio",))
        elif not sequence:
            self._find("log-empty", LOG, "there is no record, so the folio's state is not known", ("the whole folio",))
        following = record_key(sequence[-1] + 1) if sequence else record_key(0)
        if self._backend.exists(following) and not self._log.sequence()[-1:] > sequence[-1:]:
            self._find("record-unreadable", following, "something that is no record is in the way of the next one")
        before: Logged | None = None
        for seq in sequence:
            if seq - 1 not in numbers and seq != sequence[0]:
                self._find("log-gap", record_key(seq), f"record {seq - 1} is missing")
            logged = self._checked_record(seq, ("the whole folio",) * (seq == sequence[-1]))
            if logged is not None and before is not None and before.record.seq == seq - 1:
                self._check_chain(before, logged)
            before = logged

    def _marked(self) -> int | str | None:
        """The number of the record that was marked as the newest, or what is wrong with the mark."""
        try:
            marked = self._log.marked()
        except (FormatError, StorageError) as error:
            return str(error)
        if marked is None:
            return f"{MARKER} is no file" if self._backend.exists(MARKER) else None
        return marked.record.seq

    def _is_same_file(self, key: Key, other: Key) -> bool:
        with contextlib.suppress(StorageError, DamageError):
            return self._backend.read(key) == self._backend.read(other)
        return False

    def _checked_record(self, seq: int, affects: tuple[str, ...]) -> Logged | None:
        try:
            logged = self._log.read(seq)
        except KeyMissingError as error:
            if self._log.sequence()[:1] <= [seq]:  # else it was trimmed since it was listed
                self._find("record-unreadable", record_key(seq), str(error), affects)
            return None
        except NewerFormatError as error:
            self._find("format-newer", record_key(seq), str(error), affects)
            return None
        except DamageError as error:
            self._find("record-damaged", record_key(seq), str(error), affects)
            return None
        except StorageError as error:
            self._find("record-unreadable", record_key(seq), str(error), affects)
            return None
        self._records += 1
        return logged

    def _check_chain(self, before: Logged, logged: Logged) -> None:
        if logged.record.previous != before.digest:
            key = record_key(before.record.seq)
            message = f"the record after it was made after one with the digest {logged.record.previous}, not this one"
            self._find("record-chain-broken", key, message)

    # Objects.

    @contextlib.contextmanager
    def _guard(self, where: Callable[[Digest | None], Key], digest: Digest | None, by: str) -> Iterator[None]:
        try:
            yield
        except CorruptObjectError as error:
            self._find_object("object-damaged", digest, where(digest), str(error), by)
        except MissingObjectError as error:
            self._find_object("object-missing", digest, where(digest), str(error), by)
        except DamageError as error:
            self._find_object("object-misread", digest, where(digest), str(error), by)
        except StorageError as error:
            self._find_object("object-unreadable", digest, where(digest), str(error), by)

    def _find_object(self, kind: str, digest: Digest | None, where: Key, message: str, by: str) -> None:
        self._find(kind, where, message, (by,))
        if digest is not None:
            self._damaged[digest] = (kind, where)

    def _where(self, digest: Digest | None) -> Key:
        assert self._tip is not None
        if digest is None:
            return record_key(self._tip.seq)
        with contextlib.suppress(DamageError, StorageError):  # of the map that tells where objects are
            return self._tip.state.key_of(digest)
        return object_key(digest, 0)

    def _where_in_map(self, digest: Digest | None) -> Key:
        return self._where(None) if digest is None else condemned_key(digest)

    def _check_objects(self, repository: Repository) -> None:
        wanted = {digest: needed for digest, needed in self._walk.needed.items() if needed.role != "node"}
        read = self._drawn(wanted)
        total = sum(needed.size or 0 for digest, needed in wanted.items() if digest in read)
        self._progress(0, total)
        shares = _shares(self._placed(wanted, read))
        if self._backend.is_distant:
            self._sizes = {key: size for key, size, _ in self._backend.list(OBJECTS)}
        threads = max(_CORES, self._backend.concurrency) if self._backend.is_distant else _CORES
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda share: [self._fault(repository, each, total) for each in share], shares)
            for share, faults in zip(shares, found, strict=True):
                for each, fault in zip(share, faults, strict=True):
                    if fault is not None:
                        self._find_object(fault[0], each.digest, each.key, fault[1], wanted[each.digest].by)
                    elif each.read:
                        self._checked += each.size or 0
                self._progress(min(self._checked, total), total)
        self._progress(total, total)

    def _placed(self, wanted: dict[Digest, Needed], read: set[Digest]) -> Iterator[_Work]:
        """What is to be checked, and where it is; a finding where the map that tells it is damaged."""
        assert self._tip is not None
        for digest, needed in wanted.items():
            try:
                key = self._tip.state.key_of(digest)
            except DamageError as error:
                self._find_object("object-missing", digest, self._where(digest), str(error), needed.by)
            except StorageError as error:
                self._find_object("object-unreadable", digest, self._where(digest), str(error), needed.by)
            else:
                self._placed_keys.add(key)
                yield _Work(digest, key, needed.size, digest in read)

    def _drawn(self, wanted: dict[Digest, Needed]) -> set[Digest]:
        """What is to be read: all but payloads, and the share of those."""
        payloads = [digest for digest, needed in wanted.items() if needed.role == "payload"]
        drawn = random.sample(payloads, math.ceil(self._share * len(payloads)))
        return (wanted.keys() - payloads) | set(drawn)

    def _fault(self, repository: Repository, work: _Work, total: int) -> tuple[str, str] | None:
        try:
            size = self._backend.size(work.key) if self._sizes is None else self._sizes.get(work.key)
            if size is None:
                return "object-missing", "the file is missing"
            if work.size is not None and size != work.size:
                return "object-damaged", f"expected {work.size} bytes, found {size}"
            # One that is most of the work by itself takes every core; else each core has a file of its own.
            threads = None if size * _CORES > total else 1
            if work.read and not repository.objects.is_sound(work.key, work.digest, threads):
                return "object-damaged", f"the {size} bytes do not hash to the name"
        except StorageError as error:
            return "object-unreadable", str(error)
        return None

    def _say_what_is_affected(self) -> None:
        assert self._tip is not None
        if not self._damaged:
            return
        for digest, affected in affected_by(self._damaged.keys(), self._tip.state).items():
            place = self._damaged[digest]
            finding = self._findings[place]
            words = tuple(dict.fromkeys((*affected.words, *finding.affects)))
            self._findings[place] = replace(finding, affects=words, items=affected.items, snapshots=affected.snapshots)

    def _check_strangers(self) -> None:
        """Stored files that the state does not need: garbage, or nothing that datafolio wrote."""
        for key, size, _ in self._backend.list(OBJECTS):
            if key in self._placed_keys:
                continue
            stored = parse_key(key)
            if stored is None:
                self._find("unknown-file", key, f"not the name of an object ({size} bytes)")
            elif key != self._where(stored.digest) or stored.digest not in self._walk.needed:
                self._unneeded.append(size)
        for key, size, _ in self._backend.list(LOG):
            if record_number(key) is None and key != MARKER:
                self._find("unknown-file", key, f"not the name of a record ({size} bytes)")
