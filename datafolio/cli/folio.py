"""The commands for a folio as a whole: ``init``, ``describe``, ``status``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from datafolio.cli.difference import difference_lines
from datafolio.cli.output import difference_document, emit, folio_document, text_of
from datafolio.cli.render import count, fields, format_time, line, show
from datafolio.cli.session import reading, target_of
from datafolio.errors import UsageError
from datafolio.porcelain.folio import DataFolio
from datafolio.porcelain.place import bind_place
from datafolio.store.objects import OBJECTS
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json

__all__ = ["describe", "init", "status"]


def init(
    context: typer.Context,
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="Where; by default what --folio or DATAFOLIO_PATH names.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a folio.

    Also in a directory that has other things in it, as `git init` does.

    Example: datafolio init experiments/classifier
    """
    target = target_of(context)
    if path is not None and target.named_by == "--folio":
        raise UsageError("init got a path and --folio; give one of them")
    folio = DataFolio.init(target.path if path is None else path)
    if as_json:
        emit({"path": text_of(folio.path)})
    else:
        show(f"made a folio at {text_of(folio.path)}")


def describe(context: typer.Context, as_json: Json = False) -> None:
    """Say what is in the folio.

    Its items by type, its metadata and how many snapshots it has.

    Example: datafolio --folio experiments/classifier describe
    """
    folio = reading(context)
    if as_json:
        emit(folio_document(folio))
    else:
        show(*folio.describe().split("\n"))


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what changed since the newest snapshot.

    And the folio's path, the number and the size of its items, and what all of it takes in storage.

    Example: datafolio --folio experiments/classifier status
    """
    folio = reading(context)
    facts = _facts(folio)
    newest = facts["newest"]
    difference = folio.diff_from_snapshot(newest["name"]) if newest else None
    if as_json:
        changes = difference_document(newest["name"], None, difference) if difference else None
        emit({**facts, "changes": changes})
        return
    show(fields(_status_fields(facts)))
    if difference is not None:
        show("", line((f"changes since {newest['name']}", "bold")), *difference_lines(difference))


def _facts(folio: DataFolio) -> dict[str, Any]:
    items = folio.list_items()
    names = list(folio.snapshots)
    info = folio.get_snapshot_info(names[-1]) if names else None
    return {
        "path": text_of(folio.path),
        "items": len(items),
        "bytes": sum(item["size"] for item in items),
        "bytes_stored": sum(size for _, size, _ in bind_place(folio.path).backend.list(OBJECTS)),
        "snapshots": len(names),
        "newest": info and {key: info[key] for key in ("name", "timestamp", "description", "tags")},
    }


def _status_fields(facts: dict[str, Any]) -> dict[str, object]:
    newest = facts["newest"]
    about = f": {newest['description']}" if newest and newest["description"] else ""
    return {
        "folio": facts["path"],
        "items": f"{count(facts['items'], 'item')}, {format_size(facts['bytes'])}",
        "stored": f"{format_size(facts['bytes_stored'])}, snapshots and old versions included",
        "snapshots": facts["snapshots"] or "none",
        "newest": f"{newest['name']}, {format_time(newest['timestamp'])} UTC{about}" if newest else "none",
    }
