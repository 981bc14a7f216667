"""``datafolio cache``: the local copy of what was read from folios far away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from datafolio.cli.output import emit, text_of
from datafolio.cli.render import count, fields, show
from datafolio.errors import UsageError
from datafolio.porcelain.nearby import cache
from datafolio.text import format_size, parse_size, quoted

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json
    from datafolio.store.cache import Removed

__all__ = ["clear", "info", "prune"]


def info(as_json: Json = False) -> None:
    """Say where the cache is, what it holds and how large it may become.

    Example: datafolio cache info
    """
    found = cache().info()
    if as_json:
        emit({"path": text_of(found.folder), "objects": found.objects, "bytes": found.size, "limit": found.limit})
        return
    limit = format_size(found.limit) if found.limit else "0: nothing is kept, or looked for"
    holds = f"{count(found.objects, 'object')}, {format_size(found.size)}"
    show(fields({"cache": text_of(found.folder), "holds": holds, "limit": limit}))


def prune(
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="SIZE", help="How much may stay, such as 2GB; by default the cache's limit."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the cache smaller.

    What was not used for longest goes first.  What killed programs left unfinished goes as well.

    Example: datafolio cache prune --size 2GB
    """
    _say(cache().prune(None if size is None else _parsed(size)), as_json=as_json)


def clear(as_json: Json = False) -> None:
    """Empty the cache.

    Nothing is lost: what is needed again is fetched again.

    Example: datafolio cache clear
    """
    _say(cache().clear(), as_json=as_json)


def _parsed(size: str) -> int:
    number = parse_size(size)
    if number is None:
        raise UsageError(f"--size is {quoted(size)}; give a size, such as 2GB")
    return number


def _say(removed: Removed, *, as_json: bool) -> None:
    left = cache().info()
    if as_json:
        emit({"objects": removed.objects, "bytes": removed.size, "bytes_left": left.size})
        return
    if removed == (0, 0):
        show(f"nothing to remove; {format_size(left.size)} in the cache")
    else:
        freed = f"removed {count(removed.objects, 'object')}, freed {format_size(removed.size)}"
        show(f"{freed}; {format_size(left.size)} left")
