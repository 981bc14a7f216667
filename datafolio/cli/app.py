"""The commands and the options that come before them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from datafolio._version import __version__
from datafolio.cli import cache, parameters, snapshot
from datafolio.cli.audit import audit
from datafolio.cli.check import fsck
from datafolio.cli.collect import gc
from datafolio.cli.folio import describe, init, status
from datafolio.cli.history import log, undo
from datafolio.cli.session import find_target
from datafolio.cli.sharing import clone, pull, push
from datafolio.cli.terminal import write
from datafolio.errors import UsageError

__all__ = ["app"]

# Plain help: rich's takes longer to load than all the rest.
_SETTINGS: Any = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}

app = typer.Typer(**_SETTINGS)
snapshot_app = typer.Typer(add_completion=False, **_SETTINGS)
cache_app = typer.Typer(add_completion=False, **_SETTINGS)


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


def cache_options(context: typer.Context) -> None:
    """Look after the local copy of what was read from folios far away.

    Example: datafolio cache info
    """
    _help_if_alone(context)


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(UsageError.exit_code)


def _add(to: typer.Typer, commands: Mapping[str, Callable[..., None]], *, hidden: bool = False) -> None:
    for name, command in commands.items():
        # The commands' own modules load neither typer nor what is declared with it.
        names = {**command.__globals__, **vars(parameters)}
        command.__annotations__ = get_type_hints(command, names, include_extras=True)
        to.command(name, hidden=hidden)(command)


_add(
    app,
    {
        "init": init,
        "describe": describe,
        "status": status,
        "log": log,
        "undo": undo,
        "clone": clone,
        "push": push,
        "pull": pull,
        "fsck": fsck,
        "audit": audit,
    },
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

_add(cache_app, {"info": cache.info, "prune": cache.prune, "clear": cache.clear})
cache_app.callback(invoke_without_command=True)(cache_options)
app.add_typer(cache_app, name="cache")

# Short for `datafolio snapshot ...`.
_add(app, {"diff": snapshot.diff, "restore": snapshot.restore, "export": snapshot.export}, hidden=True)
