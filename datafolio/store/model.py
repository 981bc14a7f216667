"""The structured objects and the record, as they stand on disk: canonical JSON, fields in this order.

`docs/format.md` describes every field.  Decoding validates; a field that this version does not know
is carried along wherever it is written again, so an older datafolio loses nothing a newer one wrote.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec.structs import replace

from datafolio.backend.base import LARGEST_READ
from datafolio.canonical import MAX_DEPTH
from datafolio.digest import Digest
from datafolio.errors import FormatError, NewerFormatError, UsageError
from datafolio.text import printable

__all__ = [
    "FORMAT",
    "LARGEST",
    "NUMBER",
    "Count",
    "Entry",
    "FolioFile",
    "Garbage",
    "Node",
    "Record",
    "Ref",
    "Snapshot",
    "SnapshotRef",
    "decode",
    "decode_with",
    "encode",
    "next_number",
    "require_format",
    "require_readable",
]

#: The format this version writes, and the newest it reads.
FORMAT = 1

#: A digest in a folio's files becomes part of a path, so anything else is refused when it is decoded.
_Digest = Annotated[Digest, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]

#: Numbers in a folio's files are counts and sizes; nothing that this version counts comes near the limit.
LARGEST = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
#: The same, as the kind of value that a map holds.
NUMBER: type[int] = Count

# JSON nested deeper than this is never written.  Metadata are counted by `datafolio.canonical`, whose values
# take up to three levels of JSON each.
_DEEPEST = 100
_DEEPEST_METADATA = 3 * MAX_DEPTH + 1

_T = TypeVar("_T")
_encoder = msgspec.json.Encoder(order="deterministic")
_ordered_encoder = msgspec.json.Encoder()


class Ref(msgspec.Struct, frozen=True, array_like=True):
    """A stored node as its parent names it: the part of the hash space it covers, and its weight."""

    #: The leading bits of the hashes it covers, as a text of 0 and 1.
    prefix: str
    #: The number of entries (of a leaf) or refs (of any other node) in it.
    weight: Count
    #: The number of entries below it.
    count: Count
    #: Held against the pattern of a digest in `decode_with`, for all refs of a node at once, since there are many.
    digest: Annotated[Digest, msgspec.Meta(min_length=64, max_length=64)]


class Node(msgspec.Struct, frozen=True, tag_field="kind", tag="node", omit_defaults=True, dict=True):
    """A node of a persistent map: entries at level 0, refs to nodes of the level below otherwise."""

    level: Count = 0
    #: Name to entry, sorted by name.  Entries are kept as the text they came in.
    entries: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    #: Sorted by prefix; no prefix is the beginning of another.
    refs: tuple[Ref, ...] = ()
    #: Makes the nodes of one edit unlike any others; see `datafolio.store.gc`.
    salt: str = ""

    @functools.cached_property
    def kept(self) -> dict[type, list[tuple[str, Any]]]:
        """The entries as values of some type, kept by those who list the same map again and again."""
        return {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an item: all that a listing needs."""

    #: The item type's tag, and the version of its payload format.
    type: str
    type_version: Count
    #: The payload.
    digest: _Digest
    size: Count
    #: The payload's file name extension.
    suffix: str
    version: Count
    #: How many snapshots had been made when the content was written.
    generation: Count
    #: ISO 8601, UTC.
    created_at: str
    description: str | None
    #: Names of the items that this one was made from.
    inputs: tuple[str, ...]
    #: The type's own: columns, shape, class.
    facts: dict[str, Any]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="snapshot"):
    """An immutable checkpoint: the items, the metadata, and where they came from."""

    name: str
    #: The root node of the items, an object of its own.
    tree: _Digest
    #: In the packed form of `datafolio.canonical`, as in the record.
    metadata: dict[str, Any]
    description: str | None
    tags: tuple[str, ...]
    #: ISO 8601, UTC.
    timestamp: str
    git: dict[str, Any] | None
    #: An object shared by all the snapshots that were made in the same environment.
    environment: _Digest | None
    execution: dict[str, Any] | None
    #: The snapshot that the work went on from.  A weak link: it keeps nothing alive.
    parent: _Digest | None


