"""``datafolio audit``: what in the folio would run code, and what of?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from datafolio.cli.output import emit, text_of
from datafolio.cli.render import Part, count, line, show, table
from datafolio.cli.session import reading
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json

__all__ = ["audit"]

_MOST_SHOWN = 20
_LONGEST = 200


def audit(context: typer.Context, as_json: Json = False) -> None:
    """List what would run code when it is read.

    The models, current and in snapshots, and what their pickles import.  Loads none of them, and
    imports nothing of what it finds.

    Example: datafolio --folio experiments/from-elsewhere audit
    """
    folio = reading(context)
    items = folio.audit()
    if as_json:
        emit({"path": text_of(folio.path), "items": items})
    else:
        show(*_lines(items))


def _lines(items: list[dict[str, Any]]) -> Iterator[Part]:
    if not items:
        yield line(("nothing in the folio runs code when it is read", "green"))
        return
    rows = [
        (item["item"], item["version"], _holders(item), format_size(item["bytes"]), _imports(item)) for item in items
    ]
    yield table(("item", ">version", "held by", ">size", "imports"), rows)
    unknown = [item for item in items if item["unknown"]]
    for item in unknown:
        yield line(("unknown", "yellow"), (f"  item {item['item']!r} version {item['version']}: {_reasons(item)}", ""))
    total = count(len(items), "item")
    yield line((f"reading {total} runs code from the folio; reading everything else runs none", "bold"))


def _holders(item: Mapping[str, Any]) -> str:
    return _listing([*(["now"] if item["current"] else []), *item["snapshots"]], ", ")


def _imports(item: Mapping[str, Any]) -> str:
    return _listing([*item["imports"], *(["unknown, see below"] if item["unknown"] else [])], ", ") or "nothing"


def _reasons(item: Mapping[str, Any]) -> str:
    return _listing(item["unknown"], "; ")


def _listing(words: list[str], between: str) -> str:
    shown = [word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..." for word in words[:_MOST_SHOWN]]
    more = len(words) - _MOST_SHOWN
    return between.join([*shown, *([f"and {more} more (--json lists them)"] if more > 0 else [])])
