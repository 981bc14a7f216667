"""One snapshot, for people: everything that was captured in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datafolio.cli.render import Part, fields, format_time, format_value, line, show, table
from datafolio.porcelain.folio import DataFolio
from datafolio.text import format_size

__all__ = ["git_words", "show_snapshot"]

_SHORT_COMMIT = 10


def git_words(git: Mapping[str, Any]) -> str:
    """A commit in a few words: ``3f2a91c0b7 (with uncommitted changes)``."""
    commit = str(git.get("commit") or "no commit")[:_SHORT_COMMIT]
    return f"{commit} (with uncommitted changes)" if git.get("dirty") else commit


def show_snapshot(info: Mapping[str, Any], snapshot: DataFolio) -> None:
    """Print all of `info`, but for the versions of the packages, which are counted."""
    show(fields(_head(info)))
    for title, captured in (
        ("git", info["git"]),
        ("environment", info["environment"]),
        ("execution", info["execution"]),
    ):
        show("", *_section(title, captured))
    show("", *_items(snapshot))
    metadata = info["metadata_snapshot"]
    show("", line((f"metadata ({len(metadata)})", "bold")))
    if metadata:
        show(fields({key: format_value(value) for key, value in metadata.items()}, indent=2))


def _head(info: Mapping[str, Any]) -> dict[str, object]:
    return {
        "snapshot": info["name"],
        "created": f"{format_time(info['timestamp'])} UTC",
        "description": info["description"] or "none",
        "tags": ", ".join(info["tags"]) or "none",
        "digest": info["digest"],
    }


def _section(title: str, captured: Mapping[str, Any] | None) -> Iterator[Part]:
    yield line((title, "bold"), ("" if captured else ": not captured", ""))
    if captured:
        yield fields({key.replace("_", " "): _words(key, value) for key, value in captured.items()}, indent=2)


def _words(key: str, value: Any) -> str:
    if key == "packages" and isinstance(value, Mapping):
        return f"{len(value)}; --json lists them"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_words('', part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return repr(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _items(snapshot: DataFolio) -> Iterator[Part]:
    infos = snapshot.list_items()
    size = format_size(sum(info["size"] for info in infos))
    yield line((f"items ({len(infos)})", "bold"), (f"  {size}" if infos else "", ""))
    if infos:
        yield table(("  name", ">version", "type", ">size", "description"), map(_item_row, infos))


def _item_row(info: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        f"  {info['name']}",
        info["version"],
        info["type"],
        format_size(info["size"]),
        info["description"] or "",
    )
