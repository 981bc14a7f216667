"""``datafolio log`` and ``datafolio undo``: what was done, and back to before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from datafolio.canonical import pack
from datafolio.cli.output import emit
from datafolio.cli.render import format_time, format_value, line, show, table
from datafolio.cli.session import reading, writing
from datafolio.cli.terminal import note
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json

__all__ = ["log", "undo"]

_UNKNOWN = "(not known)"
_MOST_SHOWN = 5

#: The keys of an operation's changes, with what stands before a name and after it, and in which colour.
_KINDS = (
    ("added_items", "+ ", "green"),
    ("removed_items", "- ", "red"),
    ("modified_items", "~ ", "yellow"),
    ("metadata_changes", "~ metadata ", "yellow"),
    ("created_snapshots", "+ snapshot ", "green"),
    ("deleted_snapshots", "- snapshot ", "red"),
)


def log(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An item: only the operations that changed it.")
    ] = None,
    number: Annotated[
        int | None, typer.Option("--number", "-n", metavar="COUNT", min=1, help="Only the newest so many.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what was done to the folio.

    One line an operation, the newest first, as far as the log goes back: 100 operations at least.

    Example: datafolio log -n 10
    """
    operations = reading(context).history(name)[:number]
    if as_json:
        emit({"operations": [_document(operation) for operation in operations]})
    elif name is None:
        show(table((">operation", "time (UTC)", "what", "changes"), map(_row, operations)))
    elif operations:
        columns = (">operation", "time (UTC)", "what", "version", "size")
        show(table(columns, (_item_row(operation) for operation in operations)))
    else:
        note(f"no operation in the log changed an item {name}")


def undo(
    context: typer.Context,
    operation: Annotated[
        int | None,
        typer.Argument(metavar="OPERATION", help="Go back to before this one, of `datafolio log`; else the newest."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be undone.")] = False,
    as_json: Json = False,
) -> None:
    """Undo the newest operation.

    Or everything from the given one on: items, metadata and snapshots are what they were before.
    Whoever made it: the newest operation may be another program's.  Undo again to go one operation
    further back.  An undo is an operation too, and can be undone by its number.

    Example: datafolio undo
    """
    folio = reading(context) if dry_run else writing(context)
    done = folio.undo(operation, dry_run=dry_run)
    if as_json:
        emit({"dry_run": dry_run, "undo": done and _document(done)})
    elif done is None:
        show(f"nothing to undo: everything is as it was before operation {operation}")
    else:
        words = done["what"].removeprefix("undo ")
        show(f"{'would undo' if dry_run else 'undid'} {words}", *_change_lines(done["changes"]))
        if not dry_run:
            note(
                f"`datafolio undo {done['operation']}` brings it back; `datafolio undo` goes one operation further back"
            )


def _document(operation: Mapping[str, Any]) -> dict[str, Any]:
    changes = operation["changes"]
    if changes is None:
        return dict(operation)
    values = {key: list(pair) for key, pair in changes["metadata_changes"].items()}
    return {**operation, "changes": {**changes, "metadata_changes": pack(values, "the metadata")}}


def _row(operation: Mapping[str, Any]) -> tuple[object, ...]:
    return (*_head(operation), _in_short(operation["changes"]))


def _head(operation: Mapping[str, Any]) -> tuple[object, ...]:
    if operation["what"] is None:
        return operation["operation"], "", "(can't be read)"
    return operation["operation"], format_time(operation["time"]), operation["what"]


def _in_short(changes: Mapping[str, Any] | None) -> str:
    if changes is None:
        return _UNKNOWN
    words = [f"{sign}{name}" for key, sign, _ in _KINDS for name in changes[key]]
    more = len(words) - _MOST_SHOWN
    return ", ".join(words[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _item_row(operation: Mapping[str, Any]) -> tuple[object, ...]:
    if operation["changes"] is None:
        return (*_head(operation), _UNKNOWN, "")
    sides = operation["before"], operation["after"]
    versions = " -> ".join(str(side["version"]) if side else "none" for side in sides)
    return (*_head(operation), versions, " -> ".join(format_size(side["size"]) if side else "none" for side in sides))


def _change_lines(changes: Mapping[str, Any] | None) -> Iterator[Any]:
    """A line for each change, as of `datafolio diff`."""
    if changes is None:
        yield line((f"changes {_UNKNOWN}", "dim"))
        return
    for key, sign, style in _KINDS:
        for name in changes[key]:
            yield line((sign, style), (name, style), (_values(changes[key], name), ""))


def _values(names: Any, name: Any) -> str:
    if not isinstance(names, Mapping):
        return ""
    old, new = names[name]
    return f": {format_value(old)} -> {format_value(new)}"
