"""``datafolio snapshot gc``: free what nothing needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from datafolio.cli.output import collection_document, emit
from datafolio.cli.render import Part, count, progress_bar, show, table
from datafolio.cli.session import reading, writing
from datafolio.cli.terminal import confirm
from datafolio.porcelain.folio import DataFolio
from datafolio.porcelain.place import bind_place
from datafolio.text import format_size

if TYPE_CHECKING:
    import typer

    from datafolio.cli.parameters import Json, Yes
    from datafolio.store.gc import Collection

__all__ = ["collection_of", "collection_table", "collection_words", "gc"]


def collection_of(folio: DataFolio, *, dry_run: bool = False) -> Collection:
    """Collect; with `dry_run`, only say what that would free."""
    from datafolio.store.gc import collect

    with progress_bar("marking" if dry_run else "collecting") as progress:
        return collect(bind_place(folio.path).open(read_only=dry_run), dry_run=dry_run, progress=progress)


def gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Free the space of what nothing needs.

    That is what neither the folio nor a snapshot holds any more.  Says which versions of which items
    these are, and what held them last.  On a terminal it asks first.

    Example: datafolio snapshot gc --dry-run
    """
    folio = reading(context) if dry_run else writing(context)
    found = collection_of(folio, dry_run=True)
    if not as_json:
        show(*collection_table(found), collection_words("would free", found))
    if not dry_run:
        found = _free(folio, found, yes=yes, quiet=as_json)
    if as_json:
        emit(collection_document(found, dry_run=dry_run))


def _free(folio: DataFolio, plan: Collection, *, yes: bool, quiet: bool) -> Collection:
    if plan.objects:
        confirm(f"Free {format_size(plan.size)}?", yes=yes)
    freed = collection_of(folio)  # though there be nothing to free: it also clears away what killed writers left
    if freed.objects and not quiet:
        # Another program may have let go of more since.
        show(*(collection_table(freed) if freed.orphans != plan.orphans else ()), collection_words("freed", freed))
    return freed


def collection_table(collection: Collection) -> Iterator[Part]:
    """The versions of items, if there are any."""
    if collection.orphans:
        rows = [
            (orphan["item"], orphan["version"], format_size(int(str(orphan["bytes"]))), orphan["last_held_by"])
            for orphan in collection.orphans
        ]
        yield table(("item", ">version", ">size", "last held by"), rows)


def collection_words(verb: str, collection: Collection) -> str:
    """The totals."""
    if not collection.objects:
        return "nothing to free"
    versions = f"{count(len(collection.orphans), 'item version')}, " if collection.orphans else ""
    return f"{verb} {versions}{count(collection.objects, 'file')}, {format_size(collection.size)} in all"
