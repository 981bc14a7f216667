"""`synced.json`: with which other folios this one was the same, and what both held then.

As git keeps in mind where a remote's branches were.  The log tells what a folio held lately; this tells it
for as long as it matters to those two.  It is no part of the folio's contents, and its loss does no harm: a
transfer is then refused where it can't be told any more that nothing would be lost.
"""

from __future__ import annotations

import contextlib

import msgspec
from msgspec.structs import replace

from datafolio.backend import Backend, Key
from datafolio.digest import Digest, digest_of
from datafolio.errors import DamageError, KeyMissingError, StorageError
from datafolio.store.foliofile import read_folio_file
from datafolio.store.model import decode, encode
from datafolio.store.repository import Repository, Tip
from datafolio.store.seal import is_sealed, sealed

__all__ = ["SYNCED_FILE", "remember_synced", "synced_contents"]

SYNCED_FILE = Key("synced.json")

_KEPT = 100


class _Peer(msgspec.Struct, frozen=True):
    """Another folio, as it was when both were the same."""

    #: Of where it was: a copy of a folio goes by the same id, and goes its own way.
    place: Digest
    #: Its newest record.
    seq: int
    record: Digest
    #: What both held.
    contents: Digest


class _File(msgspec.Struct, frozen=True):
    #: By the id of the folio, the latest last.
    peers: dict[str, _Peer] = msgspec.field(default_factory=dict)


def synced_contents(own: Backend, peer: Repository) -> Digest | None:
    """What both folios held when they were last the same, as far as `own` knows; None where it doesn't."""
    with contextlib.suppress(StorageError, DamageError):
        known = _read(own).peers.get(_id_of(peer.backend))
        if known is not None and known.place == _place_of(peer.backend) and _went_on(peer, known):
            return known.contents
    return None


def remember_synced(own: Backend, peer: Repository, tip: Tip, contents: Digest) -> None:
    """Keep in mind that `own` and `peer`, whose newest record was `tip`, hold the same.  Never raises for storage."""
    with contextlib.suppress(StorageError, DamageError):
        known = _Peer(_place_of(peer.backend), tip.seq, tip.logged.digest, contents)
        peers = {**_read(own).peers}
        peers.pop(_id_of(peer.backend), None)
        peers[_id_of(peer.backend)] = known
        latest = dict(list(peers.items())[-_KEPT:])
        own.replace(SYNCED_FILE, sealed(encode(replace(_File(), peers=latest))) + b"\n")


def _read(own: Backend) -> _File:
    try:
        data = own.read(SYNCED_FILE)
    except KeyMissingError:
        return _File()
    return decode(data, _File, SYNCED_FILE) if is_sealed(data.removesuffix(b"\n")) else _File()


def _went_on(peer: Repository, known: _Peer) -> bool:
    """Whether the folio may be what has become of it since: it was not put back to how it was before."""
    tip = peer.tip()
    if tip.seq < known.seq:
        return False
    logged = tip.logged if tip.seq == known.seq else peer.log.readable(known.seq)
    return logged is None or logged.digest == known.record


def _id_of(backend: Backend) -> str:
    info = read_folio_file(backend)
    return "" if info is None else info.folio_id


def _place_of(backend: Backend) -> Digest:
    return digest_of(backend.location.encode("utf-8", "surrogateescape"))
