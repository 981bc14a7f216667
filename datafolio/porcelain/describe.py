"""What is in a folio, for people."""

from __future__ import annotations

from typing import Any

import msgspec

from datafolio.store.model import Entry
from datafolio.store.state import State, unpack_metadata
from datafolio.text import format_size, printable

__all__ = ["Description", "contents_by_type", "describe", "summarise_facts"]

#: The built-in types in the order of listings; those of third parties follow under their own tag.
_PLURALS = {
    "table": "tables",
    "model": "models",
    "numpy": "arrays",
    "json": "json",
    "timestamp": "timestamps",
    "artifact": "artifacts",
    "figure": "figures",
}
_MOST_SHOWN = 50
_LONGEST_VALUE = 60


class _Typed(msgspec.Struct, gc=False):
    """What a list of names by type takes of an entry."""

    type: str


class Description(str):
    """A text of several lines that a prompt or notebook shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def contents_by_type(state: State) -> dict[str, list[str]]:
    """The names of the items by type, each list sorted; every built-in type has its list."""
    contents: dict[str, list[str]] = {plural: [] for plural in _PLURALS.values()}
    for name, entry in state.items.read_as(_Typed).items():
        contents.setdefault(_PLURALS.get(entry.type, entry.type), []).append(name)
    return contents


def describe(state: State, title: str) -> Description:
    """The state in a few lines: its items by type, its metadata, its snapshots."""
    entries = dict(state.items.items())
    lines = [
        printable(title),
        f"{len(entries)} item{'' if len(entries) == 1 else 's'}, {format_size(sum(e.size for e in entries.values()))}",
    ]
    for plural, names in contents_by_type(state).items():
        if names:
            lines += [
                "",
                f"{printable(plural)} ({len(names)})",
                *(_item_line(name, entries[name]) for name in names[:_MOST_SHOWN]),
            ]
            lines += [f"  ... and {len(names) - _MOST_SHOWN} more"] if len(names) > _MOST_SHOWN else []
    metadata = unpack_metadata(state.metadata)
    if metadata:
        lines += ["", f"metadata ({len(metadata)})"]
        lines += [f"  {printable(str(key))}: {_short(value)}" for key, value in list(metadata.items())[:_MOST_SHOWN]]
    lines += ["", f"snapshots: {len(state.snapshots)}"]
    return Description("\n".join(lines))


def _item_line(name: str, entry: Entry) -> str:
    facts = summarise_facts(entry)
    details = ", ".join(part for part in (facts, format_size(entry.size), f"version {entry.version}") if part)
    description = f"  {printable(entry.description)}" if entry.description else ""
    return f"  {printable(name)}  ({details}){description}"


def summarise_facts(entry: Entry) -> str:
    """The type's own facts in a few words: ``150 x 4``, a class, a dtype."""
    facts = entry.facts
    shape = facts.get("shape")
    words = []
    if isinstance(shape, (list, tuple)):
        words.append(" x ".join(str(length) for length in shape) or "scalar")
    words += [str(facts[key]) for key in ("dtype", "class", "kind", "filename") if key in facts]
    return printable(" ".join(words))


def _short(value: Any) -> str:
    text = printable(repr(value))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
