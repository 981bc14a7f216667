"""``datafolio clone``, ``push`` and ``pull``: copies of a folio elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from datafolio.cli.output import emit
from datafolio.cli.progress import copying_bar
from datafolio.cli.render import count, show
from datafolio.cli.session import target_of, writing
from datafolio.errors import UsageError
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json, OnlySnapshot

__all__ = ["clone", "pull", "push"]


def clone(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The folio to copy: a path or a URL.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Where the copy is to be: a path or a URL.")],
    snapshot: OnlySnapshot = None,
    as_json: Json = False,
) -> None:
    """Copy a folio to another place.

    The copy has a log of its own.  A clone that was interrupted goes on when it is made again.

    Example: datafolio clone s3://bucket/experiments/exp1 exp1
    """
    if target_of(context).named_by == "--folio":
        raise UsageError("clone takes the folio as SOURCE; leave out --folio")
    from datafolio.porcelain import sharing

    with copying_bar("cloning") as progress:
        _, done = sharing.clone(source, target, snapshot, progress=progress)
    _tell(done, "cloned to", as_json=as_json)


def push(
    context: typer.Context,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The folio to bring up to date: a path or a URL.")],
    snapshot: OnlySnapshot = None,
    as_json: Json = False,
) -> None:
    """Bring a copy up to date with the folio.

    One that has what the folio lacks is refused, and what differs is said.

    Example: datafolio push s3://bucket/experiments/exp1
    """
    with copying_bar("pushing") as progress:
        done = writing(context).push(target, snapshot, progress=progress)
    _tell(done, "pushed to", as_json=as_json)


def pull(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The folio to take from: a path or a URL.")],
    snapshot: OnlySnapshot = None,
    as_json: Json = False,
) -> None:
    """Bring the folio up to date with another one.

    If the folio has what the other lacks, that is refused, and what differs is said.

    Example: datafolio pull s3://bucket/experiments/exp1
    """
    with copying_bar("pulling") as progress:
        done = writing(context).pull(source, snapshot, progress=progress)
    _tell(done, "pulled to", as_json=as_json)


def _tell(done: Mapping[str, Any], verb: str, *, as_json: bool) -> None:
    if as_json:
        emit(done)
    elif done["changed"]:
        copied = f"{count(done['objects'], 'object')}, {format_size(done['bytes'])}"
        show(f"{verb} {done['target']}: {copied}")
    elif done["ahead"]:
        show(f"nothing to do: {done['target']} has all that {done['source']} has, and more")
    else:
        show(f"nothing to do: {done['target']} is up to date")
