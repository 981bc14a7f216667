"""Collection: give back the space of what nothing needs any more.  No clock, lease or lock takes part.

1. *Mark*: list the stored keys, and walk everything the newest state needs.
2. *Condemn*: commit a record that enters every dead digest in the map of condemned objects, with the
   number of a new epoch.  From that record on the object belongs under another key, so a writer
   that comes with the same content stores it there; and a writer that relied on the old key finds
   the number of its record taken, looks again, and does the same.
3. *Sweep*: delete the keys that the map says nothing can mean any more: those of a digest whose
   epoch is lower than the one it was last condemned in.  At once or later, by anybody, any number
   of times.

Every commit thus either came before the condemning record, and was marked, or comes after it and
looks up where its objects belong.  The map only grows.

The map's own nodes are in a folder of their own, since they say where everything else is.  Each is
salted with the epoch for which it was made, and with chance, so none is ever made twice.  Once there
is a record of an epoch, it settles the fate of all nodes made for that epoch or an earlier one: those
that it does not reach will never be reached again, and whoever made them has lost a race.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from datafolio.digest import Digest, is_digest
from datafolio.errors import DamageError
from datafolio.store.model import Garbage, Node, decode
from datafolio.store.objects import CONDEMNED, OBJECTS, StoredKey, condemned_key, object_key, parse_key
from datafolio.store.orphans import Orphan, name_orphans
from datafolio.store.repository import Repository
from datafolio.store.state import State
from datafolio.store.walk import Walk

__all__ = ["Collection", "collect", "collect_if_due"]

#: An automatic collection waits until there is this much to gain, in bytes...
_DUE_BYTES = 32 << 20
#: ...and this share of what the last one left.
_DUE_SHARE = 0.5


@dataclass(frozen=True)
class Collection:
    """What a collection freed, or would free."""

    #: The versions of items that are gone, by item and version.
    orphans: tuple[Orphan, ...]
    #: The number of stored objects that are gone, those of the orphans among them.
    objects: int
    #: Their size in bytes.
    size: int


def collect(repository: Repository, *, dry_run: bool = False, keep_log: bool = False) -> Collection:
    """Free what neither the current items nor a snapshot needs.

    With `keep_log`, what the retained records of the log still hold is kept as well.  Any error
    while marking or listing ends the collection before it deletes anything.  A collection can be
    killed at any point, and be run again or beside another.  With `dry_run` nothing is changed.
    """
    marking = _Marking(repository, keep_log=keep_log)
    if dry_run:
        repository.view(marking.condemn)
        return marking.collection()
    # First what needs no commit: on a full disk, that may be what makes room for one.
    repository.backend.sweep_stages()
    repository.commit("collect", marking.condemn)
    for stored in marking.dead:
        repository.backend.delete(object_key(*stored))
    # Seen from the newest state: a collector that slept may find its own map replaced.
    repository.view(lambda state: _sweep_map(repository, state))
    return marking.collection()


def _sweep_map(repository: Repository, state: State) -> None:
    """Delete the nodes of maps of condemned objects that are settled and not of this state's map."""
    walk = Walk()
    walk.condemned(state)
    for key, _ in repository.backend.list(CONDEMNED):
        digest = Digest(key.removeprefix(CONDEMNED).replace("/", "", 1))
        if not is_digest(digest) or condemned_key(digest) != key or digest in walk.needed:
            continue
        epoch = _epoch_of(repository, digest)
        if epoch is not None and epoch <= state.epoch:
            repository.backend.delete(key)


def _epoch_of(repository: Repository, digest: Digest) -> int | None:
    """The epoch for which a node of the map was made, or None for a file that is no such node."""
    try:
        salt = decode(repository.condemned.read(digest), Node, f"the node {digest}").salt
    except DamageError:
        return None
    epoch = salt.partition("-")[0]
    return int(epoch) if epoch.isascii() and epoch.isdigit() else None


def collect_if_due(repository: Repository) -> Collection | None:
    """Collect what the retained log no longer needs, once that is a fair share of the folio."""
    garbage = repository.tip().state.garbage
    due = max(_DUE_BYTES, _DUE_SHARE * garbage.kept)
    if garbage.loosened - garbage.collected <= due:
        return None
    if _loosened_at_horizon(repository) - garbage.collected <= due:
        return None
    return collect(repository, keep_log=True)


class _Marking:
    """What is stored, and which of it nothing needs as seen from the state that was condemned last."""

    def __init__(self, repository: Repository, *, keep_log: bool) -> None:
        self._repository = repository
        self._keep_log = keep_log
        # Listed before anything is walked: what is stored later is not this collection's to condemn.
        self._listed = {stored: size for key, size in repository.backend.list(OBJECTS) if (stored := parse_key(key))}
        # One walk for every attempt: what an earlier state needed stays, a retry reads only what is new.
        self._walk = Walk()
        self._orphans: tuple[Orphan, ...] = ()
        self.dead: dict[StoredKey, int] = {}

    def collection(self) -> Collection:
        """What deleting the dead frees."""
        return Collection(self._orphans, len(self.dead), sum(self.dead.values()))

    def condemn(self, state: State) -> State:
        """The state in which what is dead belongs nowhere.  A change to commit."""
        self._mark(state)
        fresh = {stored.digest for stored in self.dead if stored.burn >= state.burn_of(stored.digest)}
        if not fresh:
            return state
        self._orphans = name_orphans(self._repository, state, fresh)
        # A copy made while somebody wrote may have keys of later epochs than its log, and no key is used twice.
        epoch = max(state.epoch, *(stored.burn for stored in self.dead)) + 1
        condemned = state.condemned.edit(dict.fromkeys(fresh, epoch), salt=f"{epoch}-{secrets.token_hex(8)}")
        return replace(state, epoch=epoch, condemned=condemned, garbage=self._garbage(state, epoch))

    def _mark(self, state: State) -> None:
        self._walk.state(state)
        if self._keep_log:
            for logged in self._repository.log.retained():
                if logged.record.epoch < state.garbage.horizon:
                    break
                self._walk.state(self._repository.state_of(logged))
        self.dead = {
            stored: size
            for stored, size in self._listed.items()
            if stored.digest not in self._walk.needed or stored.burn < state.burn_of(stored.digest)
        }
        self._orphans = ()

    def _garbage(self, state: State, epoch: int) -> Garbage:
        """The totals, from which the next automatic collection counts."""
        loosened = state.garbage.loosened
        return Garbage(
            loosened=loosened,
            collected=_loosened_at_horizon(self._repository) if self._keep_log else loosened,
            kept=sum(self._listed.values()) - sum(self.dead.values()),
            horizon=state.garbage.horizon if self._keep_log else epoch,
        )


def _loosened_at_horizon(repository: Repository) -> int:
    """What had been let go of by the oldest record that is retained."""
    return repository.log.oldest().record.garbage.loosened
