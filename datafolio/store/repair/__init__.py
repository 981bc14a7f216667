"""Repair: put back what is known to be right, and set aside what is known to be wrong.

Objects and records say themselves what they are, so a whole one is put in its place wherever it is
found: elsewhere in the folio, among what was set aside before, or in another copy of the folio.
Nothing is deleted: what is damaged is moved to ``lost+found/``.  No step leaves the folio worse than
it was, so a repair can be interrupted, and run again.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass

from msgspec.structs import replace

from datafolio.backend import Backend, Key
from datafolio.errors import DamageError, NewerFormatError, NotAFileError, StorageError
from datafolio.store.clock import utc_now
from datafolio.store.condemn import salt_of
from datafolio.store.findings import Finding, Report
from datafolio.store.foliofile import FOLIO_FILE, folio_file, read_folio_file
from datafolio.store.fsck import Progress, fsck
from datafolio.store.model import FORMAT, NUMBER, FolioFile
from datafolio.store.objects import CONDEMNED, OBJECTS, parse_key
from datafolio.store.repair.copies import Place, digest_at, named_digest
from datafolio.store.repair.log import mend_log
from datafolio.store.repair.overlay import Overlay
from datafolio.store.repair.work import Action, Work
from datafolio.store.repository import Repository
from datafolio.store.state import State
from datafolio.store.tree import Tree
from datafolio.store.views import make_views

__all__ = ["Action", "Repair", "repair"]

# Mending a node shows what is below it, and that may need mending too.
_ROUNDS = 40


@dataclass(frozen=True)
class Repair:
    """What a repair did, or would do, and what a verification finds before and after."""

    actions: tuple[Action, ...]
    before: Report
    after: Report


def repair(
    backend: Backend, *, source: Backend | None = None, dry_run: bool = True, progress: Progress | None = None
) -> Repair:
    """Mend what can be mended of the folio at `backend`, with what is whole in the folio `source`.

    With `dry_run` nothing is changed, and the result is what the same call without it would give.
    Raises FolioNotFoundError where there is no folio, NewerFormatError for one that a newer datafolio wrote.
    """
    before = fsck(backend, progress=progress)
    if not before.findings:
        return Repair((), before, before)
    work = Work(Overlay(backend) if dry_run else backend, source)
    after = _Mending(work, progress).run(before)
    return Repair(tuple(work.actions), before, after)


class _Mending:
    """One repair under way."""

    def __init__(self, work: Work, progress: Progress | None) -> None:
        self._work = work
        self._backend = work.backend
        self._copies = work.copies
        self._progress = progress

    def run(self, report: Report) -> Report:
        """Mend what the report of a whole verification says; the report of another one, of how it is then."""
        self._mend_folio_file()
        mend_log(self._work)
        if self._work.actions:
            report = self._verified()  # the newest record may be another one
        is_whole = True
        for _ in range(_ROUNDS):
            if self._mend(report):
                # What was mended may show that more is missing; payloads are read again in the end.
                report, is_whole = fsck(self._backend, share=0), False
            elif not is_whole:
                report, is_whole = self._verified(), True
            else:
                break
        return report

    def _verified(self) -> Report:
        return fsck(self._backend, progress=self._progress)

    def _mend(self, report: Report) -> bool:
        """Mend what can be judged; whether there was anything."""
        done = len(self._work.actions)
        if not self._mend_map(report):
            self._mend_objects(report)
        if len(self._work.actions) == done:
            self._mend_views(report)
        return len(self._work.actions) > done

    def _mend_folio_file(self) -> None:
        try:
            if read_folio_file(self._backend) is not None:
                return
            why = "the file is missing"
        except NewerFormatError:
            raise
        except (DamageError, NotAFileError) as error:
            why = str(error)
        self._work.set_aside(FOLIO_FILE, why)
        info = None
        with contextlib.suppress(DamageError, StorageError):
            info = self._copies.same_folio and read_folio_file(self._copies.same_folio)
        made = info or FolioFile(format=FORMAT, folio_id=secrets.token_hex(16), created_at=utc_now())
        self._backend.create(FOLIO_FILE, folio_file(made))
        self._work.act("write-folio-file", FOLIO_FILE, "copied" if info else "written anew, with a new id")

    def _mend_map(self, report: Report) -> bool:
        """Mend the map that says where objects are; whether it was damaged, so nothing else can be judged yet."""
        damaged = [finding for finding in report.findings if finding.where.startswith(CONDEMNED)]
        if not damaged:
            return False
        mended = [self._mend_object(finding) for finding in damaged]
        if not all(mended):
            self._rebuild_map()
        return True

    def _rebuild_map(self) -> None:
        """Where each object is, is also seen by looking."""
        burns: dict[str, int] = {}
        for key, _, _ in self._backend.list(OBJECTS):
            stored = parse_key(key)
            if stored is not None and stored.burn >= burns.get(stored.digest, 1):
                burns[stored.digest] = stored.burn

        def change(state: State) -> State:
            # No key may mean anything that an earlier epoch condemned.
            epoch = max(state.epoch, *burns.values(), 0) + 1
            condemned = Tree(NUMBER, state.loaders.condemned_node).edit(burns, salt=salt_of(epoch))
            return replace(state, epoch=epoch, condemned=condemned)

        Repository(self._backend).commit("rebuild the map of condemned objects", change)
        self._work.act("rebuild-map", CONDEMNED, f"made anew from the names in {OBJECTS}")

    def _mend_objects(self, report: Report) -> None:
        damaged = [finding for finding in report.findings if finding.where.startswith(OBJECTS)]
        for finding in damaged:  # two objects may stand in each other's place
            self._copies.note(Place(self._backend, Key(finding.where)))
        for finding in damaged:
            self._mend_object(finding)

    def _mend_object(self, finding: Finding) -> bool:
        """Put a whole copy in the place of a missing or damaged object; whether there was one."""
        key = Key(finding.where)
        digest = named_digest(key)
        if digest is None or finding.id not in {"object-missing", "object-damaged", "object-unreadable"}:
            return False
        found = digest_at(Place(self._backend, key))
        if found == digest:
            return True  # somebody has stored it since
        copy = self._copies.find(digest)
        if copy is None:
            # What can't be read today may be whole.
            aside = None if found is None else self._work.set_aside(key, finding.message)
        else:
            aside = self._work.replace(key, copy, finding.message)
            self._work.act("restore-object", key, f"copied from {self._work.words_for(copy)}")
        if aside is not None and digest_at(Place(self._backend, aside)) == digest:
            # Somebody stored it in that very moment.
            self._backend.copy_from(self._backend, aside, key, replace=True)
        return copy is not None

    def _mend_views(self, report: Report) -> None:
        findings = [finding for finding in report.findings if finding.id == "view-damaged"]
        for finding in findings:
            self._work.set_aside(Key(finding.where), finding.message)
        if findings:
            with contextlib.suppress(DamageError):  # of what they show; a later write makes them
                make_views(Repository(self._backend))
                self._work.act("write-views", "items.json, snapshots.json", "written anew")
