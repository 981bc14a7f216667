"""The arguments and options that several commands have."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from datafolio.cli.session import find_target
from datafolio.errors import FolioError

__all__ = ["BaseSnapshot", "ExitCode", "Json", "NewSnapshot", "OldSnapshot", "OnlySnapshot", "SnapshotName", "Yes"]


def _complete_snapshot(ctx: typer.Context, incomplete: str) -> list[str]:
    """The names of snapshots that begin so; none where there is no folio that can be read."""
    try:
        target = find_target(ctx.find_root().params.get("folio"), os.environ)
        names = list(target.open(read_only=True).snapshots)
    except FolioError:
        return []
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]


SnapshotName = Annotated[
    str, typer.Argument(metavar="NAME", help="The snapshot's name.", autocompletion=_complete_snapshot)
]
OldSnapshot = Annotated[
    str, typer.Argument(metavar="OLD", help="The snapshot to start from.", autocompletion=_complete_snapshot)
]
NewSnapshot = Annotated[
    str, typer.Argument(metavar="NEW", help="The snapshot to compare with it.", autocompletion=_complete_snapshot)
]
BaseSnapshot = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", help="The snapshot to start from; by default the newest.", autocompletion=_complete_snapshot
    ),
]
OnlySnapshot = Annotated[
    str | None,
    typer.Option("--snapshot", metavar="NAME", help="Only this snapshot.", autocompletion=_complete_snapshot),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, not even on a terminal.")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if there are differences.")]