class SnapshotRef(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot in the map of snapshots."""

    digest: _Digest
    #: The first snapshot of a folio is number 1; numbers are never used again.
    number: Count
    #: The snapshot itself, unless it is large: then it is the object with that digest.
    snapshot: Snapshot | None
    #: Item name to version, unless there are many.
    item_versions: dict[str, Count] | None

    def is_alike(self, other: SnapshotRef) -> bool:
        """Whether both say the same of the same snapshot, whatever their numbers; the digest alone may be a lie."""
        return replace(self, number=other.number) == other


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """What collections go by; the totals, in bytes, say when one is worth its while."""

    #: Payloads that operations let go of and that no snapshot was made of, and nodes that took the place of
    #: others, since the folio began.
    loosened: Count = 0
    #: `loosened` as it was at the record up to which the last collection looked.
    collected: Count = 0
    #: What the last collection left.
    kept: Count = 0
    #: The last epoch whose collection kept nothing for the log: what earlier records need may be gone.
    horizon: Count = 0

    def with_loosened(self, size: int) -> Garbage:
        """The totals with `size` more bytes let go of; what a stranger's entry says of its size may be anything."""
        return replace(self, loosened=min(self.loosened + size, LARGEST))


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="record", omit_defaults=True):
    """One record of the log: the folio's whole state after one operation."""

    format: int
    seq: Count
    #: The digest of the record before, as a file.
    previous: _Digest | None
    #: A random name for the attempt, by which a writer knows its own record.
    write_id: str
    #: ISO 8601, UTC.
    time: str
    #: What was done, in words.
    operation: str
    #: Root nodes, inline.
    items: Node
    snapshots: Node
    #: In the packed form of `datafolio.canonical`.
    metadata: dict[str, Any]
    #: The number of snapshots ever made.
    generation: Count
    #: The snapshot that the work goes on from.
    head: _Digest | None
    #: Name to the highest version number that is no longer in `items`.
    retired: Node
    #: The number of collections that condemned something.
    epoch: Count
    #: Digest to the last epoch in which it was condemned.
    condemned: Node
    garbage: Garbage
    #: Of an undo: the record whose contents this one has again.  The only field that may be left out.
    restores: Count | None = None


class FolioFile(msgspec.Struct, frozen=True, kw_only=True):
    """`folio.json`, written once."""

    format: int
    folio_id: str
    created_at: str


def require_format(version: int, what: str) -> None:
    """Raise NewerFormatError, naming `what`, for a format that this version can't read."""
    if version > FORMAT:
        raise NewerFormatError(
            f"{what} has format {version}, and this datafolio reads up to {FORMAT}; install a newer one"
        )


def encode(value: msgspec.Struct) -> bytes:
    """The canonical JSON of a structure: its own fields in their order, users' dicts in theirs."""
    if isinstance(value, Node):
        return _encoder.encode(value)
    return _ordered_encoder.encode(value)


def require_readable(data: bytes, what: str) -> None:
    """Raise UsageError, naming `what`, for a structure that is too large to be read again."""
    if len(data) > LARGEST_READ:
        raise UsageError(
            f"{what} would take {len(data)} bytes, and at most {LARGEST_READ} are ever read; "
            f"keep large values as items (add_json), not in metadata, descriptions or tags"
        )


def next_number(number: int, what: str) -> int:
    """The number after that of `what`.  Raises FormatError for one that could not be read again."""
    if number >= LARGEST:
        raise FormatError(f"{what} has the number {number}, and no file can hold the next one; nobody counted so far")
    return number + 1


def decode(data: bytes, kind: type[_T], what: str) -> _T:
    """The `kind` that `data` holds.  Raises FormatError, naming `what`, for anything else."""
    return decode_with(msgspec.json.Decoder(kind), data, what)


def decode_with(decoder: msgspec.json.Decoder[_T], data: bytes, what: str) -> _T:
    """What `decode` gives, for those who keep the decoder."""
    try:
        value = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"{what} can't be understood: {printable(str(error))}") from error
    if isinstance(value, Node):
        _require_digests(value, what)
    elif isinstance(value, Record):
        for root in (value.items, value.snapshots, value.retired, value.condemned):
            _require_digests(root, what)
    # What has few brackets has no depth, and that is nearly everything.
    if type(value) is not Node and data.count(b"[") + data.count(b"{") > _DEEPEST:
        for part, deepest in _loose_parts(value):
            _require_flat(part, deepest, what)
    return value


def _require_digests(node: Node, what: str) -> None:
    """Raise FormatError unless what the refs of `node` have in the place of digests has only their digits."""
    digests = "".join([ref.digest for ref in node.refs])
    if digests.encode("utf-8", "replace").translate(None, b"0123456789abcdef"):
        raise FormatError(f"{what} can't be understood: it has a reference to what is no digest")


def _loose_parts(value: object) -> Iterator[tuple[object, int]]:
    """The parts of a structure that may be any JSON, and how deep each may be."""
    if isinstance(value, dict):
        yield value, _DEEPEST
    elif isinstance(value, Entry):
        yield value.facts, _DEEPEST
    elif isinstance(value, Record):
        yield value.metadata, _DEEPEST_METADATA
    elif isinstance(value, Snapshot):
        yield value.metadata, _DEEPEST_METADATA
        yield (value.git, value.execution), _DEEPEST
    elif isinstance(value, SnapshotRef) and value.snapshot is not None:
        yield from _loose_parts(value.snapshot)


def _require_flat(value: object, deepest: int, what: str) -> None:
    """Raise FormatError if `value` is nested so deep that working on it could use up Python's stack."""
    level = [value]
    for _ in range(deepest + 1):
        level = [part for parent in level for part in _parts(parent) if isinstance(part, (dict, list))]
        if not level:
            return
    raise FormatError(f"{what} is nested more than {deepest} deep, which datafolio never writes")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()
