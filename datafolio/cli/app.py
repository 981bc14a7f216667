"""The commands and the options that come before them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from datafolio._version import __version__
from datafolio.cli import snapshot
from datafolio.cli.audit import audit
from datafolio.cli.check import fsck
from datafolio.cli.collect import gc
from datafolio.cli.difference import difference_lines
from datafolio.cli.history import log, undo
from datafolio.cli.output import difference_document, emit, folio_document, text_of
from datafolio.cli.render import count, fields, format_time, line, show
from datafolio.cli.session import Json, find_target, reading, target_of
from datafolio.cli.terminal import write
from datafolio.errors import UsageError
from datafolio.porcelain.folio import DataFolio
from datafolio.porcelain.place import open_folio
from datafolio.store.objects import OBJECTS
from datafolio.text import format_size

__all__ = ["app"]

# Plain help: rich's takes longer to load than all the rest.
_SETTINGS: Any = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}

app = typer.Typer(**_SETTINGS)
snapshot_app = typer.Typer(add_completion=False, **_SETTINGS)


def _show_version(wanted: bool) -> None:
    if wanted:
        write(f"datafolio {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    folio: Annotated[
        str | None,
        typer.Option(
            "--folio", metavar="PATH", help="The folio; by default DATAFOLIO_PATH, else the current directory."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep an experiment's tables, models, arrays and metadata, and snapshots of them.

    Example: datafolio --folio experiments/classifier snapshot list
    """
    del version
    context.obj = find_target(folio, os.environ)
    _help_if_alone(context)


def snapshot_options(context: typer.Context) -> None:
    """Make, show, compare and restore snapshots.

    Example: datafolio snapshot create v1.0 -d "Baseline model"
    """
    _help_if_alone(context)


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(UsageError.exit_code)


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
        "bytes_stored": sum(size for _, size in open_folio(folio.path).backend.list(OBJECTS)),
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


def _add(to: typer.Typer, commands: Mapping[str, Callable[..., None]], *, hidden: bool = False) -> None:
    for name, command in commands.items():
        to.command(name, hidden=hidden)(command)


_add(
    app, {"init": init, "describe": describe, "status": status, "log": log, "undo": undo, "fsck": fsck, "audit": audit}
)
_add(
    snapshot_app,
    {
        "create": snapshot.create,
        "list": snapshot.list_,
        "show": snapshot.show_,
        "reproduce": snapshot.reproduce,
        "compare": snapshot.compare,
        "diff": snapshot.diff,
        "status": status,
        "restore": snapshot.restore,
        "export": snapshot.export,
        "delete": snapshot.delete,
        "gc": gc,
    },
)
snapshot_app.callback(invoke_without_command=True)(snapshot_options)
app.add_typer(snapshot_app, name="snapshot")

# Short for `datafolio snapshot ...`.
_add(app, {"diff": snapshot.diff, "restore": snapshot.restore, "export": snapshot.export}, hidden=True)
